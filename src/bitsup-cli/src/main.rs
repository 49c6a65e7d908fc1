//! The program `bitsup`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

/// What this process frees is overwritten: passwords go through memory of libraries that do not do so.
#[global_allocator]
static MEMORY: bitsup::Wiping = bitsup::Wiping;

fn main() -> ExitCode {
    ExitCode::from(bitsup_cli::main_with(std::env::args_os()))
}
