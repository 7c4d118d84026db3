"""A labeller's first session on a real clip, twice: with the mouse, then with keys and palette alone.

Called by `make walkthrough`; writes a picture after each step to the folder named as its first argument, for looking at,
and checks what can be checked without eyes. Exits 1 when something is wrong. The clip is the shared juggler where it is
there, else a generated square; the model is the test engine.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

from window_driver import Window, program, square_clip

SHARED = Path(os.environ.get("LABEL_HUB_SHARED", "../shared"))
JUGGLE = SHARED / "video" / "juggle.mp4"
SIZE = (1280, 720)
TRACKED = 20
# The canvas of a fresh window of that size, in points.
CANVAS = (44, 40, SIZE[0] - 264, SIZE[1] - 192)
# A step of the crosshair, coarse and fine.
STEP, FINE = 24, 2


class Session:
    """One way through; `name` begins the names of its pictures."""

    def __init__(self, name, out):
        self.name, self.out, self.number, self.failures = name, out, 0, 0
        self.folder = Path(tempfile.mkdtemp(prefix="label-hub-walk-"))
        self.clip = self.folder / "clip.mp4"
        if JUGGLE.exists():
            # A copy, so that project and masks land in a folder of their own.
            shutil.copy(JUGGLE, self.clip)
            self.frame, self.places = (1280, 720), [(0.55, 0.37), (0.513, 0.448)]
        else:
            square_clip(self.clip, frames=40)
            self.frame, self.places = (320, 240), [(0.15, 0.5), (0.8, 0.2)]
        self.window = Window(program(), [str(self.clip), "--model", "fake"], size=SIZE)
        self.window.wait("the clip is open", lambda: len(self.window.actions()) > 0)
        self.window.settle()
        self.shoot("opened")

    def shoot(self, what):
        self.number += 1
        file = self.out / f"{self.name}_{self.number:02}_{what}.png"
        self.window.settle()
        self.window.picture(file)
        print(file)

    def check(self, holds, what):
        print(("ok      " if holds else "FAILED  ") + f"{self.name}: {what}")
        self.failures += not holds

    def place(self, share):
        """A place of the picture on screen."""
        left, top, right, bottom = CANVAS
        fit = min((right - left) / self.frame[0], (bottom - top) / self.frame[1])
        width, height = self.frame[0] * fit, self.frame[1] * fit
        return (left + (right - left - width) / 2 + width * share[0], top + (bottom - top - height) / 2 + height * share[1])

    def act(self, action, *keys, count=1):
        """Presses keys and waits until the log tells of the action."""
        before = self.window.actions().count(action)
        self.window.key(*keys)
        self.window.wait(f"{action} is done", lambda: self.window.actions().count(action) >= before + count)

    def palette(self, text, action):
        """The same by searching the palette."""
        before = self.window.actions().count(action)
        self.window.key("ctrl+p")
        # The search field is there only after the window was drawn with it.
        self.window.settle()
        self.window.type(text)
        self.window.settle()
        self.window.key("Return")
        self.window.wait(f"{action} is done", lambda: self.window.actions().count(action) > before)
        # Keys pressed while it closes would still be its own.
        self.window.settle()

    def masks(self):
        return self.folder / "clip_masks"

    def saved(self):
        """The list of saved files and how many there are."""
        self.window.wait("the masks are written", lambda: len(list(self.masks().glob("*.npy"))) >= 2 * TRACKED)
        files = sorted(self.masks().glob("*.npy"))
        good = [np.load(file) for file in files]
        self.check(len(files) == 2 * TRACKED, f"{len(files)} masks are written, {2 * TRACKED} were expected")
        self.check(all(m.shape == (self.frame[1], self.frame[0]) and m.dtype == np.uint8 for m in good),
                   f"all are uint8 of {self.frame[1]} x {self.frame[0]}")
        self.check(sum(int(m.any()) for m in good) >= len(good) - 2, "hardly any is empty")

    def end(self):
        code = self.window.quit()
        self.check(code == 0, f"the window ended with code {code}")
        return self.failures


def by_mouse(out):
    session = Session("mouse", out)
    window = session.window
    window.click(*session.place(session.places[0]))
    window.wait("the click is in the log", lambda: "add_point" in window.actions())
    session.shoot("first_object")
    # The button under the list of objects says what N does; the key is shorter to find.
    session.act("new_object", "n")
    window.click(*session.place(session.places[1]))
    window.wait("the second click is in the log", lambda: window.actions().count("add_point") == 2)
    session.shoot("second_object")
    session.act("step_10", "shift+Right", count=1)
    session.act("step_1", *["Right"] * 9, count=9)
    session.act("set_out", "o")
    session.act("first_frame", "Home")
    # The big verb.
    window.click(232, 20)
    window.wait("tracking began", lambda: "track_stale" in window.actions())
    session.shoot("tracked")
    session.act("step_10", "shift+Right")
    session.shoot("frame_10")
    x, y = session.place(session.places[0])
    window.click(x + 40, y + 60, button=3)
    window.wait("the correction is in the log", lambda: window.actions().count("add_point") == 3)
    session.shoot("corrected")
    session.act("track_stale", "ctrl+Return")
    session.shoot("tracked_again")
    session.act("approve_range", "shift+y")
    session.shoot("range_approved")
    session.act("tell_saved", "ctrl+s")
    session.shoot("saved_already")
    session.palette("npy beside", "save_masks")
    session.saved()
    session.shoot("saved")
    return session.end()


def by_keys(out):
    session = Session("keys", out)
    window = session.window

    def crosshair_to(place, at):
        """Walks there from `at` with coarse and fine steps; says where it stands then."""
        x, y = at
        for axis, (more, less) in enumerate((("Right", "Left"), ("Down", "Up"))):
            target = place[axis]
            for step, keys in ((STEP, "alt+{}"), (FINE, "alt+shift+{}")):
                while abs(target - (x, y)[axis]) >= step / 2:
                    sign = 1 if target > (x, y)[axis] else -1
                    window.key(keys.format(more if sign > 0 else less))
                    x, y = (x + sign * step, y) if axis == 0 else (x, y + sign * step)
        return x, y

    left, top, right, bottom = CANVAS
    at = crosshair_to(session.place(session.places[0]), ((left + right) / 2, (top + bottom) / 2))
    session.shoot("crosshair")
    session.act("add_point", "Return")
    session.shoot("first_object")
    session.palette("new object", "new_object")
    at = crosshair_to(session.place(session.places[1]), at)
    session.act("add_point", "Return")
    session.shoot("second_object")
    session.act("step_10", "shift+Right")
    session.act("step_1", *["Right"] * 9, count=9)
    session.palette("set out", "set_out")
    session.palette("first frame", "first_frame")
    session.palette("stale or missing", "track_stale")
    session.shoot("tracked")
    session.act("step_10", "shift+Right")
    session.act("select_1", "1")
    x, y = session.place(session.places[0])
    at = crosshair_to((x + 40, y + 60), at)
    session.act("add_point", "shift+Return")
    session.shoot("corrected")
    session.act("track_stale", "ctrl+Return")
    session.shoot("tracked_again")
    session.palette("approve in/out", "approve_range")
    session.shoot("range_approved")
    session.palette("npy beside", "save_masks")
    session.saved()
    session.shoot("saved")
    return session.end()


def main():
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    failures = by_mouse(out) + by_keys(out)
    print(f"walkthrough: {failures} failures")
    sys.exit(1 if failures else 0)


main()
