"""The fish: a body that bends along its path, with fins, painted below the surface.

`spine` says where the body is at a time, `paint` paints it there.
"""

import numpy as np

from picture import FINE, colour, lit, mix, normal_of, sample, smooth

LENGTH, HALF_WIDTH = 290.0, 45.0
# Points along the spine; the nearest one is looked for from every pixel.
JOINTS = 90


def path(at):
    """Where the path is after `at` pixels of way: it comes from the left, dips and rises to the right."""
    return at, 362 - 34 * np.sin((at - 60) / 150) - 0.055 * at


def spine(head_at, seconds):
    """Points of the spine from nose to tail, shape [JOINTS, 2], and the direction ahead at each."""
    s = np.linspace(0, 1, JOINTS)
    x, y = path(head_at - s * LENGTH)
    step_x, step_y = np.gradient(x), np.gradient(y)
    norm = np.hypot(step_x, step_y)
    # A wave runs down the body and grows towards the tail.
    swing = (3 + 20 * s**1.7) * np.sin(2 * np.pi * (0.95 * s - 1.15 * seconds))
    x, y = x - step_y / norm * swing, y + step_x / norm * swing
    step_x, step_y = -np.gradient(x), -np.gradient(y)
    norm = np.hypot(step_x, step_y)
    return np.stack([x, y], -1), np.stack([step_x / norm, step_y / norm], -1)


def half_width(s):
    """Half the body's width at a share of its length from the nose."""
    return HALF_WIDTH * np.clip(s / 0.27, 0, 1) ** 0.58 * (1 - 0.8 * smooth(0.25, 0.98, s))


def _along_body(x, y, joints, ahead):
    """For every pixel: the place along the spine, 0 to 1, and the distance from it, positive on the right."""
    best = np.full(x.shape, np.inf, np.float32)
    place = np.zeros(x.shape, np.int32)
    for i, (jx, jy) in enumerate(joints):
        square = (x - jx) ** 2 + (y - jy) ** 2
        closer = square < best
        best[closer], place[closer] = square[closer], i
    # Between joints: how far ahead of the nearest one.
    ax, ay = ahead[place, 0], ahead[place, 1]
    dx, dy = x - joints[place, 0], y - joints[place, 1]
    s = (place - (dx * ax + dy * ay) / (LENGTH / (JOINTS - 1))) / (JOINTS - 1)
    return s, ax * dy - ay * dx


def _fin(x, y, base, towards, length, spread, rays):
    """A fan: how far inside its edge a pixel is, and its streaks."""
    dx, dy = x - base[0], y - base[1]
    along, across = dx * towards[0] + dy * towards[1], dy * towards[0] - dx * towards[1]
    distance, angle = np.hypot(along, across), np.arctan2(across, along)
    reach = length * np.sqrt(np.clip(np.cos(np.clip(angle / spread, -1, 1) * np.pi / 2), 0, 1))
    streak = 0.5 + 0.5 * np.cos(angle * rays)
    return reach - distance, streak * smooth(0.1, 0.5, distance / length)


def _rotated(direction, by):
    cos, sin = np.cos(by), np.sin(by)
    return direction[0] * cos - direction[1] * sin, direction[0] * sin + direction[1] * cos


def paint(canvas, camera, x, y, head_at, seconds, number, grain):
    """Paints the fish; `x` and `y` are where the bent light of each pixel comes from."""
    joints, ahead = spine(head_at, seconds)
    middle = joints[JOINTS // 2]
    window = camera.window(middle[0], middle[1], LENGTH * 0.5 + 75)
    if window is None:
        return
    x, y = x[window], y[window]
    white, orange, ink = colour("fff4e2"), colour("f4561a"), colour("2a2622")

    fins = []
    flap = 0.22 * np.sin(2 * np.pi * 1.15 * seconds)
    for side in (-1, 1):
        at = int(0.27 * JOINTS)
        out = (-ahead[at, 1] * side, ahead[at, 0] * side)
        base = joints[at] + np.array(out) * HALF_WIDTH * 0.8
        fins.append(_fin(x, y, base, _rotated(out, side * (0.75 + flap * side)), 50, 0.75, 34))
        at = int(0.62 * JOINTS)
        out = (-ahead[at, 1] * side, ahead[at, 0] * side)
        base = joints[at] + np.array(out) * 16
        fins.append(_fin(x, y, base, _rotated(out, side * (0.95 - flap * side)), 26, 0.6, 30))
    back = -ahead[-1]
    lag = -0.3 * np.cos(2 * np.pi * (0.95 - 1.15 * seconds))
    for side in (-1, 1):
        fins.append(_fin(x, y, joints[-4], _rotated(back, lag + side * 0.33), 74, 0.52, 42))
    for inside, streak in fins:
        tone = mix(colour("ffb489"), colour("fff0e0"), 0.8 * streak)
        tone = mix(tone, orange, 0.5 * smooth(26, 0, inside))
        canvas.paint(window, tone * 0.8, smooth(-0.4, 0.5, inside), number)

    s, off = _along_body(x, y, joints, ahead)
    width = half_width(s)
    share = off / np.maximum(width, 1e-3)
    inside = np.where((s > -0.01) & (s < 1.01), width - np.abs(off), -5)
    pattern = sample(grain, s * LENGTH * 1.15 + 118, off * 1.15 + 410)
    patches = smooth(-0.08, 0.05, 0.45 * pattern + 0.75 * np.cos(s * 15.5 - 0.9) + 0.42)
    tone = mix(white, orange, patches)
    scales = np.cos(s * 150 + np.where(np.floor(off / 5.2) % 2 == 0, 0, np.pi)) * np.cos(off * 2 * np.pi / 5.2 * 0.5)
    tone = tone * (1 + 0.05 * scales * smooth(0.2, 0.3, s) * smooth(0.9, 0.8, s))[..., None]
    height = 0.75 * width * np.sqrt(np.clip(1 - share**2, 0, 1))
    # The dorsal fin, folded to a ridge.
    ridge = np.exp(-((off / 3.4) ** 2)) * smooth(0.34, 0.42, s) * smooth(0.74, 0.62, s)
    height = height + 5 * ridge
    tone = mix(tone, colour("ffd9bd"), 0.5 * ridge)
    for side in (-1, 1):
        eye = np.hypot((s - 0.085) * LENGTH, off - side * HALF_WIDTH * 0.5)
        tone = mix(tone, ink, smooth(5.2, 4.2, eye))
        cheek = np.abs(np.hypot((s - 0.09) * LENGTH / 1.1, off * 0.8 - side * 8) - 36)
        tone = tone * (1 - 0.12 * np.exp(-((cheek / 2) ** 2)) * (s > 0.15))[..., None]
    picture = lit(tone, normal_of(height, FINE * camera.zoom * 0.8), shine=0.12, hardness=18, wrap=0.5)
    canvas.paint(window, picture, smooth(-0.4, 0.4, inside), number)
