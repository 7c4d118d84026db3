//! What a model of the SAM 2 family looks like: the eight published ones, and any other described by a TOML file that
//! lies next to its weights. What the reference fixes in code (decoder depth, kernel sizes) is fixed in ours as well.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::Sam2Error;

/// A model's dimensions and switches. Field names are the reference's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Shown to the user.
    pub name: String,
    /// Side of the square input in pixels; a multiple of 32.
    pub image_size: usize,
    /// Backbone and neck.
    pub image_encoder: ImageEncoderConfig,
    /// The transformer that mixes memories into a frame.
    pub memory_attention: MemoryAttentionConfig,
    /// What makes a memory of a frame and its mask.
    pub memory_encoder: MemoryEncoderConfig,
    /// How much is remembered.
    #[serde(default)]
    pub memory: MemoryConfig,
    /// What differs between SAM 2 and SAM 2.1.
    #[serde(default)]
    pub version: VersionConfig,
}

/// Hiera and its feature pyramid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageEncoderConfig {
    /// Channels of the first stage; each later stage doubles them.
    pub embed_dim: usize,
    /// Heads of the first stage; each later stage doubles them.
    pub num_heads: usize,
    /// Blocks per stage.
    pub stages: [usize; 4],
    /// Blocks that attend over the whole map.
    pub global_att_blocks: Vec<usize>,
    /// Side of a window per stage.
    pub window_spec: [usize; 4],
    /// Size of the learnt background position embedding.
    pub window_pos_embed_bkg_spatial_size: [usize; 2],
    /// How many stage changes pool their queries.
    #[serde(default = "three")]
    pub q_pool: usize,
    /// Channels of the pyramid: the width of everything after the backbone.
    pub d_model: usize,
    /// Pyramid levels (0 is the finest) that receive the coarser one.
    pub fpn_top_down_levels: Vec<usize>,
}

/// Memory attention.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryAttentionConfig {
    /// Layers.
    pub num_layers: usize,
    /// Hidden width of each layer's MLP.
    pub dim_feedforward: usize,
}

/// Memory encoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryEncoderConfig {
    /// Channels of a memory.
    pub out_dim: usize,
    /// ConvNeXt blocks that fuse picture and mask.
    #[serde(default = "two")]
    pub fuser_layers: usize,
}

/// How much is remembered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MemoryConfig {
    /// Memories a frame attends to besides further prompted frames: one prompted and `num_maskmem - 1` previous ones.
    pub num_maskmem: usize,
    /// Object pointers a frame attends to.
    pub max_obj_ptrs_in_encoder: usize,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        MemoryConfig { num_maskmem: 7, max_obj_ptrs_in_encoder: 16 }
    }
}

/// What differs between SAM 2 and SAM 2.1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VersionConfig {
    /// Memories of frames without the object carry a learnt mark.
    pub no_obj_embed_spatial: bool,
    /// The time of a pointer goes through its own projection.
    pub proj_tpos_enc_in_obj_ptrs: bool,
    /// Pointers carry their time.
    pub add_tpos_enc_to_obj_ptrs: bool,
    /// That time has a sign.
    pub use_signed_tpos_enc_to_obj_ptrs: bool,
}

impl Default for VersionConfig {
    fn default() -> Self {
        VersionConfig {
            no_obj_embed_spatial: true,
            proj_tpos_enc_in_obj_ptrs: true,
            add_tpos_enc_to_obj_ptrs: true,
            use_signed_tpos_enc_to_obj_ptrs: true,
        }
    }
}

fn two() -> usize {
    2
}

fn three() -> usize {
    3
}

