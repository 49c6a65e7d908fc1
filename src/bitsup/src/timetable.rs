//! A rate limit that follows the hours of the day.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::Error;

/// Seconds of a day.
const DAY: u32 = 24 * 3600;
/// More are not needed, and each change of hour looks at all.
const MOST_SPANS: usize = 48;

/// Rates by the local time of day, as `08:00-18:00=1M 18:00-08:00=off`.
///
/// Spans are separated by blanks or commas and may go over midnight; they must not overlap. A rate is bytes a
/// second, with K, M, G or T behind it for powers of 1024; `off` is no limit. Hours that no span
/// names have none either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateTimetable {
    /// Begin, end (not included, greater) in seconds of the day, rate.
    spans: Vec<(u32, u32, Option<u64>)>,
    text: String,
}

impl RateTimetable {
    /// The limit at `second` seconds after midnight, local time.
    #[must_use]
    pub fn rate_at(&self, second: u32) -> Option<u64> {
        let span = self.spans.iter().find(|(begin, end, _)| (*begin..*end).contains(&second));
        span.and_then(|(_, _, rate)| *rate)
    }

    /// How many seconds after `second` the next span begins or ends; at most a day.
    pub(crate) fn until_change(&self, second: u32) -> u32 {
        let edges = self.spans.iter().flat_map(|(begin, end, _)| [*begin, *end]);
        let ahead = edges.map(|edge| (edge + DAY - second % DAY - 1) % DAY + 1);
        ahead.min().unwrap_or(DAY)
    }
}

impl FromStr for RateTimetable {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut spans = Vec::new();
        let mut named: Vec<(u32, u32, &str)> = Vec::new();
        for entry in text.split([' ', '\t', ',']).filter(|entry| !entry.is_empty()) {
            let refuse = |what: &str| Error::invalid(format!("{}: {what}", entry.escape_debug()));
            let (times, rate) = entry
                .split_once('=')
                .ok_or_else(|| refuse("a span is written 08:00-18:00=1M, or =off"))?;
            let (begin, end) =
                times.split_once('-').ok_or_else(|| refuse("a span is written 08:00-18:00=1M"))?;
            let begin = second_of_day(begin).map_err(refuse)?;
            let end = second_of_day(end).map_err(refuse)?;
            if begin % DAY == end {
                return Err(refuse("it ends when it begins: 00:00-24:00 is the whole day"));
            }
            let rate = bytes(rate).map_err(refuse)?;
            let parts = if begin < end { [(begin, end), (0, 0)] } else { [(begin, DAY), (0, end)] };
            for (begin, end) in parts.into_iter().filter(|(begin, end)| begin < end) {
                let overlaps = |(from, to, _): &&(u32, u32, &str)| begin < *to && *from < end;
                if let Some((_, _, other)) = named.iter().find(overlaps) {
                    return Err(refuse(&format!("it overlaps with {}", other.escape_debug())));
                }
                named.push((begin, end, entry));
                spans.push((begin, end, rate));
            }
            if spans.len() > MOST_SPANS {
                return Err(refuse("a timetable has at most 48 spans"));
            }
        }
        if spans.is_empty() {
            return Err(Error::invalid("the timetable is empty: write 08:00-18:00=1M"));
        }
        Ok(Self { spans, text: text.to_owned() })
    }
}

impl fmt::Display for RateTimetable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn second_of_day(text: &str) -> Result<u32, &'static str> {
    const WRONG: &str = "a time is written HH:MM, from 00:00 to 24:00";
    let (hour, minute) = text.split_once(':').ok_or(WRONG)?;
    let number = |text: &str, most: u32| {
        let digits = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|number: &u32| digits && *number <= most).ok_or(WRONG)
    };
    let (hour, minute) = (number(hour, 24)?, number(minute, 59)?);
    if hour == 24 && minute > 0 {
        return Err(WRONG);
    }
    Ok(hour * 3600 + minute * 60)
}

fn bytes(text: &str) -> Result<Option<u64>, &'static str> {
    const WRONG: &str =
        "a rate is a whole number of bytes a second, with K, M, G or T behind it, or off";
    if text == "off" {
        return Ok(None);
    }
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let shift = match unit {
        "" => 0,
        "K" | "k" => 10,
        "M" | "m" => 20,
        "G" | "g" => 30,
        "T" | "t" => 40,
        _ => return Err(WRONG),
    };
    let number: u64 = number.parse().map_err(|_| WRONG)?;
    match number.checked_mul(1 << shift) {
        Some(0) => Err("a rate of 0 never ends: write off for no limit"),
        Some(rate) => Ok(Some(rate)),
        None => Err("that is more than any network has"),
    }
}

