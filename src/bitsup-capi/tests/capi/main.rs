//! Tests of the C library from outside: its header, its symbols, and programs that link it.

mod header;
mod support;
