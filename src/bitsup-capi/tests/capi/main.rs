//! Tests of the C library from outside: its header, its symbols, and programs that link it.

mod arguments;
mod entry_points;
mod header;
mod install;
mod mirror;
mod programs;
mod support;
mod symbols;
