"""J and F as the DAVIS benchmark defines them: region IoU, and how well the outlines agree within 0.008 of the diagonal.

Knows masks only. `src/` has the same measures in Rust; `check_in_rust.py` compares the two.
"""

import math

import torch
import torch.nn.functional as F

TOLERANCE = 0.008


def region(shown, truth):
    """J of boolean masks [..., H, W]; two empty masks agree."""
    both = (shown & truth).sum((-2, -1)).float()
    either = (shown | truth).sum((-2, -1)).float()
    return torch.where(either > 0, both / either.clamp(min=1), torch.ones_like(both))


def outline(masks):
    """Pixels that differ from the one to the right, below, or below to the right. [N, H, W] boolean."""
    right = torch.zeros_like(masks)
    below = torch.zeros_like(masks)
    across = torch.zeros_like(masks)
    right[:, :, :-1] = masks[:, :, :-1] ^ masks[:, :, 1:]
    below[:, :-1] = masks[:, :-1] ^ masks[:, 1:]
    across[:, :-1, :-1] = masks[:, :-1, :-1] ^ masks[:, 1:, 1:]
    edge = right | below | across
    edge[:, -1] = right[:, -1]
    edge[:, :, -1] = below[:, :, -1]
    edge[:, -1, -1] = False
    return edge


def boundary(shown, truth):
    """F of boolean masks [N, H, W]."""
    height, width = truth.shape[-2:]
    radius = math.ceil(TOLERANCE * math.hypot(height, width))
    line = torch.arange(-radius, radius + 1, device=truth.device)
    disk = (line[:, None] ** 2 + line[None] ** 2 <= radius**2).float()[None, None]
    near = lambda edge: F.conv2d(edge[:, None].float(), disk, padding=radius)[:, 0] > 0.5
    drawn, wanted = outline(shown), outline(truth)
    right = (drawn & near(wanted)).sum((1, 2)).float()
    found = (wanted & near(drawn)).sum((1, 2)).float()
    drawn_count, wanted_count = drawn.sum((1, 2)).float(), wanted.sum((1, 2)).float()
    # Without an outline on one side only, one of the two is all right and the other all wrong.
    precision = torch.where(drawn_count > 0, right / drawn_count.clamp(min=1), torch.ones_like(right))
    recall = torch.where(wanted_count > 0, found / wanted_count.clamp(min=1), torch.ones_like(found))
    precision = torch.where((drawn_count > 0) & (wanted_count == 0), torch.zeros_like(precision), precision)
    recall = torch.where((drawn_count == 0) & (wanted_count > 0), torch.zeros_like(recall), recall)
    total = precision + recall
    return torch.where(total > 0, 2 * precision * recall / total.clamp(min=1e-12), torch.zeros_like(total))
