//! How many threads the model uses.

use anyhow::Context;

/// Readies the process for the model: memory is kept for reuse, and it runs on `threads` threads (all cores when `None`) and says how many that is. Only the first call in a
/// process has a choice.
///
/// # Errors
/// When threads were already started.
pub fn use_threads(threads: Option<usize>) -> anyhow::Result<usize> {
    crate::engine::keep_freed();
    if let Some(threads) = threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("model-{i}"))
            .build_global()
            .context("--threads: the model's threads are already running")?;
    }
    Ok(rayon::current_num_threads())
}
