#!/usr/bin/env python3
"""Runs a parity scenario through the reference SAM 2 and writes what it returned.

    ~/.cache/label-hub/ref/bin/python scripts/reference/run_scenario.py SCENARIO.json \\
        --checkpoint C.pt|C.safetensors --frames DIR --out GOLDEN.safetensors

`label-hub parity` runs the same scenario through our port and compares. README.md in
this folder lists the steps a scenario can have and the keys a golden holds.
"""

import argparse
import contextlib
import json
import os
import pathlib
import sys
import tempfile

import numpy as np
import torch
from safetensors.numpy import save_file

sys.dont_write_bytecode = True  # no __pycache__ in the checkout
import model as models
import variants

PROBED_CALLS = 3  # how many calls of each module a scenario with `probes` keeps


class Probes:
    """Watches the model's modules and keeps samples of what their first calls returned."""

    def __init__(self, predictor, samples, whole):
        self.samples, self.whole, self.calls = samples, whole, {}
        for name, module, keep in (
            ("encoder", predictor.image_encoder, self._encoder),
            ("memory_encoder", predictor.memory_encoder, self._memory_encoder),
            ("memory_attention", predictor.memory_attention, self._memory_attention),
            ("prompt_encoder", predictor.sam_prompt_encoder, self._prompt_encoder),
            ("mask_decoder", predictor.sam_mask_decoder, self._mask_decoder),
        ):
            module.register_forward_hook(self._hook(name, keep))

    def _hook(self, name, keep):
        def hook(_module, _inputs, output):
            call = self.calls.get(name, 0)
            self.calls[name] = call + 1
            if call < PROBED_CALLS:
                keep(f"{name}.{call}", output)
        return hook

    def keep(self, key, tensor, *steps):
        # Copied at once: the predictor overwrites some of these outputs in place.
        whole = tensor.detach().float().numpy().astype(np.float32)
        self.samples[key] = np.array(whole[tuple(slice(None, None, s) for s in steps)], order="C")
        if self.whole is not None:
            self.whole[key] = np.array(whole, order="C")

    def _encoder(self, key, out):
        for level, step in enumerate((16, 8, 4)):
            self.keep(f"{key}.fpn{level}", out["backbone_fpn"][level][0], 8, step, step)
        self.keep(f"{key}.pos2", out["vision_pos_enc"][2][0], 8, 4, 4)

    def _memory_encoder(self, key, out):
        self.keep(f"{key}.features", out["vision_features"][0], 4, 2, 2)

    def _memory_attention(self, key, out):
        tokens, _batch, channels = out.shape
        side = round(tokens**0.5)
        self.keep(f"{key}.out", out[:, 0].reshape(side, side, channels), 4, 4, 4)

    def _prompt_encoder(self, key, out):
        self.keep(f"{key}.sparse", out[0][0])

    def _mask_decoder(self, key, out):
        masks, ious, tokens, score = out
        self.keep(f"{key}.masks", masks[0], 1, 4, 4)
        self.keep(f"{key}.ious", ious[0])
        self.keep(f"{key}.tokens", tokens[0])
        self.keep(f"{key}.object_score", score[0])


def keep_memory_float32(predictor):
    """Hands memory attention float32 memories always.

    The predictor stores memories as bfloat16 and relies on joining them with a float32 object
    pointer to get back; where a frame has memories and no pointer, a float32 model would stop
    with a dtype error. Widening first changes nothing elsewhere.
    """
    forward = predictor.memory_attention.forward
    predictor.memory_attention.forward = lambda *args, memory, **more: forward(*args, memory=memory.float(), **more)


@contextlib.contextmanager
def whole_memories(wanted):
    """With it, the predictor's memories stay as the memory encoder gave them instead of being rounded to bfloat16."""
    if not wanted:
        yield
        return
    convert = torch.Tensor.to
    # The predictor rounds memories, and nothing else, by exactly this call.
    torch.Tensor.to = lambda self, *a, **more: self if a == (torch.bfloat16,) and not more else convert(self, *a, **more)
    try:
        yield
    finally:
        torch.Tensor.to = convert


@contextlib.contextmanager
def frame_folder(folder, count):
    """The first `count` pictures of `folder` in name order, under the names the predictor wants."""
    names = sorted(n for n in os.listdir(folder) if n.lower().endswith((".png", ".jpg", ".jpeg")))[:count]
    if len(names) < count:
        raise SystemExit(f"{folder} holds {len(names)} pictures, the scenario needs {count}")
    with tempfile.TemporaryDirectory() as links:
        for i, name in enumerate(names):
            os.symlink(pathlib.Path(folder, name).resolve(), f"{links}/{i:05d}.jpg")
        yield links


