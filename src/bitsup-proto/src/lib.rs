//! The BITS Upload Protocol as data.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
