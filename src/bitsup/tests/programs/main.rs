//! Uploads through real server programs. A program that is not installed skips its tests by name.

#[path = "../common/mod.rs"]
mod common;

mod apache;
mod guide;
mod haproxy;
mod nginx;
mod openssl;
mod socks;
mod squid;
