"""Pictures of the real window in its states, sizes and themes, for looking at and for the README.

Called by `make screenshots`; writes to the folder named as its first argument. The clip is the shared juggler where it is
there, else a generated square; masks are the test engine's.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from window_driver import Window, centre_of, program, square_clip

SHARED = Path(os.environ.get("LABEL_HUB_SHARED", "../shared"))
# Made by scripts/parity_checkpoints; its masks mean nothing, its states are those of a real model.
TINY = Path(os.environ.get("LABEL_HUB_CACHE", os.path.expanduser("~/.cache/label-hub"))) / "checkpoints" / "sam2.1_hiera_tiny.pt"
JUGGLE = SHARED / "video" / "juggle.mp4"


def clip(folder):
    """A clip, and places on an object and on another, as shares of the picture."""
    if JUGGLE.exists():
        return JUGGLE, (0.55, 0.37), (0.513, 0.448)
    path = folder / "square.mp4"
    square_clip(path)
    return path, (0.15, 0.5), (0.8, 0.2)


def endless_clip(folder, long):
    """The long clip twelve times over: a day that takes seconds to index."""
    path = folder / "a_day.mp4"
    subprocess.run(["ffmpeg", "-loglevel", "error", "-y", "-stream_loop", "11", "-i", str(long), "-c", "copy", str(path)], check=True)
    return path


def damaged_clip(folder):
    """Pictures of which one cannot be read."""
    path = folder / "damaged"
    path.mkdir()
    subprocess.run(["ffmpeg", "-loglevel", "error", "-y", "-f", "lavfi", "-i", "testsrc2=s=640x360:r=10:d=2", str(path / "%03d.png")],
                   check=True)
    (path / "004.png").write_bytes((path / "004.png").read_bytes()[:2000])
    return path


def long_clip(folder):
    """Two hours at 10 frames a second, small."""
    path = folder / "two_hours.mp4"
    subprocess.run(["ffmpeg", "-loglevel", "error", "-y", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=10:d=7200",
                    "-c:v", "libx264", "-preset", "ultrafast", "-g", "250", str(path)], check=True)
    return path


def is_accent(pixel):
    return abs(int(pixel[0]) - 0x5A) + abs(int(pixel[1]) - 0xA9) + abs(int(pixel[2]) - 0xF5) < 20


class Gallery:
    def __init__(self, out):
        self.out, self.folder, self.copies = out, Path(tempfile.mkdtemp(prefix="label-hub-shots-")), 0
        self.out.mkdir(parents=True, exist_ok=True)

    def shoot(self, window, name, settled=True):
        if settled:
            window.settle()
        window.picture(self.out / f"{name}.png")
        print(self.out / f"{name}.png")

    def open(self, path, size, theme="dark", scale=1, model="fake", largest_file=None, tour=False):
        arguments = [str(path)] if path else []
        arguments += ["--model", model] if model else []
        return Window(program(), arguments, size=size, scale=scale, settings=[f'theme = "{theme}"'], largest_file=largest_file, tour=tour)

    def own(self, path):
        """A copy of a clip in a folder of its own, where its project will lie: every picture starts anew."""
        self.copies += 1
        copy = self.folder / f"clip{self.copies}" / path.name
        copy.parent.mkdir()
        return Path(shutil.copy(path, copy))

    def canvas(self, window, share, scale=1):
        """A place of the 16:9 picture as it lies on the canvas of a fresh window."""
        left, top, right, bottom = 44 * scale, 40 * scale, window.size[0] - 264 * scale, window.size[1] - 192 * scale
        width, height = right - left, bottom - top
        fit = min(width / 16, height / 9)
        return left + (width - 16 * fit) / 2 + 16 * fit * share[0], top + (height - 9 * fit) / 2 + 9 * fit * share[1]

    def label(self, window, places, scale=1):
        """Clicks objects and tracks twenty frames."""
        for place in places:
            window.key("n")
            before = len(window.actions())
            window.click(*self.canvas(window, place, scale))
            window.wait("the click arrived", lambda: "add_point" in window.actions()[before:])
        window.settle()
        for key, action in (("shift+Right", "step_10"), ("shift+Right", "step_10"), ("o", "set_out"), ("Home", "first_frame"),
                            ("ctrl+Return", "track_stale")):
            before = window.actions().count(action)
            window.key(key)
            window.wait(f"{action} is done", lambda: window.actions().count(action) > before)
            window.settle()

    def labelled(self, size, theme, scale=1):
        path, one, two = clip(self.folder)
        window = self.open(self.own(path), size, theme, scale)
        self.settle_open(window)
        self.label(window, [one, two], scale)
        window.key(*["Right"] * 6)
        self.shoot(window, f"labelled_{size[0]}x{size[1]}_{theme}")
        return window

    def settle_open(self, window):
        window.wait("a picture is there", lambda: len(window.actions()) > 0)
        window.settle()


def sample_tracked(gallery):
    """Two objects of the sample, tracked with the model that ships: the picture in the README."""
    sample = Path(__file__).resolve().parent.parent / "assets" / "sample" / "pond.mp4"
    window = gallery.open(gallery.own(sample), (1280, 720), model="starter")
    gallery.settle_open(window)
    for x, y in ((594, 150), (158, 152)):
        window.key("n")
        before = len(window.actions())
        window.click(*gallery.canvas(window, (x / 854, y / 480)))
        window.wait("the click arrived", lambda: "add_point" in window.actions()[before:])
        window.settle()
    window.key("ctrl+Return")
    window.wait("tracking began", lambda: "track_stale" in window.actions())
    window.settle()
    window.key(*["Right"] * 12)
    gallery.shoot(window, "sample_tracked")
    window.end()


def first_start(gallery):
    """The first five minutes: no clip, the sample with the tour, its first click with the model that ships, the models."""
    window = gallery.open(None, (1280, 720), model=None, tour=True)
    gallery.shoot(window, "first_start")
    window.key("ctrl+p")
    window.settle()
    window.type("open the sample")
    window.settle()
    window.key("Return")
    window.wait("the sample is asked for", lambda: "open_sample" in window.actions())
    window.wait("something is drawn", lambda: window.picture().max() > 128)
    window.settle()
    gallery.shoot(window, "sample_guided")
    window.click(*gallery.canvas(window, (594 / 854, 150 / 480)))
    window.wait("the click arrived", lambda: "add_point" in window.actions())
    window.settle()
    gallery.shoot(window, "sample_clicked")
    window.key("ctrl+comma")
    window.settle()
    # The tab beside the first.
    window.click(396, 272)
    gallery.shoot(window, "models")
    window.end()


def main():
    gallery = Gallery(Path(sys.argv[1]))
    path, one, _ = clip(gallery.folder)
    for theme in ("dark", "light"):
        window = gallery.open(None, (1280, 720), theme, model=None)
        gallery.shoot(window, f"no_clip_{theme}")
        window.end()
        window = gallery.labelled((1280, 720), theme)
        window.key("question")
        gallery.shoot(window, f"keys_{theme}")
        window.key("Escape", "ctrl+comma")
        gallery.shoot(window, f"settings_{theme}")
        window.key("Escape", "ctrl+p")
        # The search field is there only after the window was drawn with it.
        window.settle()
        window.type("track")
        gallery.shoot(window, f"palette_{theme}")
        window.key("Escape")
        window.click(*gallery.canvas(window, (0.5, 0.9)), button=3)
        gallery.shoot(window, f"corrected_{theme}")
        window.do("mousemove", 560, 250)
        for _ in range(8):
            window.do("click", 4)
        gallery.shoot(window, f"zoomed_{theme}")
        window.end()
        gallery.labelled((1920, 1080), theme).end()
        gallery.labelled((3840, 2160), theme, scale=2).end()

    first_start(gallery)
    sample_tracked(gallery)

    broken = gallery.folder / "broken.pt"
    broken.write_bytes(b"not a model")
    window = gallery.open(gallery.own(path), (1280, 720), model=str(broken))
    gallery.settle_open(window)
    gallery.shoot(window, "model_failed")
    window.end()

    text = gallery.folder / "text.mp4"
    text.write_text("not a video")
    window = gallery.open(text, (1280, 720))
    gallery.shoot(window, "clip_failed")
    window.end()

    window = gallery.open(gallery.own(path), (1280, 720))
    gallery.settle_open(window)
    places = [(0.08 + 0.15 * (i % 6), 0.25 + 0.5 * (i // 6)) for i in range(12)]
    gallery.label(window, places)
    gallery.shoot(window, "twelve_objects")
    window.end()

    long = long_clip(gallery.folder)
    window = gallery.open(long, (1280, 720))
    gallery.settle_open(window)
    window.key("End")
    gallery.shoot(window, "two_hours")
    window.end()

    window = gallery.open(endless_clip(gallery.folder, long), (1280, 720))
    window.wait("something is drawn", lambda: window.picture().max() > 128)
    gallery.shoot(window, "indexing", settled=False)
    window.end()

    window = gallery.open(damaged_clip(gallery.folder), (1280, 720))
    gallery.settle_open(window)
    window.key("Right", "Right", "Right")
    gallery.shoot(window, "damaged")
    window.end()

    window = gallery.open(gallery.own(path), (1280, 720))
    gallery.settle_open(window)
    window.click(*gallery.canvas(window, one))
    window.wait("the click arrived", lambda: "add_point" in window.actions())
    window.settle()
    window.key("ctrl+Return")
    window.wait("tracking began", lambda: "track_stale" in window.actions())
    begun = time.monotonic()
    window.key("shift+Right", "b")
    window.wait("the labeller goes on", lambda: "tool_brush" in window.actions())
    # Long enough for a speed to be known.
    window.wait("time passes", lambda: time.monotonic() > begun + 1.5)
    gallery.shoot(window, "tracking", settled=False)
    window.end()

    window = gallery.open(gallery.own(path), (1280, 720), largest_file=100_000)
    gallery.settle_open(window)
    gallery.label(window, [one])
    gallery.shoot(window, "write_failed")
    window.end()

    mine = gallery.own(path)
    window = gallery.open(mine, (1280, 720))
    gallery.settle_open(window)
    gallery.label(window, [one])
    window.quit()
    with sqlite3.connect(f"{mine}.labelhub") as project:
        project.execute("PRAGMA user_version = 99")
    window = gallery.open(mine, (1280, 720))
    gallery.settle_open(window)
    gallery.shoot(window, "read_only")
    window.end()

    if TINY.exists():
        window = gallery.open(gallery.own(path), (1280, 720), model=str(TINY))
        window.wait("something is drawn", lambda: window.picture().max() > 128)
        gallery.shoot(window, "model_loading", settled=False)
        gallery.settle_open(window)
        window.key("Right")
        window.settle()
        window.click(*gallery.canvas(window, one))
        bar = (gallery.canvas(window, (0, 0))[1] + 1, 600)
        window.wait("the picture is being encoded", lambda: is_accent(window.picture()[int(bar[0]), bar[1]]))
        gallery.shoot(window, "encoding", settled=False)
        window.end()


main()
