"""The canvas the sample is painted on: colours in linear light, a camera, layers, and what is seen of each object.

Everything is painted at twice the size of the clip and reduced at the end, so edges are smooth. Knows nothing of what
is painted.
"""

import numpy as np

# The clip's frames, and how many painted pixels make one of theirs, each way.
WIDTH, HEIGHT, FINE = 854, 480, 2


def colour(hexadecimal):
    """An sRGB colour such as "ff8800" in linear light."""
    srgb = np.array([int(hexadecimal[i : i + 2], 16) for i in (0, 2, 4)]) / 255.0
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4).astype(np.float32)


def srgb_bytes(linear):
    linear = np.clip(linear, 0, 1)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return (255 * srgb + 0.5).astype(np.uint8)


def mix(a, b, share):
    """From `a` to `b`; `share` is a number or one per pixel."""
    share = np.asarray(share, np.float32)
    if share.ndim == 2:
        share = share[..., None]
    return a + (b - a) * share


def smooth(low, high, at):
    """0 below `low`, 1 above `high`, and a soft step between them."""
    share = np.clip((at - low) / (high - low), 0, 1)
    return share * share * (3 - 2 * share)


def sample(plate, x, y):
    """The values of a plate that repeats itself, between its pixels."""
    height, width = plate.shape[:2]
    x0, y0 = np.floor(x).astype(np.int32), np.floor(y).astype(np.int32)
    fx, fy = (x - x0).astype(np.float32), (y - y0).astype(np.float32)
    if plate.ndim == 3:
        fx, fy = fx[..., None], fy[..., None]
    x0, x1, y0, y1 = x0 % width, (x0 + 1) % width, y0 % height, (y0 + 1) % height
    above = plate[y0, x0] * (1 - fx) + plate[y0, x1] * fx
    below = plate[y1, x0] * (1 - fx) + plate[y1, x1] * fx
    return above * (1 - fy) + below * fy


def blurred(values, radius):
    """A Gaussian blur; far pixels are those of the border."""
    pad = int(3 * radius) + 1
    padded = np.pad(values, pad, mode="edge")
    fy, fx = np.fft.fftfreq(padded.shape[0])[:, None], np.fft.rfftfreq(padded.shape[1])[None, :]
    kernel = np.exp(-2 * (np.pi * radius) ** 2 * (fx**2 + fy**2))
    soft = np.fft.irfft2(np.fft.rfft2(padded) * kernel, padded.shape)
    return soft[pad:-pad, pad:-pad].astype(np.float32)


def fractal(rng, size, slope, finest=0.0):
    """Noise with mean 0 and deviation 1 that repeats itself; a larger slope is smoother. Waves shorter than `finest`
    pixels are left out."""
    height, width = size
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
    frequency = np.hypot(fx, fy)
    frequency[0, 0] = 1
    weight = frequency**-slope
    weight[0, 0] = 0
    if finest:
        weight = weight * np.exp(-((frequency * finest) ** 2))
    noise = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(size)) * weight, size)
    return ((noise - noise.mean()) / noise.std()).astype(np.float32)


class Camera:
    """Looks straight down; the world is measured in the clip's pixels."""

    def __init__(self, x, y, zoom, turn):
        self.x, self.y, self.zoom, self.turn = x, y, zoom, turn

    def world(self):
        """World coordinates of all painted pixels."""
        rows, columns = HEIGHT * FINE, WIDTH * FINE
        x = ((np.arange(columns, dtype=np.float32) + 0.5) / FINE - WIDTH / 2) / self.zoom
        y = ((np.arange(rows, dtype=np.float32) + 0.5) / FINE - HEIGHT / 2) / self.zoom
        cos, sin = np.float32(np.cos(self.turn)), np.float32(np.sin(self.turn))
        return x[None, :] * cos - y[:, None] * sin + self.x, x[None, :] * sin + y[:, None] * cos + self.y

    def window(self, x, y, radius):
        """The painted rows and columns that hold a circle of the world; None where it is out of sight."""
        dx, dy = x - self.x, y - self.y
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        centre_x = ((dx * cos + dy * sin) * self.zoom + WIDTH / 2) * FINE
        centre_y = ((dy * cos - dx * sin) * self.zoom + HEIGHT / 2) * FINE
        reach = radius * self.zoom * FINE + 2
        left, right = max(int(centre_x - reach), 0), min(int(centre_x + reach) + 1, WIDTH * FINE)
        top, bottom = max(int(centre_y - reach), 0), min(int(centre_y + reach) + 1, HEIGHT * FINE)
        # Slopes need two pixels; whatever shows on fewer is in the margin of two.
        is_seen = right - left > 1 and bottom - top > 1
        return (slice(top, bottom), slice(left, right)) if is_seen else None


