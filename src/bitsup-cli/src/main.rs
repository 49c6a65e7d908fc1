//! The program `bitsup`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(bitsup_cli::main_with(std::env::args_os()))
}
