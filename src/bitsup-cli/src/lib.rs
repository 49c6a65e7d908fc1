//! The library part of the tool.
#![forbid(unsafe_code)]
