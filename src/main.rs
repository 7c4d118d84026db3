use clap::Parser;
#[derive(Parser)]
struct P { #[command(flatten)] a: label_hub::cli::parity::ParityArgs }
fn main() -> anyhow::Result<()> { let p = P::parse(); let ok = label_hub::cli::parity::run(&p.a)?; std::process::exit(if ok {0} else {1}) }
