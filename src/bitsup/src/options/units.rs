//! Sizes and times as people type them.

use std::time::Duration;

/// Bytes: a number, with K, M, G or T for powers of 1024 (also as KiB or KB).
pub fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let unit = unit.to_ascii_uppercase();
    let shift = match unit.trim_end_matches('B').trim_end_matches('I') {
        "" if unit.is_empty() || unit == "B" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => {
            return Err("a size is a number, with K, M, G or T behind it for powers of 1024".into());
        }
    };
    let number: u64 =
        number.parse().map_err(|_| "a size is a whole number, with K, M, G or T behind it")?;
    number.checked_mul(1 << shift).ok_or_else(|| "that is more than any file has".into())
}

/// A time: a number of seconds, or one with s, m, h or d behind it.
pub fn time(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let seconds = match unit {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86400.0,
        _ => return Err("a time is a number, with s, m, h or d behind it".into()),
    };
    let number: f64 =
        number.parse().map_err(|_| "a time is a number, with s, m, h or d behind it")?;
    let time = Duration::try_from_secs_f64(number * seconds).ok();
    // Longer times make clocks overflow, and a century is never needed.
    time.filter(|time| time.as_secs() <= LONGEST)
        .ok_or_else(|| "that is more than a hundred years".into())
}

/// The longest time, in seconds.
pub(super) const LONGEST: u64 = 100 * 366 * 86400;

fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_of_1024() {
        for (text, bytes) in [
            ("0", 0),
            ("5", 5),
            ("5B", 5),
            ("1K", 1024),
            ("1k", 1024),
            ("1KiB", 1024),
            ("28M", 28 << 20),
            ("190GB", 190 << 30),
            ("2T", 2 << 40),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "M", "-1", "1.5M", "1X", "1I", "99999999T", "1 M", "0x10"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_seconds_unless_they_say_otherwise() {
        for (text, seconds) in [
            ("5", 5.0),
            ("0.5", 0.5),
            ("15s", 15.0),
            ("2m", 120.0),
            ("24h", 86400.0),
            ("1d", 86400.0),
            ("500ms", 0.5),
        ] {
            assert_eq!(time(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
        for text in ["", "s", "-5", "5x", "1e9d", "99999999999d", "1.2.3", "nan", "inf"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