class Run:
    """One scenario on one predictor: does the steps and keeps the results."""

    def __init__(self, predictor, state, results):
        self.predictor, self.state, self.results = predictor, state, results
        self.size = (state["video_height"], state["video_width"])

    def step(self, number, step):
        prefix, op = f"step{number}", step["op"]
        if op == "add_points":
            points, labels = step.get("points"), step.get("labels")
            self.record(prefix, *self.predictor.add_new_points_or_box(
                self.state, step["frame"], step["object"],
                points=None if points is None else np.array(points, np.float32),
                labels=None if labels is None else np.array(labels, np.int32),
                box=None if step.get("box") is None else np.array(step["box"], np.float32),
                clear_old_points=step.get("clear_old", True)))
        elif op == "add_mask":
            x0, y0, x1, y1 = step["rect"]
            mask = np.zeros(self.size, bool)
            mask[y0:y1, x0:x1] = True
            self.record(prefix, *self.predictor.add_new_mask(self.state, step["frame"], step["object"], mask))
        elif op == "propagate":
            only = step.get("record")
            for frame, ids, logits in self.predictor.propagate_in_video(
                    self.state, start_frame_idx=step.get("start"),
                    max_frame_num_to_track=step.get("max"), reverse=step.get("reverse", False)):
                if only is None or frame in only:
                    self.record(prefix, frame, ids, logits)
        elif op == "clear_points":
            self.predictor.clear_all_prompts_in_frame(self.state, step["frame"], step["object"])
        elif op == "remove_object":
            self.predictor.remove_object(self.state, step["object"])
        elif op == "reset":
            self.predictor.reset_state(self.state)
        else:
            raise SystemExit(f"step {number}: no such op {op!r}")

    def record(self, prefix, frame, ids, logits):
        for row, object_id in enumerate(ids):
            found = self.find(object_id, frame)
            if found is None:
                continue
            key = f"{prefix}.f{frame}.o{object_id}"
            video = logits[row, 0].float().numpy()
            self.results[f"{key}.low_res_logits"] = found["pred_masks"][0, 0].float().numpy().astype(np.float16)
            self.results[f"{key}.video_logits"] = np.array(video[::8, ::8], np.float32, order="C")
            self.results[f"{key}.area"] = np.array([(video > 0).sum()], np.float32)
            self.results[f"{key}.object_score"] = np.array(found["object_score_logits"].float().reshape(1), np.float32)
            self.results[f"{key}.object_pointer"] = np.array(found["obj_ptr"][0].float(), np.float32)

    def find(self, object_id, frame):
        """The newest output kept for an object on a frame, or None."""
        row = self.state["obj_id_to_idx"][object_id]
        for store in ("temp_output_dict_per_obj", "output_dict_per_obj"):
            for kind in ("cond_frame_outputs", "non_cond_frame_outputs"):
                found = self.state[store][row][kind].get(frame)
                if found is not None:
                    return found
        return None


def run(scenario, checkpoint, frames, model_toml=None, whole=None, variant=None):
    """Runs `scenario` (the parsed JSON) and returns its golden as a dict of arrays.

    `variant` names other arithmetic than a golden is made with, see variants.py.
    """
    float32_memories = scenario.get("options", {}).get("float32_memories", False)
    with variants.variant(variant) as prepare, whole_memories(float32_memories):
        predictor = load(scenario, checkpoint, model_toml)
        prepare(predictor)
        return run_steps(predictor, scenario, frames, whole)


def load(scenario, checkpoint, model_toml):
    """The scenario's model, with its options and weights."""
    toml = model_toml or pathlib.Path(checkpoint).with_suffix(".toml")
    options = dict(scenario.get("options", {}))
    options.pop("float32_memories", None)  # run() sees to it
    if model_toml or toml.exists():
        predictor = models.from_toml(toml, options)
    else:
        predictor = models.published(scenario["model"], options)
    models.load_weights(predictor, checkpoint)
    if "object_score_bias" in scenario:
        predictor.sam_mask_decoder.pred_obj_score_head.layers[2].bias.data.fill_(scenario["object_score_bias"])
    keep_memory_float32(predictor)
    return predictor


def run_steps(predictor, scenario, frames, whole):
    """Takes the scenario's steps on a loaded model; returns the golden."""
    results = {}
    with frame_folder(frames, scenario["frames"]) as folder, torch.inference_mode():
        state = predictor.init_state(folder)
        if scenario.get("probes"):
            # From here on, so `encoder.0` is not frame 0: opening the clip has encoded that one.
            probes = Probes(predictor, results, whole)
            probes.keep("input.frame0", state["images"][0], 1, 16, 16)
        scenario_run = Run(predictor, state, results)
        for number, step in enumerate(scenario["steps"]):
            scenario_run.step(number, step)
    return results


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("scenario", type=pathlib.Path)
    p.add_argument("--checkpoint", type=pathlib.Path, required=True)
    p.add_argument("--frames", type=pathlib.Path, required=True, help="folder of pictures, used in name order")
    p.add_argument("--out", type=pathlib.Path, required=True)
    p.add_argument("--model-toml", type=pathlib.Path,
                   help="description of a model that is not a published one (default: beside the checkpoint, if there)")
    p.add_argument("--dump", type=pathlib.Path, help="also write the probed tensors whole, to this safetensors file")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--variant", choices=variants.NAMES,
                   help="other arithmetic than a golden is made with, see variants.py")
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    whole = {} if a.dump else None
    results = run(json.loads(a.scenario.read_text()), a.checkpoint, a.frames, a.model_toml, whole, a.variant)
    save_file(results, a.out)
    if a.dump:
        save_file(whole, a.dump)
    print(f"{a.out}: {len(results)} keys", file=sys.stderr)


if __name__ == "__main__":
    main()
