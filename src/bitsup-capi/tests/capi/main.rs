//! Tests of the C library from outside: its header, its symbols, and programs that link it.

mod abi;
mod arguments;
mod build;
mod entry_points;
mod every_function;
mod header;
mod install;
mod mirror;
#[cfg(debug_assertions)]
mod panics;
mod programs;
mod support;
mod symbols;
