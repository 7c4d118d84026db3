//! The prompts of `track --prompts FILE.json`.

use label_hub::cli::prompt_file::read_prompt_file;

use super::{Target, written};

/// The target.
pub fn target() -> Target {
    Target::new("prompts", true, |folder, input| match read_prompt_file(&written(folder, "prompts.json", input)) {
        Ok(statements) => format!("read {}", "s".repeat(statements.list.len().min(16))),
        Err(error) => error.to_string(),
    })
}
