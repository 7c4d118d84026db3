#!/usr/bin/env python3
"""Scores the starter model on the held-out clips: J&F over the frames after the prompted one.

    evaluate.py [--weights models/starter.safetensors | --state DIR] [--clips N] [--write DIR]

`--write` also leaves clips, truth, prompts and the masks' scores in a folder, for check_in_rust.py.
"""

import argparse
import json
import pathlib

import torch
from safetensors.torch import load_file

import clips
import network as net
import scores

SIDE, BATCH = 256, 8
PROMPTS = ("one click", "one box", "3 corrections")


def weights_of(weights, state):
    """Tensors of a checkpoint, or the average of a training's state."""
    if state is None:
        return {name: tensor.float() for name, tensor in load_file(weights).items()}
    about = json.loads((state / "state.json").read_text())
    tensors = {}
    for number in range(about["shards"]):
        tensors |= load_file(state / f"state-{number:02}.safetensors")
    print(f"state of step {about['step']}, {about['seconds'] / 60:.0f} minutes of training")
    return {name.removeprefix("average."): t for name, t in tensors.items() if name.startswith("average.")}


def held_out(name, count):
    """The clips of a held-out set, eight at a time: pictures, truth, and the clips' random numbers for prompts.

    Without photographs, so that everyone has the same.
    """
    difficulty, seed = clips.HELD_OUT[name]
    maker = clips.Maker(seed)
    for first in range(0, count, BATCH):
        pictures, truth = maker.clips(BATCH, clips.HELD_OUT_FRAMES, SIDE, difficulty)
        yield first, pictures, truth, clips.Maker(seed * 1000 + first)


def track(network, pictures, truth, maker, prompt):
    """The masks of all frames [B, T, S, S], and the points and labels of the first."""
    clip = net.Clip(network, pictures)
    first = truth[:, 0]
    points, labels = net.box(first, maker, 0.0) if prompt == "one box" else net.click(first, maker)
    answer = clip.look(0, points, labels)
    for _ in range(3 if prompt == "3 corrections" else 0):
        points, labels = net.corrected(points, labels, answer["chosen_full"][:, 0] > 0, first, maker, middle=True)
        answer = clip.look(0, points, labels, answer["chosen"].clamp(-32, 32))
    masks = [answer["chosen_full"][:, 0] > 0]
    clip.remember(0, answer)
    for frame in range(1, truth.shape[1]):
        answer = clip.look(frame)
        clip.remember(frame, answer)
        masks.append(answer["chosen_full"][:, 0] > 0)
    return torch.stack(masks, 1), points, labels


def write(folder, first, pictures, truth, points, masks):
    """What check_in_rust.py needs of some clips."""
    from PIL import Image

    for index in range(len(pictures)):
        place = folder / f"{first + index:03}"
        (place / "frames").mkdir(parents=True, exist_ok=True)
        (place / "truth").mkdir(exist_ok=True)
        for frame in range(pictures.shape[1]):
            rgb = (pictures[index, frame] * 255).round().byte().permute(1, 2, 0).numpy()
            Image.fromarray(rgb).save(place / "frames" / f"{frame:05}.png")
            palette = Image.fromarray(truth[index, frame].byte().numpy(), mode="P")
            palette.putpalette([0, 0, 0, 255, 80, 0])
            palette.save(place / "truth" / f"{frame:05}.png")
        j, f = scores.region(masks[index, 1:], truth[index, 1:]), scores.boundary(masks[index, 1:], truth[index, 1:])
        about = {"click": points[index, 0].tolist(), "j": j.mean().item(), "f": f.mean().item()}
        (place / "about.json").write_text(json.dumps(about))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--weights", type=pathlib.Path, default=net.ROOT / "models" / "starter.safetensors")
    arguments.add_argument("--state", type=pathlib.Path)
    arguments.add_argument("--clips", type=int, default=clips.HELD_OUT_CLIPS, help="of each set, a multiple of 8")
    arguments.add_argument("--write", type=pathlib.Path)
    a = arguments.parse_args()
    network = net.build(SIDE)
    network.load_state_dict(weights_of(a.weights, a.state), strict=True)
    network.eval()
    print(f"{'set':6} {'prompt':14} {'J&F':>6} {'J':>6} {'F':>6}   {'J of the prompted frame':>24}  ({a.clips} clips of {clips.HELD_OUT_FRAMES} frames)")
    with torch.no_grad():
        for name in clips.HELD_OUT:
            for prompt in PROMPTS:
                j, f, prompted = [], [], []
                for first, pictures, truth, maker in held_out(name, a.clips):
                    masks, points, _ = track(network, pictures, truth, maker, prompt)
                    prompted.append(scores.region(masks[:, 0], truth[:, 0]))
                    j.append(scores.region(masks[:, 1:], truth[:, 1:]).flatten())
                    f.append(scores.boundary(masks[:, 1:].flatten(0, 1), truth[:, 1:].flatten(0, 1)))
                    if a.write and prompt == "one click":
                        write(a.write / name, first, pictures, truth, points, masks)
                j, f, prompted = torch.cat(j).mean().item(), torch.cat(f).mean().item(), torch.cat(prompted).mean().item()
                print(f"{name:6} {prompt:14} {(j + f) / 2:6.3f} {j:6.3f} {f:6.3f}   {prompted:24.3f}", flush=True)


if __name__ == "__main__":
    main()
