//! Sizes and times as people type them.

use std::time::Duration;

pub(crate) use bitsup::units::{size, time};

/// A size of at least 1.
pub(crate) fn positive_size(text: &str) -> Result<u64, String> {
    match size(text)? {
        0 => Err("give at least 1".into()),
        bytes => Ok(bytes),
    }
}

/// A time of more than nothing.
pub(crate) fn positive_time(text: &str) -> Result<Duration, String> {
    match time(text)? {
        Duration::ZERO => Err("give more than 0".into()),
        time => Ok(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_no_size_and_no_time() {
        assert!(positive_size("0").is_err());
        assert!(positive_time("0s").is_err());
    }
}
