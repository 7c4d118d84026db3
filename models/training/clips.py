"""Clips that the starter model learns from and is scored on: made up on the fly, the same for the same seed.

A clip is a moving background with up to four objects and an occluder in front, each a textured, shaded, deforming
union of three blobs that moves, turns and grows. `Difficulty` says how hard; `EASY` and `HARD` are the two ends, training
draws anything between. Pictures come out as the 8-bit values a decoder would give. Nothing here knows the model.
"""

import dataclasses
import math
import pathlib

import torch
import torch.nn.functional as F

LAYERS = 4  # objects; one more layer in front is the occluder
PARTS = 3
TEXTURE = 128


@dataclasses.dataclass(frozen=True)
class Difficulty:
    """Ranges of a set of clips. Lengths are in half picture sides, times in frames, the rest are shares or probabilities."""

    objects: tuple[float, float]  # how many, rounded
    size: tuple[float, float]  # mean radius
    speed: float  # most an object moves in a frame
    turn: float  # most it turns, in radians
    grow: float  # most its size changes, as a share
    wobble: float  # how fast its outline deforms, in radians
    camera: float  # most the background moves
    contrast: float  # 1: always the colour farthest from the background among candidates; 0: any colour
    texture: float  # strength of textures
    bold: float  # objects of two colours, in stripes, checks or patches with sharp edges
    photos: float  # how many textures come from photographs, where there are any
    lookalike: float  # an object looks like the one before it
    occluder: float  # something passes in front
    leaves: float  # the object goes out of the picture and comes back
    hole: float
    dim: float  # how much the light changes
    blur: float
    noise: float  # standard deviation, at most
    compression: float  # strength of the block coding
    cut: float  # the background changes at once
    motley: float = 0.0  # objects of three colours around their middle: sectors, rings, patches


EASY = Difficulty(objects=(1, 2), size=(0.22, 0.45), speed=0.05, turn=0.10, grow=0.02, wobble=0.10, camera=0.02, contrast=1.0,
                  texture=0.5, bold=0.15, photos=0.2, lookalike=0.0, occluder=0.0, leaves=0.0, hole=0.1, dim=0.1, blur=0.3, noise=0.02,
                  compression=0.3, cut=0.0)
HARD = Difficulty(objects=(2, 4), size=(0.12, 0.45), speed=0.14, turn=0.30, grow=0.06, wobble=0.30, camera=0.07, contrast=0.3,
                  texture=1.0, bold=0.35, photos=0.4, lookalike=0.4, occluder=0.6, leaves=0.3, hole=0.2, dim=0.4, blur=0.8, noise=0.06,
                  compression=1.0, cut=0.1)
# Training draws anything between easy and this: hard, with more objects of several colours and with holes, which are learnt late.
HARD_TO_LEARN = dataclasses.replace(HARD, bold=0.6, hole=0.3, motley=0.35)
# The held-out sets: their seeds are used for nothing else. Training seeds are below them.
HELD_OUT = {"easy": (EASY, 9_000_001), "hard": (HARD, 9_000_002)}
HELD_OUT_CLIPS, HELD_OUT_FRAMES = 64, 8


def _between(easy, hard, t):
    """One value a clip, on the way from easy (t = 0) to hard (t = 1)."""
    return easy + (hard - easy) * t


class Photos:
    """Photographs as a source of textures: `.png` and `.jpg` files of a folder, or none."""

    def __init__(self, folder, device):
        self.stack = None
        if folder is None:
            return
        from PIL import Image
        import numpy as np

        pictures = []
        for path in sorted(pathlib.Path(folder).iterdir()):
            if path.suffix.lower() in (".png", ".jpg", ".jpeg"):
                rgb = Image.open(path).convert("RGB")
                side = min(rgb.size)
                rgb = rgb.crop((0, 0, side, side)).resize((384, 384), Image.LANCZOS)
                pictures.append(torch.from_numpy(np.asarray(rgb).copy()).permute(2, 0, 1).float() / 255)
        if not pictures:
            raise SystemExit(f"{folder} holds no .png or .jpg file")
        self.stack = torch.stack(pictures).to(device)


