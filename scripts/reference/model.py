"""Builds SAM 2 models of the reference (the `sam2` package) for run_scenario.py.

Two kinds: the eight published models by name, from the configurations that the
package ships, and small ones from a TOML of the form `tests/data/small/small.toml`
shows (the Rust side reads the same file). All come out as float32 video predictors
on the CPU, with the stability and binarising options that SAM 2 is published with and
hole filling off, because the reference fills holes only with its CUDA extension.
"""

import pathlib
import tomllib

import torch
from safetensors.torch import load_file

from sam2.build_sam import build_sam2_video_predictor
from sam2.modeling.backbones.hieradet import Hiera
from sam2.modeling.backbones.image_encoder import FpnNeck, ImageEncoder
from sam2.modeling.memory_attention import MemoryAttention, MemoryAttentionLayer
from sam2.modeling.memory_encoder import CXBlock, Fuser, MaskDownSampler, MemoryEncoder
from sam2.modeling.position_encoding import PositionEmbeddingSine
from sam2.modeling.sam.transformer import RoPEAttention
from sam2.sam2_video_predictor import SAM2VideoPredictor

STABILITY = {
    "dynamic_multimask_via_stability": True,
    "dynamic_multimask_stability_delta": 0.05,
    "dynamic_multimask_stability_thresh": 0.98,
}


def published(name, options):
    """A published model by name, for example `sam2.1_hiera_tiny`, without its weights."""
    family, _, size = name.partition("_hiera_")
    letters = {"tiny": "t", "small": "s", "base_plus": "b+", "large": "l"}
    if family not in ("sam2", "sam2.1") or size not in letters:
        raise SystemExit(f"no published model is called {name!r}; a small one needs its TOML")
    overrides = [f"++model.sam_mask_decoder_extra_args.{k}={str(v).lower()}" for k, v in STABILITY.items()]
    overrides += ["++model.binarize_mask_from_pts_for_mem_enc=true", "++model.fill_hole_area=0"]
    overrides += [f"++model.{k}={str(v).lower()}" for k, v in options.items()]
    return build_sam2_video_predictor(
        f"configs/{family}/{family}_hiera_{letters[size]}.yaml",
        None,
        device="cpu",
        hydra_overrides_extra=overrides,
        apply_postprocessing=False,
    )


def from_toml(path, options):
    """A model of the family as the TOML at `path` describes it, without its weights.

    `options` are extra arguments of the predictor; `image_size` among them wins over the TOML's.
    """
    t = tomllib.loads(pathlib.Path(path).read_text())
    enc, mem_att, mem_enc = t["image_encoder"], t["memory_attention"], t["memory_encoder"]
    memory, version = t.get("memory", {}), t.get("version", {})
    width, mem_dim = enc["d_model"], mem_enc["out_dim"]

    trunk = Hiera(
        embed_dim=enc["embed_dim"],
        num_heads=enc["num_heads"],
        q_pool=enc.get("q_pool", 3),
        stages=tuple(enc["stages"]),
        global_att_blocks=tuple(enc["global_att_blocks"]),
        window_spec=tuple(enc["window_spec"]),
        window_pos_embed_bkg_spatial_size=tuple(enc["window_pos_embed_bkg_spatial_size"]),
    )
    neck = FpnNeck(
        position_encoding=_sine(width),
        d_model=width,
        backbone_channel_list=trunk.channel_list,
        fpn_top_down_levels=enc["fpn_top_down_levels"],
        fpn_interp_model="nearest",
    )
    side = t["image_size"] // 16
    rope = dict(rope_theta=10000.0, feat_sizes=(side, side), embedding_dim=width,
                num_heads=1, downsample_rate=1, dropout=0.1)
    layer = MemoryAttentionLayer(
        activation="relu",
        dim_feedforward=mem_att["dim_feedforward"],
        dropout=0.1,
        pos_enc_at_attn=False,
        self_attention=RoPEAttention(**rope),
        cross_attention=RoPEAttention(**rope, rope_k_repeat=True, kv_in_dim=mem_dim),
        d_model=width,
        pos_enc_at_cross_attn_keys=True,
        pos_enc_at_cross_attn_queries=False,
    )
    arguments = dict(
        image_encoder=ImageEncoder(trunk=trunk, neck=neck, scalp=1),
        memory_attention=MemoryAttention(
            d_model=width, pos_enc_at_input=True, layer=layer, num_layers=mem_att["num_layers"]),
        memory_encoder=MemoryEncoder(
            out_dim=mem_dim,
            in_dim=width,
            position_encoding=_sine(mem_dim),
            mask_downsampler=MaskDownSampler(embed_dim=width, kernel_size=3, stride=2, padding=1),
            fuser=Fuser(CXBlock(dim=width, kernel_size=7, padding=3), mem_enc.get("fuser_layers", 2)),
        ),
        image_size=t["image_size"],
        num_maskmem=memory.get("num_maskmem", 7),
        max_obj_ptrs_in_encoder=memory.get("max_obj_ptrs_in_encoder", 16),
        sigmoid_scale_for_mem_enc=20.0,
        sigmoid_bias_for_mem_enc=-10.0,
        use_mask_input_as_output_without_sam=True,
        directly_add_no_mem_embed=True,
        use_high_res_features_in_sam=True,
        multimask_output_in_sam=True,
        iou_prediction_use_sigmoid=True,
        use_obj_ptrs_in_encoder=True,
        only_obj_ptrs_in_the_past_for_eval=True,
        pred_obj_scores=True,
        pred_obj_scores_mlp=True,
        fixed_no_obj_ptr=True,
        multimask_output_for_tracking=True,
        use_multimask_token_for_obj_ptr=True,
        multimask_min_pt_num=0,
        multimask_max_pt_num=1,
        use_mlp_for_obj_ptr_proj=True,
        no_obj_embed_spatial=version.get("no_obj_embed_spatial", True),
        add_tpos_enc_to_obj_ptrs=version.get("add_tpos_enc_to_obj_ptrs", True),
        proj_tpos_enc_in_obj_ptrs=version.get("proj_tpos_enc_in_obj_ptrs", True),
        use_signed_tpos_enc_to_obj_ptrs=version.get("use_signed_tpos_enc_to_obj_ptrs", True),
        sam_mask_decoder_extra_args=STABILITY,
        binarize_mask_from_pts_for_mem_enc=True,
        fill_hole_area=0,
    )
    return SAM2VideoPredictor(**(arguments | options)).eval()


def load_weights(model, checkpoint):
    """Loads a `.pt` or `.safetensors`; every tensor must be there and none may be left over."""
    if str(checkpoint).endswith(".safetensors"):
        tensors = load_file(checkpoint)
    else:
        tensors = torch.load(checkpoint, map_location="cpu", weights_only=True)["model"]
    model.load_state_dict(tensors, strict=True)


def _sine(channels):
    return PositionEmbeddingSine(num_pos_feats=channels, normalize=True, scale=None, temperature=10000)
