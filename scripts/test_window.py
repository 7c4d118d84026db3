"""The real window from end to end: opens a clip, clicks an object, tracks it, saves, and checks masks and picture.

Called by `make test-window`. Prints what it saw; exits 1 when something is wrong.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

from window_driver import Window, centre_of, program, square_clip

FRAMES, SIDE = 20, 60
RED = (200, 48, 32)
# The first object's colour, its fill at 45 %.
OBJECT = np.array([0xE6, 0x9F, 0x00])


def check(holds, what):
    print(("ok      " if holds else "FAILED  ") + what)
    return bool(holds)


def main():
    folder = Path(tempfile.mkdtemp(prefix="label-hub-window-"))
    clip = folder / "square.mp4"
    corner = square_clip(clip, side=SIDE, frames=FRAMES)
    window = Window(program(), [str(clip), "--model", "fake"])
    x, y = window.wait("the clip is on screen", lambda: centre_of(window.picture(), RED))
    results = [check(True, f"the clip is on screen, its square around {x:.0f}, {y:.0f}")]

    window.click(x, y)
    expected = 0.55 * np.array(RED) + 0.45 * OBJECT
    # Beside the marker, inside the square.
    place = (int(y) + 24, int(x) + 24)

    def overlay():
        found = window.picture()[place].astype(float)
        return np.abs(found - expected).max() < 14

    window.wait("the overlay's colour is where the mask is", overlay)
    outside = window.picture()[int(y), int(x) + 4 * SIDE]
    results.append(check(True, f"the overlay is there: {window.picture()[place]} for {expected.round()}"))
    results.append(check(np.abs(outside.astype(int) - [0x30, 0x50, 0x70]).max() < 14, f"and not beside it: {outside}"))

    window.key("ctrl+Return")
    window.key("End")
    window.wait("the last frame's mask is there", lambda: centre_of(window.picture(), expected, within=14))
    window.key("ctrl+p")
    window.settle()
    window.type("npy beside")
    window.settle()
    window.key("Return")
    masks = folder / "square_masks"
    window.wait("all masks are written", lambda: len(list(masks.glob("*.npy"))) >= FRAMES)
    # Until the window says so too, it does not let itself be ended.
    window.settle()
    files = sorted(masks.glob("*.npy"))
    results.append(check(len(files) == FRAMES, f"{len(files)} masks are written"))
    ious = []
    for frame in range(FRAMES):
        mask = np.load(masks / f"{frame}_1.npy")
        left, top = corner(frame)
        truth = np.zeros_like(mask)
        truth[top : top + SIDE, left : left + SIDE] = 1
        results.append(mask.dtype == np.uint8 and mask.shape == (240, 320) and mask.max() <= 1)
        ious.append((mask & truth).sum() / (mask | truth).sum())
    results.append(check(min(ious) > 0.9, f"worst IoU with the square {min(ious):.3f}"))
    window.key("Escape")
    code = window.quit()
    results.append(check(code == 0, f"the window ended with code {code}"))
    actions = window.actions()
    results.append(check({"add_point", "track_stale", "save_masks"} <= set(actions), f"the log tells it: {actions}"))
    failed = sum(not result for result in results)
    print(f"{len(results) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
