#!/usr/bin/env python3
"""Exports a made-up dataset in every format and reads each back with the programs that will read ours; then imports
datasets that those programs wrote.

Usage: scripts/test_formats.py [--keep FOLDER] [--cargo "--no-default-features --features video"]

Installs the readers once, into $LABEL_HUB_CACHE/formats-venv (and formats-venv-cvat, whose packages clash), then needs
no network. Prints a table and exits with 1 when a reader does not get the masks that went in.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("LABEL_HUB_CACHE", pathlib.Path.home() / ".cache/label-hub"))
READERS = [
    "numpy==2.2.6", "pillow==12.3.0", "pycocotools==2.0.11", "supervision==0.31.2", "datumaro==1.13.12",
    "label-studio-sdk==2.1.2",
]
CVAT_READERS = ["cvat-sdk[masks]==2.80.0"]


def venv(name, packages):
    """The python of a virtual environment with these packages; made when it is not there yet."""
    folder = CACHE / name
    python, stamp = folder / "bin/python", folder / "label-hub-packages.txt"
    wanted = "\n".join(packages) + "\n"
    if python.exists() and stamp.exists() and stamp.read_text() == wanted:
        return python
    print(f"test-formats: installing {', '.join(packages)} into {folder}", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages], check=True)
    except subprocess.CalledProcessError:
        sys.exit("test-formats: FAILED: the readers cannot be installed; this needs the network once, and on Debian "
                 "the package python3-venv")
    stamp.write_text(wanted)
    return python


def ours(test, out, cargo):
    """Runs one of our two ends: tests that are ignored unless this script calls them."""
    subprocess.run(
        ["cargo", "test", "--locked", "--quiet", *cargo.split(), "--test", "formats", "--",
         "--ignored", "--exact", f"consumers::{test}"],
        check=True, cwd=ROOT, env={**os.environ, "LABEL_HUB_FORMATS_OUT": str(out.resolve())}, stdout=subprocess.DEVNULL,
    )


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--keep", metavar="FOLDER", help="write the exports there and leave them")
    arguments.add_argument("--cargo", default="", help="further arguments for cargo, for example --no-default-features")
    arguments = arguments.parse_args()
    readers, cvat_readers = venv("formats-venv", READERS), venv("formats-venv-cvat", CVAT_READERS)

    out = pathlib.Path(arguments.keep or tempfile.mkdtemp(prefix="label-hub-formats-"))
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        sys.exit(f"test-formats: {out} is not empty; name a new folder")
    try:
        ours("write_exports_for_their_consumers", out, arguments.cargo)
        rows = []
        for python in (readers, cvat_readers):
            done = subprocess.run(
                [python, ROOT / "scripts/format_readers.py", out], stdout=subprocess.PIPE, text=True, check=False
            )
            if done.returncode != 0:
                print(done.stdout)
                sys.exit(f"test-formats: FAILED: {python} scripts/format_readers.py ended with {done.returncode}")
            rows += json.loads(done.stdout.splitlines()[-1])
        ours("read_datasets_of_other_programs", out, arguments.cargo)
        rows += json.loads((out / "foreign/results.json").read_text())
    finally:
        if not arguments.keep:
            shutil.rmtree(out, ignore_errors=True)

    print(f"{'format':<12} {'reader':<42} {'frames':>6} {'masks':>6} {'worst IoU':>9}  verdict")
    for row in sorted(rows, key=lambda row: row["format"]):
        worst = "" if row["worst_iou"] is None else f"{row['worst_iou']:.4f}"
        print(f"{row['format']:<12} {row['reader']:<42} {row['frames']:>6} {row['masks']:>6} {worst:>9}  {row['verdict']}")
    print("'<-' is our import of what that program wrote")
    failed = [row for row in rows if row["verdict"] != "exact" and not row["verdict"].startswith("ok")]
    if failed:
        sys.exit(f"test-formats: FAILED: {len(failed)} of {len(rows)}")
    print(f"test-formats: all {len(rows)} passed")


if __name__ == "__main__":
    main()
