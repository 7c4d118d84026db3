#!/usr/bin/env python3
"""Trains the starter model on made-up clips. Goes on where it was: its state lies in a folder, in files under 16 MiB.

    train.py --state DIR [--minutes M] [--photos DIR] [--device cuda]
    train.py --state DIR --weights models/starter.safetensors    # a new state that goes on from exported weights

Stages follow each other by number of steps (STAGES). The weights that count are the moving average of the trained ones.
"""

import argparse
import json
import math
import pathlib
import random
import shutil
import time

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import clips
import network as net

SHARD = 15 * 2**20
PEAK_RATE, WARM_UP, HALVED_FROM = 1e-3, 200, 2500
AVERAGE = 0.998
# steps, picture side, frames a clip, clips a batch
STAGES = [
    (1800, 128, 1, 24),
    (2450, 128, 4, 6),
    (100, 256, 1, 12),
    (220, 256, 4, 4),
]
# And then these by turns: what belongs to an object is learnt quickest on many small pictures.
TURNS = [
    (30, 128, 1, 24),
    (20, 256, 4, 4),
    (10, 128, 8, 6),
    (10, 256, 8, 2),
]
# A GPU is fed by large batches instead, each step of another length.
GPU_TURNS = [(1, 256, 1, 768), (1, 256, 8, 96), (1, 256, 4, 192), (1, 256, 8, 96)]
COOLED = 0.05  # what is left of the rate at the end of a cooling


def stage_of(step, device):
    """The stage a step belongs to, and how far into it the step is."""
    if device != "cpu":
        return GPU_TURNS[step % len(GPU_TURNS)], 0
    for stage in STAGES:
        if step < stage[0]:
            return stage, step
        step -= stage[0]
    step %= sum(turn[0] for turn in TURNS)
    for turn in TURNS:
        if step < turn[0]:
            return turn, step
        step -= turn[0]
    raise AssertionError("a remainder lies in one of the turns")


def mask_loss(logits, truth, balance):
    """Focal and dice loss of every candidate: logits [B, M, s, s], truth [B, S, S] -> [B, M].

    `balance` 1 gives object and background the same weight, however small the object is; 0 counts pixels.
    """
    logits = F.interpolate(logits.float(), size=truth.shape[-2:], mode="bilinear", align_corners=False)
    wanted = truth[:, None].float().expand_as(logits)
    there = logits.sigmoid()
    share = wanted.mean((2, 3), keepdim=True).clamp(0.005, 0.995)
    weight = wanted * (0.5 / share) ** balance + (1 - wanted) * (0.5 / (1 - share)) ** balance
    right = torch.where(wanted > 0.5, there, 1 - there)
    cross = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    focal = (weight * (1 - right) * cross).mean((2, 3))
    both = 2 * (there * wanted).sum((2, 3))
    dice = 1 - (both + 1) / (there.sum((2, 3)) + wanted.sum((2, 3)) + 1)
    return 2 * focal + dice


def iou(shown, truth):
    """Of booleans [B, M, S, S] with truth [B, S, S]; two empty masks agree."""
    both = (shown & truth[:, None]).sum((2, 3)).float()
    either = (shown | truth[:, None]).sum((2, 3)).float()
    return torch.where(either > 0, both / either.clamp(min=1), torch.ones_like(both))


def answer_loss(answer, truth, step):
    """The loss of one answer, and the IoU of the mask shown."""
    seen = truth.flatten(1).any(1)
    balance = max(0.25, 1 - step / 3000)
    each = mask_loss(answer["masks"], truth, balance)
    best = each.amin(1)
    if step < 2000:  # so that no candidate is left behind for good
        best = best + 0.1 * each.mean(1)
    with torch.no_grad():
        got = iou(answer["masks_full"] > 0, truth)
    judged = (answer["ious"].float() - got).abs().mean(1)
    score = F.binary_cross_entropy_with_logits(answer["score"][:, 0].float(), seen.float())
    loss = ((best + judged) * seen).mean() + score
    return loss, iou(answer["chosen_full"] > 0, truth)[:, 0].detach()


