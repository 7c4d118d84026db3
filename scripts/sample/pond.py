"""The pond: its floor, the moving water, the light that the waves throw on the floor, and the stones around it."""

import numpy as np

from picture import FINE, SUN, blurred, colour, fractal, lit, mix, normal_of, sample, smooth

# Size of the floor and of the water, which repeat themselves beyond it, in the clip's pixels.
TILE_WIDTH, TILE_HEIGHT = 1024, 640
DEPTH = 62


class Floor:
    """Sand and pebbles, painted once."""

    def __init__(self, rng):
        size = (TILE_HEIGHT * FINE, TILE_WIDTH * FINE)
        patches = fractal(rng, size, 1.6, 40)
        sand = mix(colour("8f8a5c"), colour("b5a877"), smooth(-1.5, 1.5, patches))
        sand = sand * (1 + 0.06 * fractal(rng, size, 0.4, 3)[..., None])
        self.rgb = sand.astype(np.float32)
        tones = [colour(tone) for tone in ("8d8873", "a39a80", "77806f", "b9ad92", "6f6f60", "98866a")]
        for _ in range(1500):
            radius = rng.gamma(4, 3.0) + 4
            x, y = rng.uniform(0, TILE_WIDTH), rng.uniform(0, TILE_HEIGHT)
            # Pebbles lie in drifts.
            if sample(patches, np.array(x * FINE), np.array(y * FINE)) < rng.normal(0.1, 0.6):
                continue
            self._pebble(x, y, radius, tones[rng.integers(len(tones))] * rng.uniform(0.8, 1.15), rng)
        for channel in range(3):
            self.rgb[..., channel] = blurred(self.rgb[..., channel], 1.6)

    def seen(self, bent_x, bent_y, x, y, light):
        """The floor through the water: `bent_x` and `bent_y` are where one looks on it, `x` and `y` on the surface."""
        floor = sample(self.rgb, bent_x * FINE, bent_y * FINE)
        # The pond is deepest in the middle; deep water hides the floor.
        deep = np.exp(-(((x - 470) / 430) ** 2) - ((y - 260) / 270) ** 2)
        floor = floor * (0.6 + 0.52 * light)[..., None] * colour("b9f0e0")
        return mix(floor, colour("12828c"), 0.3 + 0.4 * deep)

    def _pebble(self, x, y, radius, tone, rng):
        turn, flat = rng.uniform(0, np.pi), rng.uniform(0.6, 0.95)
        reach = int(radius * FINE * 1.5) + 3
        columns = np.arange(int(x * FINE) - reach, int(x * FINE) + reach)
        rows = np.arange(int(y * FINE) - reach, int(y * FINE) + reach)
        dx, dy = np.meshgrid(columns / FINE - x, rows / FINE - y)
        along, across = dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn)
        distance = np.hypot(along / radius, across / (radius * flat))
        place = np.ix_(rows % self.rgb.shape[0], columns % self.rgb.shape[1])
        shade = np.hypot((dx + SUN[0] * radius * 0.3) / radius, (dy + SUN[1] * radius * 0.3) / (radius * flat))
        ground = self.rgb[place] * (1 - 0.45 * (1 - smooth(0.7, 1.3, shade)))[..., None]
        height = 0.45 * radius * np.sqrt(np.clip(1 - distance**2, 0, 1))
        stone = lit(np.broadcast_to(tone, (*dx.shape, 3)), normal_of(height, FINE), shine=0.05)
        self.rgb[place] = mix(ground, stone, smooth(1.03, 0.97, distance))


