"""What floats on the pond: the ring, the duck, the ball, the lily pads. Each function paints one of them at a place and
a turn; where things are at which time is not known here.

Lengths are the clip's pixels. `x` and `y` are the world coordinates of the canvas's pixels.
"""

import numpy as np

from picture import FINE, SUN, blurred, colour, lit, mix, normal_of, sample, smooth


def contact(canvas, window, distance, reach):
    """The dark rim where a floating thing presses the water down; `distance` is 0 at its edge."""
    dark = 0.5 * np.exp(-np.clip(distance, 0, None) / reach)
    canvas.rgb[window] *= (1 - dark)[..., None]


def turned(x, y, place, turn):
    """Coordinates of a thing's own: its x points ahead."""
    dx, dy = x - place[0], y - place[1]
    return dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn)


def ring(canvas, camera, x, y, place, turn, number, radius=78, tube=29):
    """A swim ring, pink and white; the water shows through its hole."""
    window = camera.window(*place, radius + tube + 12)
    if window is None:
        return
    along, across = turned(x[window], y[window], place, turn)
    distance = np.hypot(along, across)
    angle = np.arctan2(across, along)
    # Air moves about in it.
    from_core = distance - radius - 2.0 * np.sin(2 * angle - 3 * turn)
    contact(canvas, window, np.abs(from_core) - tube, 5)
    height = np.sqrt(np.clip(tube**2 - from_core**2, 0, None))
    stripe = np.sin(6 * angle + 0.55 * from_core / tube)
    tone = mix(colour("f2417f"), colour("fdf3ea"), smooth(-0.06, 0.06, stripe - 0.15))
    seam = np.exp(-(((from_core - 5) / 1.3) ** 2))
    tone = tone * (1 - 0.18 * seam)[..., None]
    valve_x, valve_y = along - radius * np.cos(0.4), across - radius * np.sin(0.4)
    valve = np.hypot(valve_x, valve_y)
    tone = mix(tone, colour("e9e3d8"), smooth(6.5, 5.8, valve))
    height = height + 2.5 * smooth(6.5, 4.5, valve)
    picture = lit(tone, normal_of(blurred(height, 0.8), FINE * camera.zoom), shine=0.5, hardness=60)
    canvas.paint(window, picture, smooth(0.4, -0.4, np.abs(from_core) - tube), number)


def ball(canvas, camera, x, y, place, roll, number, radius=80):
    """A beach ball of six panels; `roll` is its rotation matrix."""
    window = camera.window(*place, radius + 12)
    if window is None:
        return
    dx, dy = x[window] - place[0], y[window] - place[1]
    distance = np.hypot(dx, dy)
    contact(canvas, window, distance - radius, 6)
    depth = np.sqrt(np.clip(radius**2 - distance**2, 0, None))
    normal = np.stack([dx, dy, depth], -1) / np.maximum(np.hypot(distance, depth), 1e-6)[..., None]
    own = normal @ roll.astype(np.float32)
    longitude = np.arctan2(own[..., 1], own[..., 0]) / (2 * np.pi) * 6 + 6
    pole = np.abs(own[..., 2])
    tones = [colour(tone) for tone in ("6a3fc4", "fbf4e6", "2fa36b", "fbf4e6", "6a3fc4", "fbf4e6")]
    inside = longitude - np.floor(longitude)
    # As wide as a painted pixel or two, whatever the panel's width there.
    soft = 0.014 / np.maximum(np.sqrt(1 - np.minimum(pole, 0.999) ** 2), 0.05)
    panel = np.floor(longitude).astype(int) % 6
    here, after = np.stack(tones)[panel], np.stack(tones)[(panel + 1) % 6]
    before = np.stack(tones)[(panel - 1) % 6]
    tone = mix(mix(here, after, 0.5 * smooth(1 - soft, 1, inside)), before, 0.5 * smooth(soft, 0, inside))
    seam = np.exp(-((np.minimum(inside, 1 - inside) / (1.2 * soft)) ** 2))
    tone = tone * (1 - 0.15 * seam)[..., None]
    tone = mix(tone, colour("f4b43a"), smooth(0.935, 0.945, pole))
    picture = lit(tone, normal.astype(np.float32), shine=0.6, hardness=90)
    canvas.paint(window, picture, smooth(0.4, -0.4, distance - radius), number)


def dome(along, across, at, size, turn=0.0):
    """Height of an ellipsoid's upper half, and a distance that is 0 on its outline, in pixels."""
    a, b = along - at[0], across - at[1]
    a, b = a * np.cos(turn) + b * np.sin(turn), b * np.cos(turn) - a * np.sin(turn)
    reach = np.hypot(a / size[0], b / size[1])
    return size[2] * np.sqrt(np.clip(1 - reach**2, 0, None)), (reach - 1) * min(size[0], size[1])


