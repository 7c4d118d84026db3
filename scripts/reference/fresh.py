#!/usr/bin/env python3
"""Runs the shared scenarios' shapes on another clip, with other clicks, ours beside the reference.

    fresh.py CLIP --program label-hub --shared DIR --checkpoints DIR --work DIR [--every N] [--seed N]

Every scenario of SHARED/parity/scenarios keeps its steps and gets every Nth picture of CLIP;
its points, boxes and rectangles are mirrored and moved by up to 15 % of the picture, as the seed says.
The reference makes the golden, `label-hub parity` judges ours against it. Where ours misses keys, the
reference runs again with other arithmetic (variants.py, one thread), because a scenario judges the port
only where the reference stands still: how_stable.py's table is printed, and a second one of ours and of
the golden against the reference all in float64, which is nearest to the exact result. Called by scripts/fresh_parity.

Exits 1 when a key is missed by ours, by no variant of the reference, and against float64 too: there
it is ours that is off, by its own rounding or by a fault.
"""

import argparse
import contextlib
import io
import json
import pathlib
import random
import subprocess
import sys

from PIL import Image

sys.dont_write_bytecode = True  # no __pycache__ in the checkout
import how_stable

HERE = pathlib.Path(__file__).parent
# Size of the pictures the shared scenarios are written for.
WRITTEN_FOR = (960, 540)
# The variant that is nearest to the exact result.
EXACT = "all in float64"
# Names of files, and what they run with.
VARIANTS = {
    "one thread": ["--threads", "1"],
    "nearest sign turned": ["--variant", "nearest-sign"],
    "without oneDNN": ["--variant", "no-onednn"],
    "layers in float64": ["--variant", "float64-layers"],
    EXACT: ["--variant", "float64"],
}


def moved(scenario, size, rng):
    """The same steps with every place mirrored and moved; the places of one step move together."""
    scenario = json.loads(json.dumps(scenario))
    scale = [new / old for new, old in zip(size, WRITTEN_FOR)]
    for step in scenario["steps"]:
        shift = [rng.uniform(-0.15, 0.15) * length for length in size]

        def place(x, y):
            x, y = size[0] - x * scale[0] + shift[0], y * scale[1] + shift[1]
            return [round(min(max(x, 4), size[0] - 4)), round(min(max(y, 4), size[1] - 4))]

        if "points" in step:
            step["points"] = [place(x, y) for x, y in step["points"]]
        for field in ("box", "rect"):
            if field in step:
                x0, y0, x1, y1 = step[field]
                (left, top), (right, bottom) = place(x1, y0), place(x0, y1)
                step[field] = [left, top, right, bottom]
    return scenario


def reference(a, scenario, checkpoint, out, extra):
    """The golden of `scenario`, in `out`."""
    command = [sys.executable, HERE / "run_scenario.py", scenario, "--checkpoint", checkpoint,
               "--frames", a.frames, "--out", out, *extra]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


def ours_against(a, scenario, checkpoint, golden, table):
    """Writes what `label-hub parity` prints to `table`; returns its last line and whether all keys passed."""
    command = [a.program, "parity", scenario, "--checkpoint", checkpoint, "--frames", a.frames, "--golden", golden]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    table.write_text(done.stdout)
    lines = done.stdout.splitlines()
    # 1 says that thresholds were missed; anything else that there is nothing to compare.
    if done.returncode not in (0, 1) or not lines or not lines[-1].startswith("parity: "):
        raise SystemExit(f"{scenario.stem}: label-hub parity ended with {done.returncode}")
    return lines[-1].removeprefix("parity: "), done.returncode == 0


def table_of(golden, others, ours):
    """how_stable.py's report, printed a little to the right; returns the keys missed by ours alone."""
    table = io.StringIO()
    with contextlib.redirect_stdout(table):
        alone = how_stable.report(golden, others, ours)
    print("    " + table.getvalue().strip().replace("\n", "\n    "), flush=True)
    return alone


def judge(a, name, scenario, checkpoint):
    """Runs both sides of one scenario; returns how many keys ours alone misses, against float64 too."""
    path, golden, ours = (a.work / f"{name}{ending}" for ending in (".json", ".safetensors", ".txt"))
    path.write_text(json.dumps(scenario, indent=1))
    reference(a, path, checkpoint, golden, [])
    line, passed = ours_against(a, path, checkpoint, golden, ours)
    print(f"{name}: {line}", flush=True)
    if passed:
        return 0
    others = {}
    for variant, extra in VARIANTS.items():
        others[variant] = a.work / name / f"{variant}.safetensors"
        others[variant].parent.mkdir(exist_ok=True)
        reference(a, path, checkpoint, others[variant], extra)
    alone = table_of(golden, list(others.values()), ours)
    exact = others[EXACT]
    against_exact = a.work / name / "ours against float64.txt"
    ours_against(a, path, checkpoint, exact, against_exact)
    print(f"    against {exact.stem}:", flush=True)
    table_of(exact, [golden], against_exact)
    return len(alone & how_stable.of_table("ours", against_exact).missed)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("clip", type=pathlib.Path)
    p.add_argument("--program", type=pathlib.Path, required=True, help="label-hub, built for speed")
    p.add_argument("--shared", type=pathlib.Path, required=True, help="the folder with parity/scenarios")
    p.add_argument("--checkpoints", type=pathlib.Path, required=True, help="where scripts/parity_checkpoints wrote them")
    p.add_argument("--work", type=pathlib.Path, required=True, help="for pictures, scenarios and goldens; kept")
    p.add_argument("--every", type=int, default=9, help="take every Nth picture of the clip")
    p.add_argument("--seed", type=int, default=1, help="where the clicks go")
    p.add_argument("--only", help="names of scenarios, with commas between")
    p.add_argument("--float32-memories", action="store_true",
                   help="on both sides: without the rounding to bfloat16 that carries every difference on")
    a = p.parse_args()
    a.work.mkdir(parents=True, exist_ok=True)
    a.frames = a.work / "frames"
    if not a.frames.exists():
        subprocess.run([a.program, "extract", a.clip, "--every", str(a.every), "--out", a.frames], check=True,
                       stdout=subprocess.DEVNULL)
    pictures = sorted(a.frames.glob("*.png"))
    with Image.open(pictures[0]) as picture:
        size = picture.size
    print(f"fresh: {a.clip.name}, every {a.every}th picture, seed {a.seed}"
          + (", memories in float32" if a.float32_memories else ""), flush=True)
    off = 0
    for path in sorted((a.shared / "parity/scenarios").glob("*.json")):
        scenario = moved(json.loads(path.read_text()), size, random.Random(f"{path.stem} {a.seed}"))
        if a.only and path.stem not in a.only.split(","):
            continue
        if len(pictures) < scenario["frames"]:
            raise SystemExit(f"{a.clip}: {len(pictures)} pictures, {path.stem} needs {scenario['frames']}")
        if a.float32_memories:
            scenario["options"]["float32_memories"] = True
        off += judge(a, path.stem, scenario, a.checkpoints / f"{scenario['model']}.pt")
    print(f"fresh: {off} keys missed by ours alone, against float64 too")
    sys.exit(off > 0)


if __name__ == "__main__":
    main()
