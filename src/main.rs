//! The program's door: hands the command line and the window to `label_hub::cli` and turns its answer into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(feature = "gui")]
    let open_window: Option<label_hub::cli::window::OpenWindow> = Some(label_hub::app::window::run);
    #[cfg(not(feature = "gui"))]
    let open_window = None;
    label_hub::cli::main(std::env::args_os(), open_window)
}