class Water:
    """Waves of every direction, each at the speed of its length."""

    def __init__(self, rng):
        size = (TILE_HEIGHT, TILE_WIDTH)
        self.ky = 2 * np.pi * np.fft.fftfreq(TILE_HEIGHT)[:, None]
        self.kx = 2 * np.pi * np.fft.fftfreq(TILE_WIDTH)[None, :]
        k = np.hypot(self.kx, self.ky)
        k[0, 0] = 1
        # Most of the slope is in waves about 75 pixels long; a little wind goes to the lower right.
        length = 2 * np.pi / k
        weight = (np.exp(-((np.log(length / 75) / 0.5) ** 2)) + 0.05 * np.exp(-((np.log(length / 15) / 0.4) ** 2))) / k
        along = (self.kx * 0.8 + self.ky * 0.6) / k
        weight = weight * (0.35 + 0.65 * np.clip(along, 0, 1))
        weight[0, 0] = 0
        phase = rng.uniform(0, 2 * np.pi, size)
        self.spectrum = weight * rng.rayleigh(1, size) * np.exp(1j * phase)
        self.speed = np.sqrt(420 * k)
        slope = np.fft.ifft2(1j * self.kx * self.spectrum).real.std()
        self.spectrum *= 0.085 / slope

    def at(self, seconds):
        """Slopes of the surface, and the light on the floor (mean 1)."""
        waves = self.spectrum * np.exp(-1j * self.speed * seconds)
        slope_x = np.fft.ifft2(1j * self.kx * waves).real
        slope_y = np.fft.ifft2(1j * self.ky * waves).real
        return slope_x.astype(np.float32), slope_y.astype(np.float32), self._light(slope_x, slope_y)

    def _light(self, slope_x, slope_y):
        """Sends two by two rays through every pixel of the surface and counts where they arrive."""
        y, x = np.mgrid[0:TILE_HEIGHT:0.5, 0:TILE_WIDTH:0.5].astype(np.float32)
        to_x = x - 2.6 * DEPTH * sample(slope_x, x, y)
        to_y = y - 2.6 * DEPTH * sample(slope_y, x, y)
        x0, y0 = np.floor(to_x).astype(np.int64), np.floor(to_y).astype(np.int64)
        fx, fy = to_x - x0, to_y - y0
        light = np.zeros(TILE_HEIGHT * TILE_WIDTH)
        for right in (0, 1):
            for below in (0, 1):
                share = (fx if right else 1 - fx) * (fy if below else 1 - fy)
                place = (y0 + below) % TILE_HEIGHT * TILE_WIDTH + (x0 + right) % TILE_WIDTH
                light += np.bincount(place.ravel(), share.ravel(), light.size)
        light = light.reshape(TILE_HEIGHT, TILE_WIDTH) / 4
        return blurred(np.minimum(light, 4.5), 1.3)


def surface(canvas, slope):
    """The sky in the water, and the sun's sparks."""
    tilt = slope @ np.array([-0.65, -0.76], np.float32)
    canvas.rgb = mix(canvas.rgb, colour("d9efff"), np.clip(0.03 + 0.5 * tilt, 0, 0.3))
    canvas.rgb = canvas.rgb + 0.55 * smooth(0.25, 0.31, tilt)[..., None] * colour("fff6e0")


def stone(canvas, camera, x_world, y_world, spec, grain):
    """A mossy stone of the bank; hides what is below it."""
    x, y, radius, seed = spec
    window = camera.window(x, y, radius * 1.5)
    if window is None:
        return
    dx, dy = x_world[window] - x, y_world[window] - y
    angle = np.arctan2(dy, dx)
    wobble = 1 + 0.07 * np.sin(2 * angle + seed) + 0.05 * np.sin(3 * angle + 2.3 * seed)
    wobble = wobble + 0.025 * np.sin(5 * angle + seed)
    distance = np.hypot(dx, dy) / (radius * wobble)
    shade = np.hypot(dx + SUN[0] * 16, dy + SUN[1] * 16) / (radius * wobble)
    canvas.rgb[window] *= (1 - 0.55 * smooth(1.25, 0.8, shade))[..., None]
    rough = sample(grain, (dx + 97 * seed) * 4, (dy + 61 * seed) * 4)
    height = radius * 0.55 * np.sqrt(np.clip(1 - distance**2.6, 0, 1)) + 0.9 * rough * (distance < 1)
    tone = mix(colour("85837a"), colour("a8a294"), 0.5 + 0.5 * np.sin(seed * 5))
    tone = np.broadcast_to(tone, (*dx.shape, 3)) * (1 + 0.1 * rough)[..., None]
    moss = smooth(0.0, 0.7, 0.8 * sample(grain, (dx + 31 * seed) * 1.2, (dy + 17 * seed) * 1.2) + 0.3 * rough - 0.15)
    tone = mix(tone, colour("6d8a3a") * (1 + 0.35 * rough)[..., None], 0.75 * moss)
    # Wet where the water reaches it.
    tone = tone * mix(1.0, 0.55, smooth(0.84, 0.95, distance))
    canvas.paint(window, lit(tone, normal_of(height, FINE * camera.zoom), shine=0.08), smooth(1.01, 0.985, distance))