class Maker:
    """Makes batches of clips with a random generator of its own."""

    def __init__(self, seed, photos=None, device="cpu"):
        self.device = device
        self.generator = torch.Generator(device).manual_seed(seed)
        self.photos = photos or Photos(None, device)

    def uniform(self, *shape):
        return torch.rand(*shape, generator=self.generator, device=self.device)

    def signed(self, *shape):
        return self.uniform(*shape) * 2 - 1

    def clips(self, batch, frames, side, difficulty):
        """`(pictures [B, T, 3, S, S] in 0..1 in steps of 1/255, masks [B, T, S, S] bool)`, see `scenes` and `targets`."""
        pictures, owners = self.scenes(batch, frames, side, difficulty)
        return pictures, self.targets(owners)

    def scenes(self, batch, frames, side, difficulty):
        """Pictures, and per pixel the object in front [B, T, S, S]: 0 none, 1 to LAYERS, the occluder last.

        `difficulty` is a `Difficulty`, or a pair of them: then each clip lies somewhere between.
        """
        if isinstance(difficulty, tuple):
            easy, hard = difficulty
            t = self.uniform(batch)
        else:
            easy, hard, t = difficulty, difficulty, torch.zeros(batch, device=self.device)
        # Every range as a tensor [B].
        d = {f.name: (_between(getattr(easy, f.name), getattr(hard, f.name), t) if not isinstance(getattr(easy, f.name), tuple)
                      else tuple(_between(a, b, t) for a, b in zip(getattr(easy, f.name), getattr(hard, f.name))))
             for f in dataclasses.fields(Difficulty)}
        scene = Scene(self, batch, frames, d)
        pictures, owners = [], []
        for frame in range(frames):
            picture, owner = scene.draw(frame, side)
            pictures.append(picture)
            owners.append(owner)
        return (torch.stack(pictures, 1) * 255).round() / 255, torch.stack(owners, 1)

    def targets(self, owners):
        """The masks of an object to label in each clip: visible on the first frame, any of those with the same chance."""
        area = torch.stack([(owners[:, 0] == k + 1).float().mean((1, 2)) for k in range(LAYERS)], 1)
        chance = torch.where(area > 0.006, self.uniform(len(owners), LAYERS), -1 + area)
        target = chance.argmax(1) + 1
        return owners == target[:, None, None, None]

    def choose(self, probability):
        """One boolean a clip."""
        return self.uniform(*probability.shape) < probability

    def textures(self, batch, count, d):
        """[B, count, 3, TEXTURE, TEXTURE] in about 0..1, and their mean colours' contrast to the last, the background's."""
        n = batch * count
        fine = torch.zeros(n, 3, 2, 2, device=self.device)
        for octave in (4, 8, 16, 32, TEXTURE):  # each adds detail to the one before
            fine = F.interpolate(fine, size=(octave, octave), mode="bilinear", align_corners=False)
            if octave < TEXTURE:
                fine = fine + self.signed(n, 3, octave, octave) * 0.6 * (2.0 / octave) ** 0.4
        grey = (self.uniform(n, 1, 1, 1) < 0.5).float()
        fine = grey * fine.mean(1, keepdim=True) + (1 - grey) * fine
        line = torch.linspace(-1, 1, TEXTURE, device=self.device)
        y, x = torch.meshgrid(line, line, indexing="ij")
        angle, frequency = math.pi * self.uniform(n, 1, 1), 2 + 16 * self.uniform(n, 1, 1) ** 2
        along = torch.sin(math.pi * frequency * (x * torch.cos(angle) + y * torch.sin(angle)))
        across = torch.sin(math.pi * frequency * (y * torch.cos(angle) - x * torch.sin(angle)))
        kind = self.uniform(n, 1, 1)
        pattern = torch.where(kind < 0.18, along, torch.where(kind < 0.3, along * across, torch.where(kind < 0.4, ((along > 0.3) & (across > 0.3)).float(), torch.zeros_like(along))))
        strength = d["texture"].repeat_interleave(count)[:, None, None, None] * self.uniform(n, 1, 1, 1)
        # Of four colours, the one farthest from the background's, or the first.
        base = self.uniform(batch, 1, 4, 3)
        ground = base[:, :, 0]
        wanted = self.uniform(batch, count, 4, 3)
        far = (wanted - ground[:, :, None]).norm(dim=-1).argmax(-1)
        pick = torch.where(self.uniform(batch, count) < d["contrast"][:, None], far, torch.zeros_like(far))
        colour = torch.gather(wanted, 2, pick[..., None, None].expand(-1, -1, 1, 3))[:, :, 0]
        colour[:, -1] = ground[:, 0]
        out = colour.reshape(n, 3, 1, 1) + strength * (fine + 0.5 * pattern[:, None] * self.signed(n, 3, 1, 1))
        second = self.uniform(n, 3, 1, 1)
        where = torch.where(kind < 0.4, along, torch.where(kind < 0.6, along * across, fine.mean(1)))[:, None] > 0
        bold = self.uniform(batch, count) < d["bold"][:, None]
        bold[:, -1] = False  # not the background
        out = torch.where(where & bold.reshape(n, 1, 1, 1), second + 0.3 * strength * fine, out)
        # Only where it is asked for: the held-out sets keep their random numbers.
        if (d["motley"] > 0).any():
            motley = self.uniform(batch, count) < d["motley"][:, None]
            motley[:, -1] = False
            out = torch.where(motley.reshape(n, 1, 1, 1), self._motley(n, fine, strength, x, y), out)
        if self.photos.stack is not None:
            use = self.uniform(batch, count) < d["photos"][:, None]
            use[:, -1] |= self.uniform(batch) < 0.4  # backgrounds more often
            index = torch.nonzero(use.reshape(n))[:, 0]
            if len(index):
                photo = self._cuttings(len(index))
                # Half keep the photograph's colours, half take the drawn colour with its detail.
                tint = (self.uniform(len(index), 1, 1, 1) < 0.5).float()
                own = photo - photo.mean((2, 3), keepdim=True) + colour.reshape(n, 3, 1, 1)[index]
                out[index] = tint * own + (1 - tint) * photo
        return out.view(batch, count, 3, TEXTURE, TEXTURE)

    def _motley(self, n, fine, strength, x, y):
        """Three colours around the texture's middle, which is the object's: sectors, rings or patches with sharp edges."""
        colours = self.uniform(n, 3, 3)
        count = 1 + (4 * self.uniform(n, 1, 1)).floor()
        turn = torch.atan2(y, x)[None] / (2 * math.pi) * 2 * count + self.uniform(n, 1, 1)
        away = (x * x + y * y).sqrt()[None] * (2 + 5 * self.uniform(n, 1, 1))
        patch = fine.mean(1) * 3 + 10
        kind = self.uniform(n, 1, 1)
        where = torch.where(kind < 0.4, turn, torch.where(kind < 0.6, away, patch)).floor().long()
        # Half alternate between two colours, the others go through all three.
        which = where % torch.where(self.uniform(n, 1, 1) < 0.5, 2, 3)
        shown = torch.gather(colours, 1, which.reshape(n, -1, 1).expand(-1, -1, 3)).view(n, *x.shape, 3).permute(0, 3, 1, 2)
        return shown + 0.3 * strength * fine

    def _cuttings(self, count):
        """Squares of photographs, turned by quarters or mirrored, as textures."""
        which, size, left, top, turn, mirror = self.uniform(6, count)
        which = (which * len(self.photos.stack)).long()
        most = self.photos.stack.shape[-1]
        share = (64 + size**2 * (most - 64)) / most
        quarter = (turn * 4).floor() * (math.pi / 2)
        across = torch.where(mirror < 0.5, -1.0, 1.0)
        c, s = torch.cos(quarter) * share, torch.sin(quarter) * share
        middle = lambda at: (2 * at - 1) * (1 - share)
        where = torch.stack([torch.stack([c * across, -s, middle(left)], -1), torch.stack([s * across, c, middle(top)], -1)], 1)
        grid = F.affine_grid(where, (count, 3, TEXTURE, TEXTURE), align_corners=False)
        return torch.cat([F.grid_sample(self.photos.stack[w], g, padding_mode="reflection", align_corners=False)
                          for w, g in zip(which.split(256), grid.split(256))])


