//! No library is known for this system.

use crate::{Error, ErrorKind};

pub(crate) enum Context {}

pub(crate) fn is_available() -> bool {
    false
}

impl Context {
    pub(crate) fn new(_: &str, _: Option<Vec<u8>>) -> Result<Self, Error> {
        let message = "Kerberos tickets cannot be used on this system".to_owned();
        Err(Error { kind: ErrorKind::Unavailable, message })
    }

    pub(crate) fn step(&mut self, _: &[u8]) -> Result<Vec<u8>, Error> {
        match *self {}
    }
}