/// Name, first width, first heads, blocks per stage, whole-map blocks, windows, background embedding side.
type Published = (&'static str, usize, usize, [usize; 4], [usize; 3], [usize; 4], usize);

const PUBLISHED: [Published; 4] = [
    ("tiny", 96, 1, [1, 2, 7, 2], [5, 7, 9], [8, 4, 14, 7], 7),
    ("small", 96, 1, [1, 2, 11, 2], [7, 10, 13], [8, 4, 14, 7], 7),
    ("base_plus", 112, 2, [2, 3, 16, 3], [12, 16, 20], [8, 4, 14, 7], 14),
    ("large", 144, 2, [2, 6, 36, 4], [23, 33, 43], [8, 4, 16, 8], 7),
];

/// Most numbers a map of the first stage or of the features may have (half a GiB of them); the large model's has 9 million.
const MAX_TABLE: usize = 1 << 27;

/// Stride of the map the decoder and the memories work on.
pub const BACKBONE_STRIDE: usize = 16;

impl ModelConfig {
    /// The eight published models: `sam2.1_hiera_*` and `sam2_hiera_*`.
    pub fn published() -> Vec<ModelConfig> {
        let mut all = Vec::new();
        for (prefix, version) in [
            ("sam2.1_hiera", VersionConfig::default()),
            (
                "sam2_hiera",
                VersionConfig {
                    no_obj_embed_spatial: false,
                    proj_tpos_enc_in_obj_ptrs: false,
                    add_tpos_enc_to_obj_ptrs: false,
                    use_signed_tpos_enc_to_obj_ptrs: false,
                },
            ),
        ] {
            for (size, embed_dim, num_heads, stages, global_att_blocks, window_spec, background) in PUBLISHED {
                all.push(ModelConfig {
                    name: format!("{prefix}_{size}"),
                    image_size: 1024,
                    image_encoder: ImageEncoderConfig {
                        embed_dim,
                        num_heads,
                        stages,
                        global_att_blocks: global_att_blocks.to_vec(),
                        window_spec,
                        window_pos_embed_bkg_spatial_size: [background, background],
                        q_pool: 3,
                        d_model: 256,
                        fpn_top_down_levels: vec![2, 3],
                    },
                    memory_attention: MemoryAttentionConfig { num_layers: 4, dim_feedforward: 2048 },
                    memory_encoder: MemoryEncoderConfig { out_dim: 64, fuser_layers: 2 },
                    memory: MemoryConfig::default(),
                    version: version.clone(),
                });
            }
        }
        all
    }

    /// Reads the text of a model's description; `path` is what messages call it.
    ///
    /// # Errors
    /// When it does not follow the schema, or describes a model that cannot exist.
    pub fn parse(path: &Path, text: &str) -> Result<ModelConfig, Sam2Error> {
        let config: ModelConfig = toml::from_str(text)
            .map_err(|source| Sam2Error::BadConfig { path: path.to_owned(), reason: source.to_string() })?;
        config.check().map_err(|reason| Sam2Error::BadConfig { path: path.to_owned(), reason })?;
        Ok(config)
    }

    /// The same model at another input size (a draft mode: position tables are rebuilt).
    ///
    /// # Errors
    /// When the size does not fit the model.
    pub fn at_image_size(&self, image_size: usize) -> Result<ModelConfig, Sam2Error> {
        let config = ModelConfig { image_size, ..self.clone() };
        config.check().map_err(|reason| Sam2Error::BadImageSize { image_size, reason })?;
        Ok(config)
    }

    /// What the arithmetic relies on, checked once here so that nothing below has to.
    fn check(&self) -> Result<(), String> {
        let encoder = &self.image_encoder;
        let within = |name: &str, value: usize, low: usize, high: usize| {
            if (low..=high).contains(&value) {
                Ok(())
            } else {
                Err(format!("{name} = {value} is not in {low}..={high}"))
            }
        };
        within("image_size", self.image_size, 64, 4096)?;
        within("embed_dim", encoder.embed_dim, 1, 4096)?;
        within("num_heads", encoder.num_heads, 1, 64)?;
        within("d_model", encoder.d_model, 8, 4096)?;
        within("q_pool", encoder.q_pool, 3, 3)?;
        within("num_layers", self.memory_attention.num_layers, 1, 64)?;
        within("dim_feedforward", self.memory_attention.dim_feedforward, 1, 65_536)?;
        within("out_dim", self.memory_encoder.out_dim, 4, encoder.d_model)?;
        within("fuser_layers", self.memory_encoder.fuser_layers, 1, 16)?;
        within("num_maskmem", self.memory.num_maskmem, 1, 64)?;
        within("max_obj_ptrs_in_encoder", self.memory.max_obj_ptrs_in_encoder, 2, 256)?;
        for blocks in encoder.stages {
            within("blocks in a stage", blocks, 1, 128)?;
        }
        for window in encoder.window_spec {
            within("window_spec", window, 2, 256)?;
        }
        for side in encoder.window_pos_embed_bkg_spatial_size {
            within("window_pos_embed_bkg_spatial_size", side, 1, 256)?;
        }
        let depth: usize = encoder.stages.iter().sum();
        if let Some(block) = encoder.global_att_blocks.iter().find(|b| **b >= depth) {
            return Err(format!("global_att_blocks names block {block}, the model has {depth}"));
        }
        if let Some(level) = encoder.fpn_top_down_levels.iter().find(|l| **l > 3) {
            return Err(format!("fpn_top_down_levels names level {level}, there are levels 0 to 3"));
        }
        let multiple = |name: &str, value: usize, of: usize| {
            if value.is_multiple_of(of) { Ok(()) } else { Err(format!("{name} = {value} is not a multiple of {of}")) }
        };
        // Tables of positions are made of this many numbers before a picture is seen.
        for (name, side, channels) in
            [("embed_dim", self.image_size / 4, encoder.embed_dim), ("d_model", self.feature_side(), encoder.d_model)]
        {
            let numbers = side * side * channels;
            if numbers > MAX_TABLE {
                let sizes = format!("image_size = {} with {name} = {channels}", self.image_size);
                return Err(format!("{sizes} makes a map of {numbers} numbers, at most {MAX_TABLE} are taken"));
            }
        }
        multiple("image_size", self.image_size, 32)?;
        multiple("image_size / 4", self.image_size / 4, encoder.window_spec[0])?;
        multiple("embed_dim", encoder.embed_dim, encoder.num_heads)?;
        multiple("d_model", encoder.d_model, 16)?;
        multiple("d_model", encoder.d_model, self.memory_encoder.out_dim)?;
        multiple("out_dim", self.memory_encoder.out_dim, 4)?;
        // A stage's first block pools windows of the stage before.
        for window in &encoder.window_spec[..3] {
            multiple("a window before a stage change", *window, 2)?;
        }
        if self.version.add_tpos_enc_to_obj_ptrs
            && !self.version.proj_tpos_enc_in_obj_ptrs
            && self.memory_encoder.out_dim != encoder.d_model
        {
            // The reference takes the pointer's time in the memory's own width then.
            multiple("out_dim", self.memory_encoder.out_dim, 2)?;
        }
        Ok(())
    }

    /// Side of the map the decoder and the memories work on.
    pub fn feature_side(&self) -> usize {
        self.image_size / BACKBONE_STRIDE
    }

    /// Side of the mask logits the decoder returns.
    pub fn low_res_side(&self) -> usize {
        self.feature_side() * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_models_are_sound_and_survive_toml() {
        for config in ModelConfig::published() {
            config.check().expect("published models are sound");
            let text = toml::to_string(&config).expect("a config is plain data");
            assert_eq!(toml::from_str::<ModelConfig>(&text).expect("own output"), config);
            for image_size in [512, 768, 1024] {
                assert_eq!(config.at_image_size(image_size).expect("supported").feature_side(), image_size / 16);
            }
        }
    }

    #[test]
    fn impossible_models_are_refused() {
        let good = ModelConfig::published().remove(0);
        type Spoil = fn(&mut ModelConfig);
        let cases: [(&str, Spoil); 7] = [
            ("not a multiple of 32", |c| c.image_size = 1000),
            ("window 7 does not tile the first map", |c| c.image_encoder.window_spec[0] = 6),
            ("a block that does not exist", |c| c.image_encoder.global_att_blocks.push(99)),
            ("memories wider than the model", |c| c.memory_encoder.out_dim = 512),
            ("no memory", |c| c.memory.num_maskmem = 0),
            ("a first map of 17 GB", |c| (c.image_size, c.image_encoder.embed_dim) = (4096, 4096)),
            ("features of 1 GB", |c| (c.image_size, c.image_encoder.d_model) = (4096, 4096)),
        ];
        for (name, spoil) in cases {
            let mut config = good.clone();
            spoil(&mut config);
            assert!(config.check().is_err(), "{name}");
        }
    }
}
