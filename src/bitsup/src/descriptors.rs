//! Whether the system gives the descriptors that libcurl needs, asked before libcurl is: it fails
//! with words that blame a certificate or the network, or not at all.

use std::io;

use crate::error::Error;

/// Whether there are four: a socket and its twin, a file of certificates or libcurl's own pair
/// to wake it, and one more.
pub(crate) fn check(what: &str) -> Result<(), Error> {
    let pipes = io::pipe().and_then(|first| Ok((first, io::pipe()?)));
    pipes.map(drop).map_err(|error| Error::local(what, &error))
}
