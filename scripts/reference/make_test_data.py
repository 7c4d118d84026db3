#!/usr/bin/env python3
"""Makes the project's own parity data, all of tests/data/small but its two TOML files.

    ~/.cache/label-hub/ref/bin/python scripts/reference/make_test_data.py [SCENARIO…]

Frames and weights follow from the code below, goldens come from the reference (the `sam2`
package) running on them. With scenario names, only these scenarios' goldens are made anew.
"""

import json
import pathlib
import sys

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import save_file

sys.dont_write_bytecode = True  # no __pycache__ in the checkout
import model as models
import run_scenario
import synthetic

DATA = pathlib.Path(__file__).resolve().parents[2] / "tests/data/small"
WIDTH, HEIGHT, FRAMES = 96, 72, 20

KEEP = {"add_all_frames_to_correct_as_cond": True}


def points(frame, object_id, points, labels, **more):
    return {"op": "add_points", "frame": frame, "object": object_id, "points": points, "labels": labels, **more}


def box(frame, object_id, corners, **more):
    return {"op": "add_points", "frame": frame, "object": object_id, "box": corners, **more}


def mask(frame, object_id, rect):
    return {"op": "add_mask", "frame": frame, "object": object_id, "rect": rect}


def propagate(**more):
    return {"op": "propagate", **more}


SCENARIOS = {
    # Click, refinement, box, forward, a correction that counts, forward and backward from it.
    "clicks_and_box": {
        "model": "small", "frames": 6, "probes": True, "options": KEEP,
        "steps": [
            points(0, 1, [[30, 40]], [1]),
            points(0, 1, [[22.5, 31.25]], [1], clear_old=False),
            box(0, 2, [50, 5, 88, 50]),
            propagate(record=[0, 1, 2, 5]),
            points(3, 1, [[60, 40]], [0], clear_old=False),
            propagate(start=3),
            propagate(start=3, reverse=True, record=[0, 2]),
        ],
    },
    # A mask in the middle of the clip, both ways, then an object that comes later on an earlier frame.
    "mask_then_late_object": {
        "model": "small", "frames": 8, "probes": True, "options": KEEP,
        "steps": [
            mask(4, 5, [40, 10, 75, 52]),
            propagate(start=4),
            propagate(start=4, reverse=True),
            points(2, 2, [[70, 36], [80, 20]], [1, 0]),
            propagate(start=2, max=2),
        ],
    },
    # The score says that nothing is there: empty masks, the stand-in pointer and memory.
    "object_absent": {
        "model": "small", "frames": 4, "options": KEEP, "object_score_bias": -12.0,
        "steps": [points(0, 1, [[30, 40]], [1]), propagate()],
    },
    # Corrections as the reference treats them by default: they steer, but do not stay.
    "upstream_correction": {
        "model": "small", "frames": 6, "options": {},
        "steps": [
            points(0, 1, [[30, 40]], [1]),
            points(4, 1, [[44, 40]], [1]),
            propagate(record=[1, 3]),
            points(2, 1, [[60, 40]], [0]),
            points(4, 1, [[20, 20]], [0], clear_old=False),
            propagate(start=1),
        ],
    },
    # Box with points in one step, a mask over a tracked frame, clear, remove, reset, start again.
    "clear_remove_reset": {
        "model": "small", "frames": 6, "options": KEEP,
        "steps": [
            box(0, 7, [10, 20, 50, 60], points=[[30, 40], [45, 55]], labels=[1, 0]),
            points(0, 3, [[70, 25]], [1]),
            points(3, 3, [[72, 30]], [1]),
            propagate(record=[2, 3, 4]),
            {"op": "clear_points", "frame": 3, "object": 3},
            propagate(record=[3, 5]),
            mask(4, 7, [20, 30, 60, 70]),
            propagate(start=4, reverse=True, record=[4, 1]),
            {"op": "remove_object", "object": 7},
            propagate(start=1, max=2),
            {"op": "reset"},
            points(1, 7, [[30, 40], [31, 41], [60, 12]], [1, 1, 0]),
            propagate(max=1),
        ],
    },
    # Long enough to fill seven memories and sixteen pointers, and to drop the oldest of both.
    "full_memory": {
        "model": "small", "frames": 20, "options": KEEP,
        "steps": [
            points(0, 1, [[30, 40]], [1]),
            points(9, 1, [[44, 38]], [1]),
            propagate(record=[1, 8, 12, 19]),
            propagate(start=19, reverse=True, record=[18, 10, 1]),
        ],
    },
    # Corrections upon corrections, on every kind of frame: the reference is not itself here with memories rounded to
    # bfloat16, nor in float32 where a pixel of a prompted mask lies at zero (see EXACT).
    "long_corrections": {
        "model": "small", "frames": 20, "options": KEEP | {"float32_memories": True},
        "steps": [
            points(0, 1, [[30, 40]], [1]),
            box(0, 2, [50, 5, 88, 50]),
            propagate(record=[1, 6, 12, 19]),
            points(8, 1, [[36, 42], [70, 20]], [1, 0]),
            points(8, 1, [[30, 44]], [1], clear_old=False),
            propagate(start=8, record=[9, 13, 19]),
            propagate(start=8, reverse=True, record=[7, 3, 0]),
            points(13, 2, [[54, 36]], [1]),
            mask(15, 1, [36, 26, 58, 50]),
            propagate(start=13, record=[13, 16, 19]),
            points(4, 2, [[65, 29], [30, 40]], [1, 0]),
            points(17, 1, [[49, 38]], [0], clear_old=False),
            {"op": "clear_points", "frame": 8, "object": 1},
            propagate(start=19, reverse=True, record=[18, 14, 10, 5, 1]),
            points(2, 1, [[27, 42]], [1], clear_old=False),
            propagate(record=[3, 8, 13, 18]),
        ],
    },
    # Backward past the only prompt: the first frame has a memory and no pointer to attend to.
    "backward_before_any_pointer": {
        "model": "small", "frames": 5, "options": KEEP,
        "steps": [points(1, 1, [[30, 40]], [1]), propagate(start=4, reverse=True)],
    },
    # The same weights at another size: every position table is rebuilt, the windows pad differently.
    "size_128": {
        "model": "small", "frames": 4, "probes": True, "options": KEEP | {"image_size": 128},
        "steps": [
            points(0, 1, [[30, 40]], [1]),
            box(0, 2, [50, 5, 88, 50]),
            propagate(),
            points(2, 2, [[66, 30]], [0]),
            propagate(start=2, reverse=True),
        ],
    },
    # SAM 2.0's way with pointers and absent objects, and a memory bank of another size.
    "sam20_clicks": {
        "model": "small20", "frames": 8, "probes": True, "options": KEEP,
        "steps": [
            points(0, 1, [[30, 40]], [1]),
            box(0, 2, [50, 5, 88, 50]),
            propagate(record=[1, 2, 4, 7]),
            points(5, 2, [[66, 30]], [1], clear_old=False),
            propagate(start=5, reverse=True, record=[5, 4, 0]),
        ],
    },
    "sam20_absent": {
        "model": "small20", "frames": 4, "options": KEEP, "object_score_bias": -12.0,
        "steps": [points(0, 1, [[30, 40]], [1]), propagate()],
    },
}


