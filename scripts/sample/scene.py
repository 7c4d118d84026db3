"""What is where at which time: the story of the sample, and one frame of it painted from the floor up.

A koi swims below two lily pads, a swim ring turns, a duck paddles in a bow, a beach ball rolls out of the picture and
comes back, while the camera moves slowly. Nothing here reads or writes files.
"""

import numpy as np

import koi
import pond
import things
from picture import FINE, SUN, Camera, Canvas, colour, fractal, mix, reduced, sample, smooth

FRAMES, RATE, SEED = 100, 24, 20261124
KOI, RING, DUCK, BALL = 1, 2, 3, 4
NAMES = {KOI: "koi", RING: "swim ring", DUCK: "duck", BALL: "beach ball"}

PADS = [((440, 338), 0.5, 104), ((578, 402), 2.6, 74), ((352, 446), 4.2, 60)]
LILY = (586, 412)
# x, y, radius, and a number that gives its shape.
STONES = [
    (-10, 10, 74, 1.0), (84, -26, 62, 2.2), (-34, 118, 52, 3.1), (170, -34, 48, 4.4), (52, 52, 30, 5.0),
    (905, 470, 88, 6.3), (812, 528, 70, 7.1), (930, 372, 50, 8.4), (720, 540, 52, 9.2), (838, 446, 26, 1.7),
]  # fmt: skip


def camera_at(share):
    """The camera when this share of the clip is over."""
    eased = smooth(0, 1, share)
    return Camera(427 + 34 * eased, 240 + 10 * share, 1 + 0.035 * eased, 0.012 * np.sin(3 * share))


def koi_at(seconds):
    """How far its nose is along its path."""
    return 312 + 112 * seconds


def ring_at(seconds):
    return 236 + 15 * seconds, 152 + 7 * seconds + 4 * np.sin(1.7 * seconds)


def duck_at(seconds):
    """Its place and its heading."""
    place = 520 + 26 * seconds, 176 + 12 * np.sin(0.9 * seconds)
    return place, 2.75 - 0.34 * seconds + 0.06 * np.sin(5 * seconds)


def ball_at(seconds):
    """The ball's place and its rotation: away to the right, and back after a touch of the bank."""
    touch = 2.02
    if seconds < touch:
        x, y = 690 + 160 * seconds, 132 + 7 * seconds
    else:
        share = (seconds - touch) / (4.2 - touch)
        x, y = 1013 - 235 * (1.35 * share - 0.35 * share**2), 146 + 40 * share
    rolled, tilt, spin = (x - 690) / 80, 0.9, 0.45 * seconds
    cos, sin = np.cos(rolled), np.sin(rolled)
    about_y = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    about_z = np.array([[np.cos(spin), -np.sin(spin), 0], [np.sin(spin), np.cos(spin), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    return (x, y), about_z @ about_y @ about_x


class Scene:
    """All that does not change from frame to frame."""

    def __init__(self):
        rng = np.random.default_rng(SEED)
        self.floor = pond.Floor(rng)
        self.water = pond.Water(rng)
        self.grain = fractal(rng, (1024, 1024), 1.5, 6)

    def frame(self, index):
        """The frame's picture and the number of the object in each of its pixels."""
        seconds = index / RATE
        camera = camera_at(index / (FRAMES - 1))
        x, y = camera.world()
        slope_x, slope_y, light = self.water.at(seconds)
        slope = sample(np.stack([slope_x, slope_y], -1), x, y) + ripples(x, y, seconds)
        # Where in the depth one looks, through the bent surface.
        bent_x, bent_y = x + 34 * slope[..., 0], y + 34 * slope[..., 1]
        light = sample(light, bent_x, bent_y)
        above, below_fish = shadows(bent_x, bent_y, seconds)

        canvas = Canvas(self.floor.seen(bent_x, bent_y, x, y, light))
        canvas.rgb *= (1 - 0.6 * np.maximum(above, 0.8 * below_fish))[..., None]
        koi.paint(canvas, camera, bent_x, bent_y, koi_at(seconds), seconds, KOI, self.grain)
        under = canvas.rgb * ((0.84 + 0.16 * light) * (1 - 0.45 * above))[..., None]
        canvas.rgb = mix(canvas.rgb, mix(under, colour("1f7f86"), 0.13), canvas.shares[KOI])
        pond.surface(canvas, slope)
        self._floats(canvas, camera, x, y, seconds)
        for stone in STONES:
            pond.stone(canvas, camera, x, y, stone, self.grain)
        canvas.grade()
        return canvas.frame()

    def _floats(self, canvas, camera, x, y, seconds):
        for place, turn, radius in PADS:
            sway = 0.02 * np.sin(1.3 * seconds + radius)
            things.lily_pad(canvas, camera, x, y, place, turn + sway, radius, self.grain)
        things.lily(canvas, camera, x, y, LILY, 0.3, 36)
        things.ring(canvas, camera, x, y, ring_at(seconds), 0.2 + 0.32 * seconds, RING)
        things.duck(canvas, camera, x, y, *duck_at(seconds), DUCK, 1.13)
        things.ball(canvas, camera, x, y, *ball_at(seconds), BALL)


def ripples(x, y, seconds):
    """Slopes of the small rings around what floats."""
    slope = np.zeros((*x.shape, 2), np.float32)
    for place, radius, strength in (
        (ring_at(seconds), 107, 0.05),
        (duck_at(seconds)[0], 66, 0.10),
        (ball_at(seconds)[0], 80, 0.10),
    ):
        dx, dy = x - place[0], y - place[1]
        distance = np.hypot(dx, dy) + 1e-3
        beyond = distance - radius
        wave = strength * np.sin(beyond / 4.2 - 9 * seconds) * np.exp(-np.clip(beyond, 0, None) / 26)
        wave = wave * (np.abs(beyond) < 140)
        slope += (wave / distance)[..., None] * np.stack([dx, dy], -1)
    return slope


def shadows(x, y, seconds):
    """How much of the sun is missing on the floor below what floats, and below the fish. Worked out for each of the
    clip's pixels only, and from simple outlines: the edges are soft."""
    fall = pond.DEPTH * 0.6 * SUN[:2] / SUN[2]
    x, y = reduced(x) + fall[0], reduced(y) + fall[1]

    def disc(place, radius):
        return radius - np.hypot(x - place[0], y - place[1])

    (duck_x, duck_y), heading = duck_at(seconds)
    outlines = [disc(place, radius) for place, _, radius in PADS]
    outlines += [disc(stone[:2], stone[2]) for stone in STONES]
    outlines.append(29 - np.abs(disc(ring_at(seconds), 78)))
    outlines.append(disc(ball_at(seconds)[0], 80))
    for ahead, radius in ((-28, 50), (8, 52), (50, 38)):
        outlines.append(disc((duck_x + ahead * np.cos(heading), duck_y + ahead * np.sin(heading)), radius))
    above = smooth(-7, 7, np.maximum.reduce(outlines))

    # The fish swims half way down.
    x, y = x - 0.55 * fall[0], y - 0.55 * fall[1]
    joints, _ = koi.spine(koi_at(seconds), seconds)
    widths = koi.half_width(np.linspace(0, 1, koi.JOINTS))
    below_fish = smooth(-4, 4, np.maximum.reduce([disc(*body) for body in list(zip(joints, widths))[::4]]))
    return tuple(np.repeat(np.repeat(shade, FINE, 0), FINE, 1) for shade in (above, below_fish))
