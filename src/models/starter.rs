//! The small checkpoint that ships in the program, so that it can be tried without a download.
//!
//! Whoever shows it says [`STARTER_NOTE`]: it does not replace the published models.

use crate::sam2::checkpoint::EmbeddedModel;

/// What `--model` calls it.
pub const STARTER_NAME: &str = "starter";

/// To be said wherever the starter model is shown.
pub const STARTER_NOTE: &str = "for trying the program; it does not replace the published models";

static STARTER: EmbeddedModel = EmbeddedModel {
    name: STARTER_NAME,
    weights: include_bytes!("../../models/starter.safetensors"),
    description: include_str!("../../models/starter.toml"),
};

/// A model of the program itself, by name.
pub fn embedded(name: &str) -> Option<&'static EmbeddedModel> {
    (name == STARTER.name).then_some(&STARTER)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::sam2::Sam2;
    use crate::sam2::checkpoint::{Checkpoint, CheckpointSource};
    use crate::sam2::model::LoadOptions;

    #[test]
    fn the_starter_loads_and_calls_itself_so() {
        let starter = embedded(STARTER_NAME).expect("it ships");
        let checkpoint = Checkpoint::of(&CheckpointSource::Embedded(starter)).expect("sound weights");
        let model = Sam2::from_checkpoint(&checkpoint, &LoadOptions::default(), &Device::Cpu).expect("it loads");
        assert_eq!(model.config().name, STARTER_NAME);
        assert!(starter.weights.len() < 16 << 20, "it must stay small");
        assert_eq!(embedded("sam2.1_hiera_tiny"), None);
    }
}