class Scene:
    """What a batch of clips shows; `draw` gives a frame of each."""

    def __init__(self, maker, batch, frames, d):
        u, s, K = maker.uniform, maker.signed, LAYERS + 1
        self.maker, self.d, self.frames = maker, d, frames
        self.textures = maker.textures(batch, K + 1, d)
        self.parts_differ = u(batch, K) < 0.4
        one = lambda name: d[name][:, None]
        low, high = d["objects"]
        count = (low[:, None] + (high - low)[:, None] * u(batch, 1)).round()
        layer = torch.arange(K, device=maker.device)[None]
        self.present = (layer < count) & (layer < LAYERS)
        self.present[:, LAYERS] = maker.choose(d["occluder"])
        alike = (u(batch, K) < one("lookalike")) & (layer > 0) & (layer < LAYERS)
        for k in range(1, LAYERS):
            self.textures[:, k] = torch.where(alike[:, k, None, None, None], self.textures[:, k - 1], self.textures[:, k])
        smallest, largest = d["size"]
        self.size = smallest[:, None] + (largest - smallest)[:, None] * u(batch, K) ** 1.5
        pace = 0.3 + 0.7 * u(batch, 1)  # slow clips and quick ones
        self.position, self.velocity = 0.75 * s(batch, K, 2), s(batch, K, 2) * (one("speed") * pace)[..., None]
        self.sway, self.sway_phase = 0.6 * s(batch, K, 2) * (one("speed") * 2)[..., None], 2 * math.pi * u(batch, K, 2)
        self.angle, self.turn = 2 * math.pi * u(batch, K), s(batch, K) * one("turn") * pace
        self.growth = s(batch, K) * one("grow")
        self.aspect = torch.exp(0.45 * s(batch, K))
        harmonics = torch.tensor([0.22, 0.16, 0.11, 0.07], device=maker.device)
        self.amplitude = u(batch, K, PARTS, 4) * harmonics
        self.phase, self.deform = 2 * math.pi * u(batch, K, PARTS, 4), s(batch, K, PARTS, 4) * one("wobble")[..., None, None]
        # Parts: the body, and two that hang on it and swing.
        self.part_size = torch.cat([torch.ones(batch, K, 1, device=maker.device), 0.3 + 0.5 * u(batch, K, 2)], 2)
        self.part_size[..., 1:] *= (u(batch, K, 2) < 0.6).float() + 1e-3
        self.part_angle, self.part_swing = 2 * math.pi * u(batch, K, PARTS), s(batch, K, PARTS) * 3 * one("wobble")[..., None]
        self.hole, self.hole_size = u(batch, K) < one("hole"), 0.25 + 0.35 * u(batch, K)
        # The occluder is long and crosses the picture.
        self.aspect[:, LAYERS] = 2.2 + u(batch)
        self.velocity[:, LAYERS] = s(batch, 2) * 0.25
        self.leaving = (u(batch, K) < one("leaves")) & (layer < LAYERS)
        self.leave_from, self.leave_for = 1 + frames * 0.5 * u(batch, K), 3 + frames * 0.5 * u(batch, K)
        self.leave_to = F.normalize(s(batch, K, 2), dim=-1) * 2.6
        self.pan, self.zoom = s(batch, 2) * one("camera"), s(batch) * d["camera"] * 0.5
        self.light = s(batch) * d["dim"]
        self.shade_to = F.normalize(s(batch, 2), dim=-1)
        self.shading, self.shadow = 0.35 * u(batch, K), 0.5 * u(batch, K) * (u(batch, K) < 0.5)
        self.blur, self.noise = u(batch) * d["blur"], u(batch) ** 2 * d["noise"]
        self.compression = u(batch) ** 2 * d["compression"] * 0.1
        self.cut_at = torch.where(maker.choose(d["cut"]), 1 + (u(batch) * max(1, frames - 1)).floor(), torch.full((batch,), 10.0 ** 6, device=maker.device))

    def draw(self, frame, side):
        """The pictures [B, 3, S, S] and, per pixel, the object in front [B, S, S]: 0 none, then 1 to LAYERS, the occluder last."""
        batch, device, t = len(self.size), self.maker.device, float(frame)
        line = (torch.arange(side, device=device) + 0.5) / side * 2 - 1
        y, x = torch.meshgrid(line, line, indexing="ij")
        wide = lambda v: v[:, None, None]
        cut = t >= self.cut_at
        zoom = torch.exp(self.zoom * t)
        shift = self.pan * t
        grid = torch.stack([(x - wide(shift[:, 0])) / wide(zoom), (y - wide(shift[:, 1])) / wide(zoom)], -1) * 0.9
        ground = torch.where(cut[:, None, None, None], self.textures[:, -1].flip(0).flip(3), self.textures[:, -1])
        picture = F.grid_sample(ground, grid, padding_mode="reflection", align_corners=False)
        owner = torch.zeros(batch, side, side, dtype=torch.long, device=device)
        light = self.shade_to
        for k in range(LAYERS + 1):
            away = torch.zeros(batch, device=device)
            if frame > 0:
                through = ((t - self.leave_from[:, k]) / self.leave_for[:, k]).clamp(0, 1)
                away = torch.where(self.leaving[:, k], torch.sin(math.pi * through) ** 2, away)
            sway = self.sway[:, k] * (torch.sin(self.sway_phase[:, k] + 0.7 * t) - torch.sin(self.sway_phase[:, k]))
            place = self.position[:, k] + self.velocity[:, k] * t + sway + away[:, None] * self.leave_to[:, k]
            place = place * zoom[:, None] + shift
            scale = self.size[:, k] * torch.exp(self.growth[:, k] * t) * zoom
            if k < LAYERS:
                # Objects turn back at the border unless they mean to leave.
                limit = 1.05
                bounced = limit - ((place + limit) % (4 * limit) - 2 * limit).abs()
                place = torch.where(self.leaving[:, k, None], place, bounced)
            angle = self.angle[:, k] + self.turn[:, k] * t
            c, s = wide(torch.cos(angle)), wide(torch.sin(angle))
            dx, dy = x - wide(place[:, 0]), y - wide(place[:, 1])
            u = (dx * c + dy * s) / wide(scale * self.aspect[:, k].sqrt())
            v = (dy * c - dx * s) / wide(scale / self.aspect[:, k].sqrt())
            inside, part, body = None, None, None
            for p in range(PARTS):
                if p == 0:
                    up, vp = u, v
                else:
                    swing = self.part_angle[:, k, p] + self.part_swing[:, k, p] * math.sin(0.9 * t + p)
                    up = (u - wide(torch.cos(swing))) / wide(self.part_size[:, k, p])
                    vp = (v - wide(torch.sin(swing))) / wide(self.part_size[:, k, p])
                radius = torch.sqrt(up * up + vp * vp) + 1e-6
                c1, s1 = up / radius, vp / radius
                cn, sn, outline = c1, s1, 1.0
                for m in range(4 if p == 0 else 2):  # cosines of 2, 3, … times the direction
                    cn, sn = cn * c1 - sn * s1, sn * c1 + cn * s1
                    phase = self.phase[:, k, p, m] + self.deform[:, k, p, m] * t
                    a = self.amplitude[:, k, p, m]
                    outline = outline + wide(a * torch.cos(phase)) * cn - wide(a * torch.sin(phase)) * sn
                f = (outline - radius) * wide(self.part_size[:, k, p])
                if p == 0:
                    hollow = torch.minimum(f, radius - wide(self.hole_size[:, k]))
                    f = torch.where(wide(self.hole[:, k]), hollow, f)
                    inside, part, body = f, torch.zeros_like(owner), (radius / outline).clamp(0, 1.5)
                else:
                    part = torch.where(f > inside, torch.full_like(part, p), part)
                    inside = torch.maximum(inside, f)
            # Distance to the outline in pixels, roughly; a pixel is half covered on it.
            pixels = inside * wide(scale) * (side / 2)
            alpha = (pixels + 0.5).clamp(0, 1) * wide(self.present[:, k])
            spread = torch.stack([u, v], -1) * 0.6 + 0.25 * (part * wide(self.parts_differ[:, k]))[..., None] * 3
            texture = torch.where(cut[:, None, None, None] & (k == LAYERS), ground, self.textures[:, k])
            colour = F.grid_sample(texture, spread, padding_mode="reflection", align_corners=False)
            lit = (dx * wide(light[:, 0]) + dy * wide(light[:, 1])) / wide(scale)
            colour = colour * (1 + wide(self.shading[:, k]) * (lit.clamp(-1, 1) - 0.6 * body * body))[:, None]
            if k < LAYERS:
                small = torch.roll(F.avg_pool2d(alpha[:, None], 8), (1, 1), (2, 3))
                soft = F.interpolate(small, size=(side, side), mode="bilinear", align_corners=False)
                picture = picture * (1 - soft * self.shadow[:, k, None, None, None])
            picture = picture + (colour - picture) * alpha[:, None]
            owner = torch.where(alpha > 0.5, k + 1, owner)
        return self._through_a_camera(picture, t), owner

    def _through_a_camera(self, picture, t):
        """Light, lens, sensor and codec."""
        wide = lambda v: v[:, None, None, None]
        picture = picture * wide(1 + self.light * math.sin(0.5 * t + 0.3))
        picture = picture + (F.avg_pool2d(F.pad(picture, (1, 1, 1, 1), mode="replicate"), 3, 1) - picture) * wide(self.blur)
        noise = torch.randn(picture.shape, generator=self.maker.generator, device=picture.device)
        picture = (picture + noise * wide(self.noise)).clamp(0, 1)
        # Blocks of 8 x 8, their frequencies rounded, the high ones more.
        n = torch.arange(8, device=picture.device, dtype=torch.float)
        basis = torch.cos(math.pi * (n[None] + 0.5) * n[:, None] / 8) * math.sqrt(2 / 8)
        basis[0] /= math.sqrt(2)
        B, C, S, _ = picture.shape
        blocks = picture.view(B, C, S // 8, 8, S // 8, 8).permute(0, 1, 2, 4, 3, 5)
        waves = basis @ blocks @ basis.T
        step = self.compression[:, None, None, None, None, None] * (1 + n[:, None] + n[None]) + 1e-4
        waves = (waves / step).round() * step
        blocks = basis.T @ waves @ basis
        return blocks.permute(0, 1, 2, 4, 3, 5).reshape(B, C, S, S).clamp(0, 1)