/// Seconds of the local day, and what is left of the running second in nanoseconds.
pub(crate) fn local_second() -> (u32, u32) {
    second_of(SystemTime::now())
}

fn second_of(time: SystemTime) -> (u32, u32) {
    use chrono::Timelike;
    // `chrono::Local::now` panics before 1970, and a conversion where years have six digits.
    let second = |since: Duration| i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    let (seconds, nanos) = match time.duration_since(UNIX_EPOCH) {
        Ok(since) => (second(since), since.subsec_nanos()),
        Err(before) => (-second(before.duration()), 0),
    };
    let now = chrono::DateTime::from_timestamp(seconds, nanos).unwrap_or_default();
    let now = now.with_timezone(&chrono::Local);
    let left = 1_000_000_000_u32.saturating_sub(now.nanosecond()).max(1);
    (now.num_seconds_from_midnight(), left)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u32 = 3600;

    #[test]
    fn any_clock_has_a_second_of_the_day() {
        let _rule = bitsup_server::rule!("PRC-03");
        let century = Duration::from_hours(24 * 36_525);
        for time in [
            UNIX_EPOCH - century,
            UNIX_EPOCH - Duration::from_millis(1),
            UNIX_EPOCH,
            UNIX_EPOCH + century * 2,
            UNIX_EPOCH + century * 5000,
        ] {
            let (second, left) = second_of(time);
            assert!(second < 24 * HOUR && (1..=1_000_000_000).contains(&left), "{time:?}");
        }
    }

    fn table(text: &str) -> RateTimetable {
        text.parse().expect(text)
    }

    #[test]
    fn each_hour_has_its_rate() {
        let day = table("08:00-18:00=1M 18:00-08:00=off");
        for (hour, rate) in [(0, None), (8, Some(1 << 20)), (17, Some(1 << 20)), (18, None)] {
            assert_eq!(day.rate_at(hour * HOUR), rate, "{hour}");
        }
        assert_eq!(day.rate_at(8 * HOUR - 1), None);
        let night = table("22:30-6:15=500K,12:00-13:00=7");
        for (second, rate) in [
            (22 * HOUR + 1800, Some(500 << 10)),
            (DAY - 1, Some(500 << 10)),
            (0, Some(500 << 10)),
            (6 * HOUR + 900, None),
            (12 * HOUR, Some(7)),
            (13 * HOUR, None),
        ] {
            assert_eq!(night.rate_at(second), rate, "{second}");
        }
        assert_eq!(table("00:00-24:00=1G").rate_at(DAY - 1), Some(1 << 30));
    }

    #[test]
    fn the_next_change_is_known() {
        let day = table("08:00-18:00=1M");
        assert_eq!(day.until_change(8 * HOUR - 1), 1);
        assert_eq!(day.until_change(8 * HOUR), 10 * HOUR);
        assert_eq!(day.until_change(23 * HOUR), 9 * HOUR);
        assert_eq!(table("00:00-24:00=1").until_change(0), DAY);
    }

    #[test]
    fn a_mistake_is_named_with_its_place() {
        for (text, word) in [
            ("", "empty"),
            ("1M", "08:00-18:00=1M"),
            ("08:00=1M", "08:00-18:00=1M"),
            ("8-18=1M", "HH:MM"),
            ("08:60-18:00=1M", "HH:MM"),
            ("08:00-24:01=1M", "HH:MM"),
            ("25:00-26:00=1M", "HH:MM"),
            ("+8:00-9:00=1M", "HH:MM"),
            ("08:00-08:00=1M", "whole day"),
            ("24:00-00:00=1M", "whole day"),
            ("08:00-18:00=fast", "K, M, G or T"),
            ("08:00-18:00=", "K, M, G or T"),
            ("08:00-18:00=1.5M", "K, M, G or T"),
            ("08:00-18:00=0", "off"),
            ("08:00-18:00=99999999T", "network"),
            ("08:00-18:00=1M 17:00-19:00=2M", "overlaps with 08:00-18:00=1M"),
            ("22:00-06:00=1M 05:59-07:00=2M", "overlaps with 22:00-06:00=1M"),
        ] {
            let error = text.parse::<RateTimetable>().expect_err(text).to_string();
            assert!(error.contains(word), "{text}: {error}");
            assert!(!error.contains('\n'));
        }
    }
}
