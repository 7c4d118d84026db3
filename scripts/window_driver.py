"""Drives the real window under Xvfb: starts it, clicks, types, takes pictures. Used by test_window and screenshots.

Needs Xvfb, xdotool, ffmpeg, numpy and a Vulkan driver (mesa's software one will do). It waits for conditions, with a
limit, and never for a time.
"""

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

# Longer than anything here takes, even in software on a busy machine.
LIMIT_SECS = 120


class Window:
    """A window of the program on a screen of its own."""

    def __init__(self, program, arguments, size=(1280, 720), home=None, scale=1, settings=None, largest_file=None, tour=False):
        self.size = size
        self.home = Path(home or tempfile.mkdtemp(prefix="label-hub-window-"))
        (self.home / "config").mkdir(parents=True, exist_ok=True)
        # The card of the tour would lie over the picture; it has a picture of its own.
        lines = ['hints_seen = ["tour"]'] if not tour else []
        lines += [f"window_size = [{size[0] // scale}, {size[1] // scale}]"] + (settings or [])
        (self.home / "config" / "settings.toml").write_text("\n".join(lines) + "\n")
        read, write = os.pipe()
        screen = f"{size[0]}x{size[1]}x24"
        self.screen = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write), "-screen", "0", screen, "-nolisten", "tcp", "-noreset"],
            pass_fds=[write], stderr=subprocess.DEVNULL,
        )
        os.close(write)
        with os.fdopen(read) as number:
            self.display = ":" + number.readline().strip()
        self.log = self.home / "actions.jsonl"
        self.output = open(self.home / "output.txt", "w")
        environment = dict(os.environ, DISPLAY=self.display, LABEL_HUB_HOME=str(self.home), WINIT_X11_SCALE_FACTOR=str(scale))
        environment.pop("WAYLAND_DISPLAY", None)
        self.program = subprocess.Popen(
            [program, *arguments, "--log", str(self.log)], env=environment, stdout=self.output, stderr=self.output,
            preexec_fn=largest_file and (lambda: limit_files(largest_file)),
        )
        self.window = self.wait("the window is there", self._find)
        self.do("windowfocus", "--sync", self.window)

    def _find(self):
        found = subprocess.run(
            ["xdotool", "search", "--name", "Label Hub"], env=self.environment(), capture_output=True, text=True,
        ).stdout.split()
        return found[-1] if found else None

    def environment(self):
        return dict(os.environ, DISPLAY=self.display)

    def do(self, *arguments):
        """An xdotool command."""
        subprocess.run(["xdotool", *map(str, arguments)], env=self.environment(), check=True)

    def key(self, *keys):
        for key in keys:
            self.do("key", key)

    def type(self, text):
        self.do("type", "--delay", "60", text)

    def click(self, x, y, button=1):
        self.do("mousemove", int(x), int(y))
        self.do("click", button)

    def drag(self, start, end, button=1):
        self.do("mousemove", int(start[0]), int(start[1]))
        self.do("mousedown", button)
        for step in range(1, 9):
            x = start[0] + (end[0] - start[0]) * step / 8
            y = start[1] + (end[1] - start[1]) * step / 8
            self.do("mousemove", int(x), int(y))
        self.do("mouseup", button)

    def picture(self, file=None):
        """What is on the screen, [height, width, 3]; also written to a PNG if named."""
        width, height = self.size
        grab = ["ffmpeg", "-loglevel", "error", "-f", "x11grab", "-draw_mouse", "0", "-video_size", f"{width}x{height}", "-i", self.display,
                "-frames:v", "1"]
        if file:
            subprocess.run([*grab, "-y", str(file)], check=True, env=self.environment())
        raw = subprocess.run([*grab, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], check=True, env=self.environment(), capture_output=True)
        return np.frombuffer(raw.stdout, np.uint8).reshape(height, width, 3)

    def actions(self):
        """The actions that were logged so far, by id."""
        import json

        text = self.log.read_text() if self.log.exists() else ""
        return [json.loads(line)["action"] for line in text.splitlines()]

    def wait(self, what, holds):
        """Until `holds` returns something; that is returned."""
        limit = time.monotonic() + LIMIT_SECS
        while time.monotonic() < limit:
            if self.program.poll() is not None:
                break
            found = holds()
            if found is not None and found is not False:
                return found
            time.sleep(0.1)
        self.output.flush()
        said = (self.home / "output.txt").read_text()[-3000:]
        state = "there" if self.program.poll() is None else "gone"
        if state == "there":
            self.picture(self.home / "failed.png")
        done = self.actions()[-5:]
        self.end()
        sys.exit(f"window: FAILED: waited until {what}; the program is {state} ({self.home}), did last {done} and said:\n{said}")

    def settle(self):
        """Until four pictures in a row are the same."""
        last, same = [self.picture()], [0]

        def stands_still():
            now = self.picture()
            same[0] = same[0] + 1 if np.array_equal(now, last[0]) else 0
            last[0] = now
            return same[0] >= 3

        self.wait("the picture stands still", stands_still)
        return last[0]

    def quit(self):
        """Ends the program with its own key and returns its exit code."""
        self.key("ctrl+q")
        try:
            return self.program.wait(LIMIT_SECS)
        finally:
            self.end()

    def end(self):
        for process in (self.program, self.screen):
            if process.poll() is None:
                # Xvfb tidies its socket up only when it is asked to end.
                process.terminate()
                process.wait()


def limit_files(size):
    """From now on this process's files end at `size` bytes, as on a disk that is full."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def square_clip(path, size=(320, 240), side=60, frames=20):
    """Writes a clip of a red square that moves 8 pixels a frame; returns where its left top corner is, by frame."""
    # ffmpeg counts the frames of an overlay from 1.
    width, height = size
    graph = f"[0][1]overlay=x='12+8*n':y={height // 2 - side // 2}:shortest=1,format=yuv444p"
    subprocess.run(
        ["ffmpeg", "-loglevel", "error", "-y", "-f", "lavfi", "-i", f"color=c=0x305070:s={width}x{height}:r=10:d={frames / 10}",
         "-f", "lavfi", "-i", f"color=c=0xC83020:s={side}x{side}:r=10:d={frames / 10}", "-filter_complex", graph,
         "-c:v", "libx264", "-qp", "0", str(path)],
        check=True,
    )
    return lambda frame: (20 + 8 * frame, height // 2 - side // 2)


def centre_of(picture, colour, within=30):
    """The middle of the pixels near a colour; None when there are hardly any."""
    near = (np.abs(picture.astype(int) - np.array(colour)).max(axis=2) < within).nonzero()
    return None if len(near[0]) < 50 else (float(np.median(near[1])), float(np.median(near[0])))


def program():
    """The program to drive: LABEL_HUB_PROGRAM, or what cargo built."""
    given = os.environ.get("LABEL_HUB_PROGRAM")
    target = os.environ.get("CARGO_TARGET_DIR", os.path.expanduser("~/.cache/label-hub/target"))
    return given or os.path.join(target, "debug", "label-hub")