def duck(canvas, camera, x, y, place, turn, number, size=1.0):
    """A rubber duck from above, with wings, a tail, a bill and eyes."""
    window = camera.window(*place, 125 * size)
    if window is None:
        return
    along, across = turned(x[window], y[window], place, turn)
    along, across = along / size, across / size
    # The body narrows to a tail that points up.
    narrow = 1 - 0.38 * smooth(10, -88, along)
    body, body_edge = dome(along, across / narrow, (-8, 0), (78, 58, 46))
    tail, _ = dome(along, across, (-72, 0), (16, 13, 40))
    head, head_edge = dome(along, across, (44, 0), (37, 36, 78))
    bill, bill_edge = dome(along, across, (84, 0), (20, 21, 42))
    wings = [dome(along, across, (-18, side * 37), (36, 15, 52), side * 0.16)[0] for side in (-1, 1)]
    yellow = np.maximum.reduce([body, tail, head, *wings])
    height = np.maximum(yellow, bill * 0.999)
    edge = np.minimum(np.minimum(body_edge, bill_edge), head_edge)
    contact(canvas, window, edge * size, 6)
    is_bill = smooth(-0.6, 0.6, bill - yellow)
    tone = mix(colour("ffc81f"), colour("f2661c"), is_bill)
    for side in (-1, 1):
        eye = np.hypot((along - 60) / 6.0, (across - side * 21) / 5.2)
        tone = mix(tone, colour("20180f"), smooth(1.08, 0.92, eye))
        glint = np.hypot(along - 61 - 1.5, across - side * 21 + 1.6)
        tone = mix(tone, colour("ffffff"), smooth(2.0, 1.2, glint))
    nostril = np.minimum(np.hypot(along - 88, across - 5), np.hypot(along - 88, across + 5))
    tone = tone * (1 - 0.45 * smooth(2.2, 1.2, nostril))[..., None]
    # Where parts meet, less of the sky is seen.
    soft = blurred(height, 14)
    hollow = np.clip((soft - height) / 30, 0, 0.4) * (edge < 0)
    normal = normal_of(blurred(height, 2.2), size * FINE * camera.zoom * 0.8)
    picture = lit(tone, normal, shine=0.55, hardness=70, wrap=0.4)
    picture = picture * (1 - hollow)[..., None]
    canvas.paint(window, picture, smooth(0.4, -0.4, edge * size), number)


def lily_pad(canvas, camera, x, y, place, turn, radius, grain):
    """A leaf with a notch and veins. It belongs to no object and hides what swims below it."""
    window = camera.window(*place, radius * 1.15)
    if window is None:
        return
    along, across = turned(x[window], y[window], place, turn)
    distance, angle = np.hypot(along, across), np.arctan2(across, along)
    wave = 1 + 0.018 * np.sin(5 * angle + radius) + 0.012 * np.sin(9 * angle)
    rim = radius * wave - distance
    notch = distance * (np.abs(angle) - 0.2) - 2
    inside = np.minimum(rim, np.where(np.abs(angle) < 1.4, notch, 1e3))
    contact(canvas, window, -inside, 4)
    veins = np.abs(np.sin(7.5 * (angle - 0.21))) * distance / 7.5
    vein = np.exp(-((veins / (0.9 + 1.1 * (1 - distance / radius))) ** 2)) * smooth(0.95, 0.6, distance / radius)
    patch = sample(grain, along * 1.6 + 300 * radius, across * 1.6)
    tone = mix(colour("4f9a35"), colour("86bf4a"), np.clip(0.45 + 0.2 * patch + 0.25 * distance / radius, 0, 1))
    tone = mix(tone, colour("b9d982"), 0.65 * vein)
    tone = mix(tone, colour("a45a3c"), 0.55 * smooth(5, 0.5, inside))
    height = 3.5 * smooth(16, 0, rim) - 1.2 * vein + 0.5 * patch + 2 * np.cos(3 * angle + 1) * (distance / radius) ** 2
    picture = lit(tone, normal_of(height, FINE * camera.zoom), shine=0.16, hardness=14)
    canvas.paint(window, picture, smooth(-0.4, 0.4, inside))


def lily(canvas, camera, x, y, place, turn, radius):
    """A water lily: two wreaths of petals around a yellow heart."""
    window = camera.window(*place, radius * 1.4)
    if window is None:
        return
    shade_x, shade_y = x[window] - place[0] + SUN[0] * 12, y[window] - place[1] + SUN[1] * 12
    canvas.rgb[window] *= (1 - 0.5 * smooth(radius * 1.1, radius * 0.5, np.hypot(shade_x, shade_y)))[..., None]
    for petals, length, lift in ((9, 1.0, 0.0), (8, 0.74, 0.4), (6, 0.48, 0.8)):
        for petal in range(petals):
            own = turn + lift + 2 * np.pi * petal / petals
            along, across = turned(x[window], y[window], place, own)
            along, across = along / (radius * length), across / (radius * length)
            width = 0.27 * np.sqrt(np.clip(along * (1.02 - along) * 4, 0, None))
            inside = width - np.abs(across)
            tone = mix(colour("fff6f7"), colour("ef8fb4"), smooth(0.25, 1.0, along))
            tone = tone * (1 - 0.25 * np.exp(-((inside / 0.05) ** 2)))[..., None]
            height = radius * (0.35 * lift * along + 0.5 * (across**2 - 0.1 * along))
            picture = lit(tone, normal_of(height, FINE * camera.zoom), shine=0.1, wrap=0.7)
            canvas.paint(window, picture, smooth(-0.012, 0.02, inside))
    heart = np.hypot(x[window] - place[0], y[window] - place[1])
    height = np.sqrt(np.clip((0.2 * radius) ** 2 - heart**2, 0, None))
    gold = lit(np.broadcast_to(colour("ffc22e"), (*heart.shape, 3)), normal_of(height, FINE), shine=0.1)
    canvas.paint(window, gold, smooth(0.21 * radius, 0.19 * radius, heart))
