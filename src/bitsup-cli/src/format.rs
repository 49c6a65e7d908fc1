//! How sizes, times and paths are told.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

pub(crate) use crate::output::{print, say};

/// `1536` is `1.5 KiB`.
pub(crate) fn size(bytes: u64) -> String {
    let unit = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut at = 0;
    // Rounded up to 1024.0 it would look odd.
    while value >= 1023.95 && at + 1 < unit.len() {
        value /= 1024.0;
        at += 1;
    }
    format!("{value:.1} {}", unit[at])
}

/// The same without `.0`, for sizes that are chosen and not measured.
pub(crate) fn round_size(bytes: u64) -> String {
    size(bytes).replace(".0 ", " ")
}

/// `3.2 s`, `4 min 10 s`, `2 h 5 min`, `3 d 4 h`.
pub(crate) fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        _ if time < Duration::from_secs(1) => format!("{} ms", time.as_millis()),
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86400, seconds / 3600 % 24),
    }
}

/// The time that is left, in whole seconds.
pub(crate) fn time_left(left: Duration) -> String {
    let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    if seconds < 10 { format!("{seconds} s") } else { time(Duration::from_secs(seconds)) }
}

/// Bytes a second over a while.
pub(crate) fn rate(bytes: u64, time: Duration) -> String {
    let rate = bytes as f64 / time.as_secs_f64().max(0.001);
    format!("{}/s", size(rate as u64))
}

/// A number and its noun.
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// The last second that the calendar of RFC 3339 has: the end of the year 9999.
const LATEST: u64 = 253_402_300_799;

/// Now, as in `2026-01-31T12:00:00.123Z`.
pub(crate) fn now() -> String {
    date_of(SystemTime::now())
}

/// A clock that is wrong must not end an upload: a time outside of the calendar is told as its
/// nearest end.
fn date_of(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let since = since.min(Duration::from_secs(LATEST));
    humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + since).to_string()
}

/// Seconds since 1970, as in `2026-01-31T12:00:00Z`.
pub(crate) fn date(seconds: u64) -> String {
    // A time beyond the calendar comes from a journal that was edited by hand.
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.min(LATEST));
    humantime::format_rfc3339_seconds(time).to_string()
}

/// A URL without its query, which may hold a secret.
pub(crate) fn without_query(url: &str) -> String {
    match url.split_once('?') {
        Some((path, _)) => format!("{path}?…"),
        None => url.to_owned(),
    }
}

/// The system's words without the number behind them.
pub(crate) fn io_error(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

/// A name, or a line, as one line that cannot steer a terminal.
pub(crate) fn printable(name: &str) -> String {
    bitsup::text::visible(name).into_owned()
}

/// Options as words of a command line, one each.
#[derive(Debug, Default)]
pub(crate) struct Words(Vec<String>);

impl Words {
    pub(crate) fn text(&mut self, name: &str, value: Option<impl AsRef<str>>) {
        self.0.extend(value.map(|value| format!("{name}={}", value.as_ref())));
    }

    pub(crate) fn flag(&mut self, name: &str, set: bool) {
        self.0.extend(set.then(|| name.to_owned()));
    }

    /// A path, which holds in other folders too.
    pub(crate) fn path(&mut self, name: &str, value: Option<&Path>) {
        if let Some(path) = value {
            self.path_with_prefix(name, "", path);
        }
    }

    pub(crate) fn path_with_prefix(&mut self, name: &str, prefix: &str, path: &Path) {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        self.0.push(format!("{name}={prefix}{}", absolute.display()));
    }

    pub(crate) fn into_inner(self) -> Vec<String> {
        self.0
    }

    /// As one line that a shell reads as these words.
    pub(crate) fn joined(&self) -> String {
        let quoted: Vec<String> = self.0.iter().map(|word| shell_quoted(word)).collect();
        quoted.join(" ")
    }
}

/// A word as a shell would need it.
pub(crate) fn shell_quoted(word: &str) -> String {
    // Only a NUL cannot be quoted, and no argument has one.
    shlex::try_quote(word).map_or_else(|_| String::new(), std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_575, "1.0 MiB"),
            (64 << 20, "64.0 MiB"),
            (u64::MAX, "16777216.0 TiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(round_size(64 << 20), "64 MiB");
    }

    #[test]
    fn times_read_well() {
        for (millis, text) in [
            (40, "40 ms"),
            (3210, "3.2 s"),
            (59_999, "59 s"),
            (250_000, "4 min 10 s"),
            (7_500_000, "2 h 5 min"),
            (273_600_000, "3 d 4 h"),
        ] {
            assert_eq!(time(Duration::from_millis(millis)), text);
        }
        assert_eq!(time_left(Duration::from_millis(1200)), "2 s");
    }

    #[test]
    fn a_clock_that_is_wrong_can_be_told() {
        let _rule = bitsup_server::rule!("PRC-03");
        let epoch = SystemTime::UNIX_EPOCH;
        let century = Duration::from_hours(24 * 36_525);
        for (time, text) in [
            (epoch - century, "1970-01-01T00:00:00.000Z"),
            (epoch - Duration::from_millis(1), "1970-01-01T00:00:00.000Z"),
            (epoch + century * 2, "2170-01-02T00:00:00.000Z"),
            (epoch + century * 200, "9999-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(date_of(time), text);
        }
        assert_eq!(date(u64::MAX), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        let _rule = bitsup_server::rule!("LOG-05");
        assert_eq!(printable("a\u{1b}[2J\nb\u{202e}"), "a\\u{1b}[2J\\u{a}b\\u{202e}");
    }

    #[test]
    fn a_query_is_not_shown() {
        assert_eq!(without_query("https://h/d/?sig=secret"), "https://h/d/?…");
    }
}
