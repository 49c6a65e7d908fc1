//! The C library: `bitsup.h` is generated from this crate, and its head states the conventions.
//!
//! One file an object of C. Every entry point is written out, with its whole body in the macro
//! [`boundary`], which keeps panics and unusable handles away from the rest. Only `handle` casts
//! handles, only `text` and `structure` read and write the caller's memory.
//!
//! Doc comments of what is public are C documentation.
#![expect(non_camel_case_types, reason = "types carry their names in C")]
#![expect(unreachable_pub, reason = "C reaches public items by their symbols")]
#![expect(clippy::doc_markdown, reason = "comments of public items are C documentation")]

#[macro_use]
mod boundary;
mod callbacks;
mod client;
mod credential;
mod error;
mod events;
mod failure;
mod faults;
mod handle;
mod journal;
mod life;
mod names;
mod options;
mod place;
mod progress;
mod receipt;
mod report;
mod session;
mod signal;
mod source;
mod status;
mod structure;
mod sync;
mod text;
mod token;
mod upload;
mod version;

// What this library frees is overwritten: passwords go through memory of others that do not do so.
#[global_allocator]
static MEMORY: bitsup::Wiping = bitsup::Wiping;
