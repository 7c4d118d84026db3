#!/usr/bin/env python3
"""Says how far the reference is from itself on a scenario, and ours beside it.

    how_stable.py GOLDEN.safetensors VARIANT.safetensors... [--ours TABLE.txt]

The variants are goldens of the same scenario made with other arithmetic (run_scenario.py
--variant, --threads); TABLE.txt is what `label-hub parity` printed against the golden. Prints a
table with a line for each, over all keys, and then the keys that ours misses while no variant
does: where ours is not near the threshold there, it differs by more than rounding.
"""

import argparse
import pathlib
import re
import sys

import numpy as np
from safetensors.numpy import load_file

sys.dont_write_bytecode = True  # no __pycache__ in the checkout
import compare

LINE = re.compile(r"(ok|FAIL) +(\S+) +max (\S+) mean (\S+) rel (\S+)(?: IoU (\S+))?")


class Comparison:
    """One result against a golden: per key, the figures and whether the key is missed."""

    def __init__(self, name):
        self.name, self.missed = name, set()
        self.max, self.mean, self.iou = {}, {}, {}

    def worst(self, figures, kind, pick=max):
        found = [value for key, value in figures.items() if key.startswith("step") and key.endswith(kind)]
        return pick(found) if found else float("nan")


def of_files(name, ours, golden):
    """Of two goldens."""
    if set(ours) != set(golden):
        raise SystemExit(f"{name} and the golden have different keys")
    result = Comparison(name)
    for key in golden:
        text, good = compare.judge(key, ours[key], golden[key])
        words = text.split()
        figures = dict(zip(words[::2], words[1::2]))
        difference = np.abs(ours[key].astype(np.float64) - golden[key].astype(np.float64))
        result.max[key], result.mean[key] = difference.max(), difference.mean()
        if "IoU" in figures:
            result.iou[key] = float(figures["IoU"])
        if not good:
            result.missed.add(key)
    return result


def of_table(name, path):
    """Of the port and a golden, from the table it printed."""
    result = Comparison(name)
    for verdict, key, largest, mean, _relative, iou in LINE.findall(pathlib.Path(path).read_text()):
        result.max[key], result.mean[key] = float(largest), float(mean)
        if iou:
            result.iou[key] = float(iou)
        if verdict == "FAIL":
            result.missed.add(key)
    return result


def line(result, ours):
    # Video logits, for the golden keeps the low-resolution ones as f16, and the port prints its own unrounded.
    logits = [value for key, value in result.mean.items() if key.endswith("video_logits")]
    shared = len(result.missed & ours.missed) if ours else 0
    return (f"| {result.name} | {len(result.max)} | {len(result.missed)} | {shared if ours else ''} "
            f"| {result.worst(result.iou, 'low_res_logits', min):.4f} "
            f"| {result.worst(result.max, 'low_res_logits'):.3f} | {np.median(logits):.1e} | {max(logits):.1e} "
            f"| {result.worst(result.max, 'object_pointer'):.1e} | {result.worst(result.max, 'object_score'):.1e} |")


def report(golden_path, variant_paths, ours_path=None):
    """Prints the table; returns the keys that ours misses and no variant does."""
    golden = load_file(golden_path)
    variants = [of_files(path.stem, load_file(path), golden) for path in variant_paths]
    ours = of_table("ours", ours_path) if ours_path else None
    if ours and set(ours.max) != set(golden):
        raise SystemExit(f"{ours_path} and the golden have different keys")
    columns = ("against the golden", "keys", "missed", "of these ours too", "worst IoU", "logits: worst max",
               "median mean", "worst mean", "pointer", "score")
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
    for result in [ours] * bool(ours) + variants:
        print(line(result, ours))
    if not ours:
        return set()
    alone = ours.missed - set().union(*(v.missed for v in variants))
    print(f"\n{len(ours.missed)} keys missed by ours, {len(alone)} of them by no variant")
    for key in sorted(alone):
        most = max(variants, key=lambda v: v.mean[key])
        print(f"{key}: mean {ours.mean[key]:.2e}, max {ours.max[key]:.2e}; "
              f"{most.name}: mean {most.mean[key]:.2e}, max {most.max[key]:.2e}")
    return alone


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("golden", type=pathlib.Path)
    p.add_argument("variants", type=pathlib.Path, nargs="+")
    p.add_argument("--ours", type=pathlib.Path, help="what `label-hub parity` printed against the golden")
    a = p.parse_args()
    report(a.golden, a.variants, a.ours)


if __name__ == "__main__":
    main()
