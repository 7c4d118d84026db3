#!/usr/bin/env python3
"""Compares two goldens of one scenario, key by key, against the parity thresholds.

    compare.py OURS.safetensors GOLDEN.safetensors

Prints a line per key and exits with 1 when a key is missing, has another shape or is too
far off. It checks run_scenario.py itself against goldens from elsewhere; `label-hub parity`
does the same for the port.
"""

import sys

import numpy as np
from safetensors.numpy import load_file


def judge(key, ours, golden):
    """What to print about a pair of arrays, and whether they are close enough."""
    kind = key.rsplit(".", 1)[-1]
    a, b = ours.astype(np.float64), golden.astype(np.float64)
    difference = np.abs(a - b)
    text = f"max {difference.max():.2e}  mean {difference.mean():.2e}"
    if not key.startswith("step"):
        relative = np.linalg.norm(a - b) / max(np.linalg.norm(b), 1e-30)
        return f"{text}  relative {relative:.2e}", relative < 1e-3
    if kind == "area":
        return text, difference[0] <= 0.002 * b[0] + 8
    if kind in ("object_score", "object_pointer"):
        return text, difference.max() < 2e-3
    good = difference.max() < 0.1 and difference.mean() < 2e-3
    if kind == "low_res_logits":
        union = ((a > 0) | (b > 0)).sum()
        iou = ((a > 0) & (b > 0)).sum() / union if union else 1.0
        return f"{text}  IoU {iou:.5f}", good and iou >= 0.999
    return text, good


def main():
    ours, golden = load_file(sys.argv[1]), load_file(sys.argv[2])
    failed = sorted(set(ours) ^ set(golden))
    for key in failed:
        print(f"{'only ours' if key in ours else 'MISSING':9} {key}")
    for key in sorted(set(ours) & set(golden)):
        if (ours[key].shape, ours[key].dtype) != (golden[key].shape, golden[key].dtype):
            text, good = f"{ours[key].dtype}{ours[key].shape} for {golden[key].dtype}{golden[key].shape}", False
        else:
            text, good = judge(key, ours[key], golden[key])
        if not good:
            failed.append(key)
        print(f"{'ok' if good else 'FAILED':9} {key}  {text}")
    print(f"{len(golden)} keys, {len(failed)} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
