//! Which model a checkpoint is: described by the TOML next to it, or one of the published ones. Called when a model is
//! loaded; it looks at names and shapes only, never at weights.

use std::path::PathBuf;

use super::super::checkpoint::Checkpoint;
use super::super::config::ModelConfig;
use super::super::error::Sam2Error;

/// The description next to the checkpoint, or the published model whose tensors these are.
pub(super) fn config_of(checkpoint: &Checkpoint) -> Result<ModelConfig, Sam2Error> {
    if let Some((path, text)) = checkpoint.description()? {
        return ModelConfig::parse(&path, &text);
    }
    let shape = |name: &str| checkpoint.tensors().get(name).map(|facts| facts.shape.clone());
    let blocks = (0..).take_while(|i| shape(&format!("image_encoder.trunk.blocks.{i}.norm1.weight")).is_some()).count();
    let embed_dim = shape("image_encoder.trunk.patch_embed.proj.bias").and_then(|s| s.first().copied());
    let is_2_1 = shape("no_obj_embed_spatial").is_some();
    let unlikeness = |config: &ModelConfig| {
        let depth: usize = config.image_encoder.stages.iter().sum();
        (
            Some(config.image_encoder.embed_dim) != embed_dim,
            depth.abs_diff(blocks),
            config.version.no_obj_embed_spatial != is_2_1,
        )
    };
    let closest = ModelConfig::published().into_iter().min_by_key(unlikeness).expect("eight models are published");
    if unlikeness(&closest) == (false, 0, false) {
        return Ok(closest);
    }
    Err(Sam2Error::UnknownModel {
        path: checkpoint.path().to_owned(),
        closest: closest.name.clone(),
        differences: format!(
            "the file has {blocks} backbone blocks of first width {}",
            embed_dim.map_or_else(|| "none".to_owned(), |d| d.to_string())
        ),
        toml: PathBuf::from(
            checkpoint.path().with_extension("toml").file_name().expect("a checkpoint has a file name"),
        ),
    })
}
