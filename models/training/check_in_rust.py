#!/usr/bin/env python3
"""Checks that `label-hub track` reaches on held-out clips what evaluate.py says: J&F within 0.01.

    evaluate.py --clips 8 --write DIR
    check_in_rust.py DIR [--program label-hub] [--model models/starter.safetensors]
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

MOST_APART = 0.01


def in_rust(program, model, clip, about):
    """J and F of a clip."""
    x, y = about["click"]
    with tempfile.TemporaryDirectory() as out:
        command = [program, "track", clip / "frames", "--model", model, "--device", "cpu", "--point", f"0:1:{x},{y}",
                   "--truth", clip / "truth", "--out", pathlib.Path(out) / "masks", "--json"]
        run = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if run.returncode != 0:
        raise SystemExit(f"{clip}: label-hub ended with {run.returncode}:\n{run.stdout}{run.stderr}")
    events = [json.loads(line) for line in run.stdout.splitlines()]
    score = next(event for event in events if event.get("event") == "score")
    return score["j"], score["f"]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=pathlib.Path)
    arguments.add_argument("--program", default="label-hub")
    arguments.add_argument("--model", type=pathlib.Path, default=pathlib.Path(__file__).parents[1] / "starter.safetensors")
    a = arguments.parse_args()
    worst = 0.0
    for kind in sorted(path for path in a.folder.iterdir() if path.is_dir()):
        here, there = [], []
        for clip in sorted(kind.iterdir()):
            about = json.loads((clip / "about.json").read_text())
            j, f = in_rust(a.program, a.model, clip, about)
            there.append((about["j"] + about["f"]) / 2)
            here.append((j + f) / 2)
        ours, theirs = sum(here) / len(here), sum(there) / len(there)
        most = max(abs(x - y) for x, y in zip(here, there))
        print(f"{kind.name}: J&F of {len(here)} clips {ours:.4f} in Rust, {theirs:.4f} in PyTorch; the largest difference of one clip is {most:.4f}")
        worst = max(worst, abs(ours - theirs))
    if worst > MOST_APART:
        print(f"they differ by {worst:.4f}, more than {MOST_APART}", file=sys.stderr)
        raise SystemExit(1)


if __name__ == "__main__":
    main()