def clip_loss(network, pictures, truth, maker, step):
    """A prompt on the first frame, sometimes corrected, the rest tracked, a later frame sometimes corrected too."""
    frames = truth.shape[1]
    dice = random.Random(step)  # not the maker's: a GPU would stand still for each throw
    chance = lambda p: dice.random() < p
    # Pointers alone are the easy way to find an object again, and memories of its mask are then never learnt.
    network.use_obj_ptrs_in_encoder = not chance(0.6)
    clip = net.Clip(network, pictures)
    loss, shown = 0, []
    late = 1 + int(dice.random() * (frames - 1)) if frames > 2 and chance(0.25) else None
    for frame in range(frames):
        wanted = truth[:, frame]
        if frame == 0:
            points, labels = net.box(wanted, maker, 0.1) if chance(0.35) else net.click(wanted, maker, middle=chance(0.6))
            answer = clip.look(0, points, labels)
            corrections = 1 + int(dice.random() * 2) if chance(0.3) else 0
        else:
            answer = clip.look(frame)
            corrections = 1 if frame == late else 0
            points = torch.zeros(len(wanted), 0, 2, device=wanted.device)
            labels = torch.zeros(len(wanted), 0, dtype=torch.int32, device=wanted.device)
        part, agreed = answer_loss(answer, wanted, step)
        loss = loss + part
        shown.append(agreed.mean())
        for _ in range(corrections):
            points, labels = net.corrected(points, labels, answer["chosen_full"][:, 0] > 0, wanted, maker, middle=chance(0.6))
            answer = clip.look(frame, points, labels, answer["chosen"].detach().clamp(-32, 32))
            loss = loss + 0.5 * answer_loss(answer, wanted, step)[0]
        if frame + 1 < frames:
            if frame == 0 and chance(0.5):  # as if it had been painted: the mask is then worth remembering from the beginning
                answer["chosen_full"] = wanted[:, None].float() * 20 - 10
            clip.remember(frame, answer)
    return loss / frames, shown


