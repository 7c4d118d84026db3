#!/usr/bin/env python3
"""Makes the sample anew: the clip and its ground truth.

    make sample                        # assets/sample; about 6 minutes on a free core
    scripts/sample/render.py FOLDER    # elsewhere

Needs numpy and the ffmpeg program with libx264. The scene is seeded, so the same numpy, ffmpeg and processor give the
same bytes; others may round a pixel differently. Writes pond.mp4 and truth/00000.png and so on. prompts.json and
README.md are written by hand; tests/sample.rs says whether they still fit.
"""

import subprocess
import sys
from pathlib import Path

import palette_png
from picture import HEIGHT, WIDTH
from scene import FRAMES, NAMES, RATE, Scene

ENCODE = [
    "-vf", "scale=out_color_matrix=bt709:out_range=tv", "-pix_fmt", "yuv420p",
    "-c:v", "libx264", "-preset", "veryslow", "-crf", "21", "-g", "48", "-threads", "1",
    "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv",
    "-fflags", "+bitexact", "-flags:v", "+bitexact", "-map_metadata", "-1", "-movflags", "+faststart",
]  # fmt: skip


def main():
    default = Path(__file__).resolve().parents[2] / "assets/sample"
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    truth = folder / "truth"
    truth.mkdir(parents=True, exist_ok=True)
    for old in truth.glob("*.png"):
        old.unlink()
    clip = folder / "pond.mp4"
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(RATE), "-i", "-"]
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-y", *source, *ENCODE, str(clip)]
    encoder = subprocess.Popen(command, stdin=subprocess.PIPE)
    scene = Scene()
    for index in range(FRAMES):
        rgb, numbers = scene.frame(index)
        encoder.stdin.write(rgb.tobytes())
        palette_png.write(truth / f"{index:05}.png", numbers)
        shares = ", ".join(f"{name} {100 * (numbers == number).mean():.1f} %" for number, name in NAMES.items())
        print(f"{index + 1}/{FRAMES} {shares}", flush=True)
    encoder.stdin.close()
    if encoder.wait() != 0:
        sys.exit(f"{clip}: ffmpeg could not write it; its message is above")
    files = [clip, *truth.glob("*.png")]
    print(f"{folder}: {sum(file.stat().st_size for file in files) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
