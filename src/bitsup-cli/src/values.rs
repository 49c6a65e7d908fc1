//! Sizes and times as people type them.

use std::time::Duration;

use bitsup::RateTimetable;
pub(crate) use bitsup::units::{size, time};

/// A size of at least 1.
pub(crate) fn positive_size(text: &str) -> Result<u64, String> {
    match size(text)? {
        0 => Err("give at least 1".into()),
        bytes => Ok(bytes),
    }
}

/// What `--limit-rate` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rate {
    /// Bytes a second.
    Always(u64),
    /// By the hour.
    ByHour(RateTimetable),
}

/// A size, or a timetable of sizes.
pub(crate) fn rate(text: &str) -> Result<Rate, String> {
    if text.contains(['=', ':']) {
        return text.parse().map(Rate::ByHour).map_err(|error: bitsup::Error| error.to_string());
    }
    positive_size(text).map(Rate::Always)
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
