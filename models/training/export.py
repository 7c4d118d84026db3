#!/usr/bin/env python3
"""Writes the averaged weights of a training's state as the checkpoint that ships: half precision, safetensors.

    export.py --state DIR [--out models/starter.safetensors]
"""

import argparse
import json
import pathlib

import torch
from safetensors.torch import save_file

import network as net
from evaluate import weights_of

MOST_BYTES = 16_000_000


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--state", type=pathlib.Path, required=True)
    arguments.add_argument("--out", type=pathlib.Path, default=net.ROOT / "models" / "starter.safetensors")
    a = arguments.parse_args()
    halves = {name: tensor.to(torch.float16) for name, tensor in weights_of(None, a.state).items()}
    about = json.loads((a.state / "state.json").read_text())
    broken = [name for name, tensor in halves.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise SystemExit(f"these weights do not fit half precision: {', '.join(broken)}")
    part = a.out.with_suffix(".part")
    save_file(halves, part, {"step": str(about["step"]), "seconds": str(round(about["seconds"]))})  # for train.py --weights
    if part.stat().st_size > MOST_BYTES:
        raise SystemExit(f"{part} has {part.stat().st_size} bytes, more than {MOST_BYTES}")
    part.chmod(0o644)  # it is written for its owner only
    part.rename(a.out)
    print(f"{a.out}: {a.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