class State:
    """Weights, their average, the optimizers and the step; on disk in files under 16 MiB."""

    def __init__(self, folder, device):
        self.folder, self.device, self.step, self.seconds = pathlib.Path(folder), device, 0, 0.0
        self.began = 0  # the step that the optimizers are from
        self.network = net.build(STAGES[0][1]).to(device)
        self.average = {k: v.clone() for k, v in self.network.state_dict().items()}
        self._optimizers()
        if (self.folder / "state.json").exists():
            self._load()

    def _optimizers(self):
        matrices, rest = [], []
        for name, p in self.network.named_parameters():
            hidden = p.ndim == 2 and min(p.shape) >= 16 and "embed" not in name and "token" not in name
            (matrices if hidden else rest).append(p)
        self.optimizers = [
            torch.optim.Muon(matrices, lr=PEAK_RATE, weight_decay=0.02, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(rest, lr=PEAK_RATE, weight_decay=0.02, betas=(0.9, 0.98)),
        ]

    def at_side(self, side):
        """The network for pictures of this side, with the same weights and optimizers."""
        if self.network.image_size == side:
            return self.network
        other = net.build(side).to(self.device)
        # The parameters stay the same objects, so the optimizers go on.
        mine = dict(self.network.named_parameters())
        for module_name, module in other.named_modules():
            for name in list(module._parameters):
                full = f"{module_name}.{name}" if module_name else name
                if module._parameters[name] is not None:
                    module._parameters[name] = mine[full]
        other.load_state_dict(self.network.state_dict(), strict=True)  # what is no parameter: the random matrix of the position code
        self.network = other
        return other

    def begin_with(self, file):
        """Takes over what `export.py` wrote: the average's weights, the step and the time. The optimizers begin anew."""
        with safe_open(file, "pt", device=self.device) as exported:
            about = exported.metadata() or {}
            if "step" not in about:
                raise SystemExit(f"{file} does not say which step it is from: export.py did not write it")
            weights = {name: exported.get_tensor(name).float() for name in exported.keys()}
        self.network.load_state_dict(weights, strict=True)
        self.average = {k: v.clone() for k, v in self.network.state_dict().items()}
        self.step = self.began = int(about["step"])
        self.seconds = float(about["seconds"])

    def reset_memory(self):
        """Memory encoder and memory attention from the beginning, with features of the size that the latter gives back.

        Without a norm the encoder's features grow to ten times that; a memory's share in a frame is then too small to be
        learnt, and the decoder gets prompted and tracked frames in two different sizes.
        """
        fresh = net.build(self.network.image_size).state_dict()
        with torch.no_grad():
            for tensors in (self.network.state_dict(), self.average):
                for name, tensor in tensors.items():
                    if name.startswith(("memory_attention.", "memory_encoder.")):
                        tensor.copy_(fresh[name])
                    elif name.startswith(("image_encoder.neck.convs.0.", "image_encoder.neck.convs.1.", "no_mem_embed")):
                        tensor.mul_(0.1)
        self._optimizers()

    def descend(self, loss, peak, cooled=0.0):
        """One step at the rate `peak`. `cooled` goes from 0 to 1 while the rate falls at the end."""
        rate = peak * min(1, (self.step - self.began + 1) / WARM_UP)
        rate *= 1 - (1 - COOLED) * cooled
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        self.step += 1
        keep = min(AVERAGE, self.step / (self.step + 10))
        with torch.no_grad():
            names, values = zip(*self.network.state_dict().items())
            torch._foreach_lerp_([self.average[name] for name in names], list(values), 1 - keep)

    def save(self):
        tensors = {f"weights.{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.items()}
        for number, optimizer in enumerate(self.optimizers):
            for index, values in optimizer.state_dict()["state"].items():
                for key, value in values.items():
                    tensors[f"optimizer{number}.{index}.{key}"] = torch.as_tensor(value)
        shards, size = [{}], 0
        for name, tensor in tensors.items():
            tensor = tensor.detach().contiguous().cpu().clone()
            if shards[-1] and size + tensor.nbytes > SHARD:
                shards.append({})
                size = 0
            shards[-1][name] = tensor
            size += tensor.nbytes
        fresh = self.folder.with_name(self.folder.name + ".part")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        for number, shard in enumerate(shards):
            save_file(shard, fresh / f"state-{number:02}.safetensors")
        (fresh / "state.json").write_text(json.dumps(
            {"step": self.step, "began": self.began, "seconds": self.seconds, "shards": len(shards)}))
        old = self.folder.with_name(self.folder.name + ".old")
        shutil.rmtree(old, ignore_errors=True)
        if self.folder.exists():
            self.folder.rename(old)
        fresh.rename(self.folder)
        shutil.rmtree(old, ignore_errors=True)

    def _load(self):
        about = json.loads((self.folder / "state.json").read_text())
        self.step, self.began, self.seconds = about["step"], about["began"], about["seconds"]
        tensors = {}
        for number in range(about["shards"]):
            tensors |= load_file(self.folder / f"state-{number:02}.safetensors", device=self.device)
        of = lambda prefix: {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        self.network.load_state_dict(of("weights."), strict=True)
        self.average = of("average.")
        for number, optimizer in enumerate(self.optimizers):
            state = {}
            for key, value in of(f"optimizer{number}.").items():
                index, name = key.split(".")
                state.setdefault(int(index), {})[name] = value
            whole = optimizer.state_dict()
            whole["state"] = state
            optimizer.load_state_dict(whole)


class Pool:
    """Scenes that stay on the GPU and are shown more than once, the oldest replaced by new ones now and then.

    Making a few takes a GPU as long as making many, so they are made by hundreds.
    """

    SCENES, AT_ONCE, EVERY, FRAMES, SIDE = 3072, 512, 12, 8, 256

    def __init__(self, first, photos, device):
        self.photos, self.device, self.oldest = photos, device, 0
        self.pictures = torch.empty(self.SCENES, self.FRAMES, 3, self.SIDE, self.SIDE, dtype=torch.uint8, device=device)
        self.owners = torch.empty(self.SCENES, self.FRAMES, self.SIDE, self.SIDE, dtype=torch.uint8, device=device)
        for number in range(self.SCENES // self.AT_ONCE):
            self._renew(clips.Maker(2_000_000 + first * 10 + number, photos, device))

    def _renew(self, maker):
        with torch.no_grad():
            pictures, owners = maker.scenes(self.AT_ONCE, self.FRAMES, self.SIDE, (clips.EASY, clips.HARD_TO_LEARN))
        there = slice(self.oldest, self.oldest + self.AT_ONCE)
        self.pictures[there] = (pictures * 255).round().byte()
        self.owners[there] = owners.byte()
        self.oldest = (self.oldest + self.AT_ONCE) % self.SCENES

    def batch(self, step):
        """Pictures [B, T, 3, S, S] in 0..1 and masks [B, T, S, S] of a step."""
        (_, _, frames, count), _ = stage_of(step, self.device)
        maker = clips.Maker(1_000 + step, self.photos, self.device)
        if step % self.EVERY == 0:
            self._renew(maker)
        dice = random.Random(step)
        first = dice.randrange(self.FRAMES - frames + 1)
        pick = torch.randperm(self.SCENES, generator=maker.generator, device=self.device)[:count]
        pictures, owners = self.pictures[pick, first:first + frames], self.owners[pick, first:first + frames]
        if dice.random() < 0.5:
            pictures, owners = pictures.flip(1), owners.flip(1)
        if dice.random() < 0.5:
            pictures, owners = pictures.flip(-1), owners.flip(-1)
        return pictures.float() / 255, maker.targets(owners)


class Workshop:
    """The clips of each step out of a process of its own, for training on the CPU."""

    def __init__(self, first, last, photos):
        processes = torch.multiprocessing.get_context("spawn")
        self.queue = processes.Queue(4)
        processes.Process(target=make_clips, args=(self.queue, first, last, photos), daemon=True).start()

    def batch(self, step):
        """Pictures [B, T, 3, S, S] in 0..1 and masks [B, T, S, S] of the next step."""
        pictures, truth = (torch.from_numpy(v) for v in self.queue.get())
        return pictures.float() / 255, truth


def make_clips(queue, first, last, photos):
    """Fills the queue with the clips of each step."""
    torch.set_num_threads(1)
    photos = clips.Photos(photos, "cpu")
    made = None
    for step in range(first, last):
        (_, side, frames, batch), _ = stage_of(step, "cpu")
        maker = clips.Maker(1_000 + step, photos)
        with torch.no_grad():
            shape = (batch, frames, 3, side, side)
            if made is None or step % 2 == 0 or made[0].shape != shape:
                made = maker.scenes(batch, frames, side, (clips.EASY, clips.HARD_TO_LEARN))
            # Twice the same scenes, seldom with the same objects: making them takes a third of the time otherwise.
            pictures, truth = made[0], maker.targets(made[1])
            if frames > 1 and maker.uniform(1).item() < 0.5 and truth[:, -1].flatten(1).any(1).all():
                pictures, truth = pictures.flip(1), truth.flip(1)  # backwards
        queue.put(((pictures * 255).round().byte().numpy(), truth.numpy()))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--state", type=pathlib.Path, required=True, help="folder of the training's state; made when missing")
    arguments.add_argument("--minutes", type=float, default=1e9, help="stop after so many (the state is saved)")
    arguments.add_argument("--steps", type=int, default=10**9, help="stop at this step")
    arguments.add_argument("--photos", type=pathlib.Path, help="folder of photographs to take textures from")
    arguments.add_argument("--weights", type=pathlib.Path, help="begin a new state with the weights that export.py wrote")
    arguments.add_argument("--reset-memory", action="store_true", help="begin anew with what the model remembers by")
    arguments.add_argument("--cool", type=float, default=0, help="let the rate fall during the last so many of the minutes")
    arguments.add_argument("--rate", type=float, help=f"highest learning rate, otherwise {PEAK_RATE} and half of it from step {HALVED_FROM} on")
    arguments.add_argument("--device", default="cpu")
    arguments.add_argument("--threads", type=int, default=1)
    a = arguments.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    state = State(a.state, a.device)
    if a.weights:
        if state.step:
            raise SystemExit(f"{a.state} is at step {state.step} already: --weights begins a new state, give another folder")
        state.begin_with(a.weights)
    if a.reset_memory:
        state.reset_memory()
    print(f"{sum(p.numel() for p in state.network.parameters()) / 1e6:.2f} M parameters, step {state.step}", flush=True)
    if a.device == "cpu":
        source = Workshop(state.step, a.steps, a.photos)
    else:
        torch.set_float32_matmul_precision("high")
        source = Pool(state.step, clips.Photos(a.photos, a.device), a.device)
    start = saved = time.monotonic()
    before, sums = state.seconds, None
    while state.step < a.steps and time.monotonic() - start < a.minutes * 60:
        pictures, truth = source.batch(state.step)
        network = state.at_side(pictures.shape[-1]).train()
        prompts = clips.Maker(500_000_000 + state.step, device=a.device)
        loss, shown = clip_loss(network, pictures, truth, prompts, state.step)
        peak = a.rate or PEAK_RATE * (0.5 if state.step >= HALVED_FROM else 1)
        left = a.minutes - (time.monotonic() - start) / 60
        state.descend(loss, peak, cooled=max(0.0, 1 - left / a.cool) if a.cool else 0.0)
        now = time.monotonic()
        state.seconds = before + now - start
        if a.device != "cpu" and state.step % 20:
            continue  # reading a value makes a GPU wait
        values = [loss.item()] + [s.item() for s in shown]
        if not math.isfinite(values[0]):
            raise SystemExit(f"the loss is {values[0]} at step {state.step}; the state of the last saving is kept")
        sums = values if sums is None or len(sums) != len(values) else [0.98 * x + 0.02 * v for x, v in zip(sums, values)]
        if state.step % 50 == 0 or a.device != "cpu":
            print(f"step {state.step} side {network.image_size} {state.seconds:.0f} s loss {sums[0]:.3f}"
                  f" iou {' '.join(f'{v:.3f}' for v in sums[1:])}", flush=True)
        if now - saved > 240:
            state.save()
            saved = now
    state.save()


if __name__ == "__main__":
    main()
