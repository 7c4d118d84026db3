"""Made-up weights that follow from a parameter's name and index alone, for models in tests.

The rule, so that anything can rebuild a tensor: with u64 arithmetic that wraps,
`h = fnv1a64(name)`, and for the i-th element in row-major order, counted from 0,
`u = (splitmix64(h + (i + 1) * 0x9E3779B97F4A7C15) >> 40) / 2^23 - 1`, where splitmix64 is
the mixing step only. The value is `offset + scale * u` as float32, by the table in
`scale_and_offset`. The ranges keep activations of order one through the whole model.
"""

import math

import numpy as np

EMBEDDINGS = {"pos_embed", "pos_embed_window", "maskmem_tpos_enc", "no_mem_embed", "no_mem_pos_enc",
              "no_obj_ptr", "no_obj_embed_spatial"}


def fnv1a64(name):
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = (h ^ byte) * 0x100000001B3 % (1 << 64)
    return h


def uniform(name, count):
    """`count` float64 values in [-1, 1)."""
    x = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(fnv1a64(name))
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x = x ^ (x >> np.uint64(31))
    return (x >> np.uint64(40)).astype(np.float64) / 2.0**23 - 1.0


def scale_and_offset(name, shape):
    last = name.split(".")[-1]
    if name == "sam_mask_decoder.pred_obj_score_head.layers.2.bias":
        return 0.1, 1.2  # objects are present unless a scenario says otherwise
    if last == "gamma":
        return 0.1, 0.5
    if last == "positional_encoding_gaussian_matrix":
        return math.sqrt(3), 0.0
    if len(shape) == 1:
        return 0.1, float(last == "weight")  # norms near 1, biases near 0
    if "patch_embed" not in name and (
            last in EMBEDDINGS or any(part in name for part in ("_embed", "token.weight", "tokens.weight"))):
        return 0.7, 0.0
    transposed = name.startswith("sam_mask_decoder.output_upscaling")
    fan_in = shape[0] if transposed else math.prod(shape[1:])
    query_or_key = any(part in name for part in ("q_proj", "k_proj", "qkv"))
    return (1.6 if query_or_key else 1.0) * math.sqrt(3 / fan_in), 0.0


def tensor(name, shape):
    scale, offset = scale_and_offset(name, shape)
    return (offset + scale * uniform(name, math.prod(shape))).astype(np.float32).reshape(shape)


def rounded_to_bfloat16(values):
    """The nearest float32 values whose lower 16 bits are zero; such files compress to less than half."""
    bits = values.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)).view(np.float32)
