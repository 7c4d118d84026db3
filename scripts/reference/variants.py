"""The reference with other arithmetic, to see how much of a difference is rounding.

A golden is what the reference returns in float32 with PyTorch's usual kernels. The same
scenario with one of these variants says how far the reference is from itself there:

* `no-onednn` - PyTorch's own kernels in place of oneDNN's; add `--threads 1` for another order of sums
* `float64-layers` - every linear layer, convolution, norm and attention computes in float64
  and rounds its result to float32
* `float64` - no float32 anywhere: weights, tables, features and logits are float64. The nearest
  there is to the exact result
* `nearest-sign` - where a prompted mask is made black and white for its memory, the one value
  nearest to zero changes sides, if it is within 1e-5 of it: what a rounding error does to it
* `bf16` - under PyTorch's autocast to bfloat16, as the reference's notebooks run it on a GPU

Memories are rounded to bfloat16 in all of them, as the reference stores them, unless the scenario
has `float32_memories`.
"""

import contextlib

import torch
from torch import nn

from sam2.modeling.sam2_utils import LayerNorm2d

NAMES = ("no-onednn", "float64-layers", "float64", "nearest-sign", "bf16")

_LAYERS = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d, nn.LayerNorm, LayerNorm2d)


@contextlib.contextmanager
def variant(name):
    """Within it, models are built, loaded and run as `name` says; None changes nothing.

    Yields a function that is to be called with the loaded model, before it runs.
    """
    if name is None:
        yield lambda predictor: None
    elif name == "no-onednn":
        with _replaced(torch.backends.mkldnn, "enabled", False):
            yield lambda predictor: None
    elif name == "float64-layers":
        with _replaced(nn.functional, "scaled_dot_product_attention", _attention_in_float64):
            yield _widen_layers
    elif name == "float64":
        # The package names float32 in many places, and always through `torch`: what it asks for
        # is answered with float64. Not while weights are read, hence the second half afterwards.
        with contextlib.ExitStack() as names:
            torch.set_default_dtype(torch.float64)
            names.callback(torch.set_default_dtype, torch.float32)

            def widen(predictor):
                for owner, attribute, wide in ((torch.Tensor, "float", torch.Tensor.double),
                                               (torch, "float32", torch.float64), (torch, "float", torch.float64)):
                    names.enter_context(_replaced(owner, attribute, wide))
                _rebuild_tables(predictor)

            yield widen
    elif name == "nearest-sign":
        yield _turn_nearest_sign
    elif name == "bf16":
        with torch.autocast("cpu", dtype=torch.bfloat16):
            yield lambda predictor: None
    else:
        raise SystemExit(f"no variant is called {name!r}; there are {', '.join(NAMES)}")


@contextlib.contextmanager
def _replaced(owner, name, value):
    old = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, old)


_attention = nn.functional.scaled_dot_product_attention


def _attention_in_float64(q, k, v, **more):
    return _attention(q.double(), k.double(), v.double(), **more).to(q.dtype)


def _widen_layers(predictor):
    for module in predictor.modules():
        if isinstance(module, _LAYERS):
            module.double()
            module.forward = lambda x, forward=module.forward: forward(x.double()).float()


def _turn_nearest_sign(predictor):
    encode = predictor._encode_new_memory

    def encode_turned(*args, pred_masks_high_res, is_mask_from_pts, **more):
        if is_mask_from_pts:
            pred_masks_high_res = pred_masks_high_res.clone()
            for mask in pred_masks_high_res.flatten(1):
                nearest = mask.abs().argmin()
                if mask[nearest].abs() < 1e-5:
                    mask[nearest] = 1e-6 if mask[nearest] <= 0 else -1e-6
        return encode(*args, pred_masks_high_res=pred_masks_high_res, is_mask_from_pts=is_mask_from_pts, **more)

    predictor._encode_new_memory = encode_turned


def _rebuild_tables(predictor):
    """Position tables are made with the model, which was before float32 was out of reach."""
    for module in predictor.modules():
        if hasattr(module, "compute_cis"):  # memory attention's rotations
            side = round(module.freqs_cis.shape[0] ** 0.5)
            module.freqs_cis = module.compute_cis(end_x=side, end_y=side)
        if isinstance(getattr(module, "cache", None), dict):  # sine tables
            module.cache.clear()
