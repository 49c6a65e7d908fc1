//! The tool `bitsup`, as a library, so that other packages can carry the same program.
//!
//! Start with [`main_with`]. One module holds each command (`upload`, `ping`, `serve`, `demo`,
//! `explain`, `completions`); the rest is what they share: options of a connection, values as
//! people type them, signals, and how things are told.
#![forbid(unsafe_code)]

mod batch;
mod cli;
mod completions;
mod connection;
mod demo;
mod doctor;
mod explain;
mod failure;
mod format;
mod inputs;
mod json;
mod login;
mod output;
mod packets;
mod ping;
mod progress_bar;
mod prompt;
mod report;
mod serve;
mod sessions;
mod signals;
mod standard_input;
mod state;
mod table;
mod transfer;
mod upload;
mod values;

use std::ffi::OsString;

/// Runs the tool with these arguments, the first of which is the program's name, and returns
/// its exit code.
///
/// It writes to standard output and standard error, and answers SIGINT, SIGTERM and SIGHUP
/// while a command runs: it is meant to be all that its process does.
pub fn main_with(args: impl Iterator<Item = OsString>) -> u8 {
    let code = match cli::parse(args) {
        Ok(command) => match command.run() {
            Ok(code) => code,
            Err(failure) => {
                failure.tell();
                failure.exit_code()
            }
        },
        Err(error) => {
            // Help and version end here too; standard output may be closed.
            let _ = error.print();
            u8::try_from(error.exit_code()).unwrap_or(2)
        }
    };
    output::exit_code(code)
}
