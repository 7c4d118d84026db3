"""The starter model in the reference's modules: built from its TOML, run over clips with prompts.

`scripts/reference/model.py` assembles it, as it does for the parity tests. Knows clips and prompts, not losses.
"""

import pathlib
import sys

import torch
import torch.nn.functional as F

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOML = ROOT / "models" / "starter.toml"
sys.path.insert(0, str(ROOT / "scripts" / "reference"))
import model as reference  # noqa: E402

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def build(side):
    """The model for pictures of `side` pixels, with fresh weights. No weight depends on the side."""
    network = reference.from_toml(TOML, {"image_size": side})
    for module in network.modules():
        if hasattr(module, "dropout_p"):  # attention
            module.dropout_p = 0.0
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    with torch.no_grad():
        # A negative object score blanks the masks and starves them of gradient: start confident that the object is there.
        network.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.fill_(4.0)
        for name, parameter in network.named_parameters():
            if name.endswith("fuser.layers.0.gamma") or name.endswith("fuser.layers.1.gamma"):
                parameter.fill_(0.1)  # the published start of 1e-6 is for a long schedule
        # Else the mask is lost among the picture's features, and memories of it are never learnt.
        network.memory_encoder.mask_downsampler.encoder[-1].weight.mul_(6)
    return network


def normalise(pictures):
    """Pictures in 0..1 as the model takes them."""
    mean = torch.tensor(MEAN, device=pictures.device).view(3, 1, 1)
    std = torch.tensor(STD, device=pictures.device).view(3, 1, 1)
    return (pictures - mean) / std


class Clip:
    """A batch of clips on its way through the model: frames are encoded once, memories gather frame by frame."""

    def __init__(self, network, pictures):
        """`pictures` [B, T, 3, S, S] in 0..1."""
        self.network, self.frames = network, pictures.shape[1]
        self.features = network.forward_image(normalise(pictures).flatten(0, 1))
        self.memories = {"cond_frame_outputs": {}, "non_cond_frame_outputs": {}}

    def look(self, frame, points=None, labels=None, earlier_logits=None):
        """The model's answer on a frame: with points `[B, N, 2]` and labels `[B, N]` as a prompt, or by tracking.

        A dict: `masks` and `ious` (all candidates, low resolution), `chosen` and `chosen_full` (the one the model would show), `score`.
        """
        every = lambda maps: [m[frame::self.frames] for m in maps]
        _, features, positions, sizes = self.network._prepare_backbone_features(
            {"backbone_fpn": every(self.features["backbone_fpn"]), "vision_pos_enc": every(self.features["vision_pos_enc"])})
        prompt = None if points is None else {"point_coords": points, "point_labels": labels}
        fresh = not self.memories["cond_frame_outputs"]
        current, answer, _, _ = self.network._track_step(
            frame, fresh, features, positions, sizes, prompt, None, self.memories, self.frames, False, earlier_logits)
        masks, masks_full, ious, chosen, chosen_full, pointer, score = answer
        return {"masks": masks, "masks_full": masks_full, "ious": ious, "chosen": chosen, "chosen_full": chosen_full, "score": score,
                "_memory": (current, prompt, features, sizes, pointer)}

    def remember(self, frame, answer):
        """Makes a memory of an answer; a prompted frame conditions all later ones."""
        current, prompt, features, sizes, pointer = answer["_memory"]
        current |= {"pred_masks": answer["chosen"], "pred_masks_high_res": answer["chosen_full"], "obj_ptr": pointer,
                    "object_score_logits": answer["score"]}
        self.network._encode_memory_in_output(features, sizes, prompt, True, answer["chosen_full"], answer["score"], current)
        kind = "cond_frame_outputs" if prompt is not None else "non_cond_frame_outputs"
        self.memories[kind][frame] = current


def a_point_in(masks, maker, middle):
    """A pixel of each mask [B, S, S], as [B, 1, 2] in x, y. `middle` prefers what lies well inside. An empty mask gives any pixel."""
    weight = masks.float()
    if middle:
        side = max(3, masks.shape[-1] // 14 | 1)
        # One direction after the other: PyTorch's pooling takes time by the window's area.
        across = F.avg_pool2d(weight[:, None], (1, side), 1, (0, side // 2))
        weight = F.avg_pool2d(across, (side, 1), 1, (side // 2, 0))[:, 0] ** 4 * weight
    weight = weight.flatten(1) + 1e-12
    index = torch.multinomial(weight, 1, generator=maker.generator)
    side = masks.shape[-1]
    return torch.cat([index % side, index // side], 1)[:, None].float() + 0.5


def click(masks, maker, middle=True):
    """A positive click: points and labels."""
    points = a_point_in(masks, maker, middle)
    return points, torch.ones(len(points), 1, dtype=torch.int32, device=points.device)


def box(masks, maker, jitter):
    """A box around each mask, its corners moved by up to `jitter` of its sides: points and labels as the prompt encoder takes them."""
    side = masks.shape[-1]
    line = torch.arange(side, device=masks.device, dtype=torch.float)
    ends = []
    for reduce in (1, 2):  # columns, rows
        there = masks.any(reduce)
        low = torch.where(there, line, torch.full_like(line, side)).amin(1)
        high = torch.where(there, line + 1, torch.zeros_like(line)).amax(1)
        length = (high - low).clamp(min=1) * jitter
        ends.append((low + maker.signed(len(low)) * length, high + maker.signed(len(low)) * length))
    (x0, x1), (y0, y1) = ends
    points = torch.stack([torch.stack([x0, y0], -1), torch.stack([x1, y1], -1)], 1).clamp(0, side)
    return points, torch.tensor([[2, 3]], dtype=torch.int32, device=masks.device).expand(len(points), 2)


def corrected(points, labels, shown, truth, maker, middle):
    """The prompt with one more click in the middle of what is wrong; where nothing is, in the object."""
    wrong = shown ^ truth
    where = torch.where(wrong.flatten(1).any(1)[:, None, None], wrong, truth)
    point = a_point_in(where, maker, middle)
    column, row = point[:, 0, 0].long(), point[:, 0, 1].long()
    label = truth[torch.arange(len(truth), device=truth.device), row, column].to(torch.int32)[:, None]
    return torch.cat([points, point], 1), torch.cat([labels, label], 1)