# Goldens made in float64, the nearest there is to the exact result.
EXACT = {"long_corrections"}


def frame(t):
    """Frame `t` as uint8 [HEIGHT, WIDTH, 3]: a striped disc and a chequered box over a slow wavy ground."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    ground = 0.5 + 0.2 * np.sin(x / 11 + t / 9) + 0.2 * np.cos(y / 7 - x / 23)
    picture = np.stack([ground * 0.5, ground * 0.7, 0.9 - ground * 0.6], axis=-1)

    disc_x, disc_y = 24 + 1.5 * t, 40 + 6 * np.sin(t / 3)
    disc = (x - disc_x) ** 2 + (y - disc_y) ** 2 < 15**2
    stripes = 0.5 + 0.5 * np.sin((x - disc_x + y - disc_y) / 2)
    picture[disc] = np.stack([0.6 + 0.4 * stripes, 0.3 * stripes, 0.1 + 0 * x], axis=-1)[disc]

    box_x, box_y = 70 - 1.25 * t, 26 + 0.75 * t
    inside = (np.abs(x - box_x) < 14) & (np.abs(y - box_y) < 17)
    chequer = (np.floor((x - box_x) / 5) + np.floor((y - box_y) / 5)) % 2
    picture[inside] = np.stack([0.9 * chequer, 0.8 + 0 * x, 0.2 + 0.5 * chequer], axis=-1)[inside]

    picture += np.random.default_rng(t).normal(0, 0.01, picture.shape)
    return (picture.clip(0, 1) * 255).round().astype(np.uint8)


def weights(name):
    model = models.from_toml(DATA / f"{name}.toml", {})
    return {key: synthetic.rounded_to_bfloat16(synthetic.tensor(key, tuple(value.shape)))
            for key, value in model.state_dict().items()}


def main():
    torch.set_num_threads(1)
    wanted = sys.argv[1:] or list(SCENARIOS)
    for folder in ("frames", "scenarios", "goldens"):
        (DATA / folder).mkdir(parents=True, exist_ok=True)
    for t in range(FRAMES):
        Image.fromarray(frame(t)).save(DATA / f"frames/{t:02}.png", optimize=True)
    for name in sorted({s["model"] for s in SCENARIOS.values()}):
        save_file(weights(name), DATA / f"{name}.safetensors")
    for name, scenario in SCENARIOS.items():
        (DATA / f"scenarios/{name}.json").write_text(json.dumps(scenario, indent=1) + "\n")
        if name in wanted:
            variant = "float64" if name in EXACT else None
            golden = run_scenario.run(scenario, DATA / f"{scenario['model']}.safetensors", DATA / "frames", variant=variant)
            save_file(golden, DATA / f"goldens/{name}.safetensors")
            print(f"{name}: {len(golden)} keys", file=sys.stderr)


if __name__ == "__main__":
    main()
