//! Tests of the C library from outside: its header, its symbols, and programs that link it.

mod abi;
mod arguments;
mod build;
mod entry_points;
mod every_function;
mod header;
#[allow(dead_code, reason = "the tests of the tool use more of it")]
#[path = "../../../bitsup-cli/tests/it/common/held.rs"]
mod held;
mod hosts;
mod install;
#[cfg(debug_assertions)]
mod panics;
mod programs;
mod static_library;
mod support;
mod symbols;
