//! Uploads files with the BITS Upload Protocol.
#![forbid(unsafe_code)]

mod transport;