class Canvas:
    """A picture that is being painted, and how much of each pixel each object has."""

    def __init__(self, rgb):
        self.rgb = rgb
        self.shares = {}

    def paint(self, window, rgb, alpha, number=None):
        """Lays a layer over what is there. An object's layer has its number; it hides the objects below it, as layers
        without a number do."""
        self.rgb[window] = mix(self.rgb[window], rgb, alpha)
        for share in self.shares.values():
            share[window] *= 1 - alpha
        if number is not None:
            share = self.shares.setdefault(number, np.zeros(self.rgb.shape[:2], np.float32))
            share[window] = np.maximum(share[window], alpha)

    def grade(self):
        """A soft glow, a warm sun from the upper left, darker corners."""
        small = reduced(self.rgb, 4)
        glow = np.stack([blurred(np.clip(small[..., c] - 0.75, 0, 1), 6) for c in range(3)], -1)
        self.rgb = self.rgb + 0.35 * np.repeat(np.repeat(glow, 4, 0), 4, 1)
        rows, columns = self.rgb.shape[:2]
        across, down = np.linspace(-1, 1, columns)[None, :], np.linspace(-1, 1, rows)[:, None]
        vignette = 1.06 - 0.2 * (across**2 + down**2) ** 1.3 - 0.07 * (across + down)
        self.rgb = self.rgb * vignette.astype(np.float32)[..., None] * np.array([1.03, 1.0, 0.96], np.float32)

    def frame(self):
        """The finished picture as bytes, and the number of the object that has most of each pixel, 0 for none."""
        numbers = np.zeros((HEIGHT, WIDTH), np.uint8)
        for number, share in self.shares.items():
            numbers[reduced(share) > 0.5] = number
        return srgb_bytes(reduced(self.rgb)), numbers


def reduced(values, times=FINE):
    """The mean of each square of `times` pixels."""
    rows, columns = values.shape[0] // times, values.shape[1] // times
    return values.reshape(rows, times, columns, times, *values.shape[2:]).mean((1, 3))


# Towards the sun: from above, from the left and the upper edge of the picture.
SUN = np.array([-0.48, -0.56, 0.675], np.float32)
SUN /= np.linalg.norm(SUN)


def lit(albedo, normal, shine=0.35, hardness=40, wrap=0.25):
    """A surface in the sun under a blue sky, seen from above. `normal` is one unit vector per pixel."""
    sun = np.clip((normal @ SUN + wrap) / (1 + wrap), 0, None)
    half = SUN + np.array([0, 0, 1], np.float32)
    half /= np.linalg.norm(half)
    spark = shine * np.clip(normal @ half, 0, None) ** hardness
    up = 0.5 + 0.5 * normal[..., 2]
    light = sun[..., None] * colour("fff0d2") * 0.95 + up[..., None] * colour("c4dcff") * 0.42
    # Light that comes back from the water on what faces away from the sky.
    light = light + (1 - normal[..., 2])[..., None] * colour("4fb5a8") * 0.18
    return albedo * light + spark[..., None]


def normal_of(height, scale):
    """Unit normals of a height given per painted pixel; `scale` is painted pixels per unit of height."""
    slope_y, slope_x = np.gradient(height * scale)
    normal = np.stack([-slope_x, -slope_y, np.ones_like(height)], -1)
    return (normal / np.linalg.norm(normal, axis=-1, keepdims=True)).astype(np.float32)
