//! A BITS server with scripted faults.
#![forbid(unsafe_code)]

pub mod rules;
pub mod scripted;
