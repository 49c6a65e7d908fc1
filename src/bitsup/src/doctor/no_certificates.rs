//! In the place of `certificates.rs` in a build without the feature `openssl`.

use std::net::SocketAddr;

use super::{Found, skipped};
use crate::options::UploadOptions;

/// Says that they are not looked at.
pub(super) fn examine(_: &str, _: SocketAddr, _: &UploadOptions) -> Found {
    skipped("this build has no feature openssl to look at them")
}
