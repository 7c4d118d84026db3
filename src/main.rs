//! The program's door: hands the command line to `label_hub::cli` and turns its answer into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    label_hub::cli::main(std::env::args_os())
}
