//! Medians, ratios, and how they are shown.

use std::fmt::{self, Display};
use std::time::Duration;

use serde_json::{Value, json};

use super::measure::Usage;
use crate::Result;

/// A program and what its runs used.
#[derive(Debug)]
pub(super) struct Contender {
    pub(super) name: String,
    pub(super) usages: Vec<Usage>,
    /// Why it did not take part.
    pub(super) skipped: Option<String>,
}

/// The result of one case. The first contender is the one that the others are compared with.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) case: &'static str,
    pub(super) purpose: &'static str,
    pub(super) bytes: u64,
    pub(super) contenders: Vec<Contender>,
}

/// What is measured: a title, a unit, and how it is taken from a run; it is no number where the run has none.
type Quantity = (&'static str, &'static str, fn(&Usage) -> f64);

const QUANTITIES: [Quantity; 6] = [
    ("wall", "s", |usage| usage.wall.as_secs_f64()),
    ("cpu", "s", |usage| usage.cpu.as_secs_f64()),
    ("peak_memory", "MiB", |usage| usage.peak_bytes as f64 / f64::from(1 << 20)),
    ("first_byte", "ms", |usage| seconds(usage.first_byte) * 1000.0),
    ("hash_lag", "s", |usage| seconds(usage.hash_lag)),
    // The upload and the program's end, without its start.
    ("from_first_byte", "s", |usage| usage.wall.as_secs_f64() - seconds(usage.first_byte)),
];

fn seconds(time: Option<Duration>) -> f64 {
    time.map_or(f64::NAN, |time| time.as_secs_f64())
}

impl Contender {
    /// One that has not run yet.
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), usages: Vec::new(), skipped: None }
    }

    fn spread(&self, (_, _, of): &Quantity) -> Spread {
        Spread::of(self.usages.iter().map(of).collect())
    }
}

/// Median, least and greatest of some figures.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spread {
    median: f64,
    min: f64,
    max: f64,
}

impl Spread {
    fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let at = |index: usize| figures.get(index).copied().unwrap_or(f64::NAN);
        let count = figures.len();
        Self {
            median: f64::midpoint(at(count.saturating_sub(1) / 2), at(count / 2)),
            min: at(0),
            max: at(count.saturating_sub(1)),
        }
    }
}

impl Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_figures = |(_, _, of): &&Quantity| {
            let mut usages = self.contenders.iter().flat_map(|contender| &contender.usages);
            usages.any(|usage| !of(usage).is_nan())
        };
        let quantities: Vec<&Quantity> = QUANTITIES.iter().filter(has_figures).collect();
        writeln!(formatter, "{}: {}", self.case, self.purpose)?;
        write!(formatter, "{:<20}", "median (range)")?;
        for (title, unit, _) in &quantities {
            let title = format!("{title} [{unit}]");
            write!(formatter, " {title:>26} {:>6}", "ratio")?;
        }
        writeln!(formatter)?;
        for contender in &self.contenders {
            if let Some(reason) = &contender.skipped {
                writeln!(formatter, "{:<20} skipped: {reason}", contender.name)?;
                continue;
            }
            write!(formatter, "{:<20}", contender.name)?;
            for quantity in &quantities {
                let spread = contender.spread(quantity);
                let figures = format!("{:.3} ({:.3}–{:.3})", spread.median, spread.min, spread.max);
                let ratio = self.ratio(contender, quantity);
                write!(formatter, " {figures:>26} {ratio:>6.2}")?;
            }
            writeln!(formatter)?;
        }
        Ok(())
    }
}

impl Report {
    fn ratio(&self, contender: &Contender, quantity: &Quantity) -> f64 {
        let reference =
            self.contenders.first().map_or(f64::NAN, |first| first.spread(quantity).median);
        contender.spread(quantity).median / reference
    }

    fn json(&self) -> Value {
        let contenders: Vec<Value> = self
            .contenders
            .iter()
            .map(|contender| {
                let mut object = json!({ "name": contender.name, "skipped": contender.skipped });
                for quantity in &QUANTITIES {
                    let spread = contender.spread(quantity);
                    let (title, unit, of) = quantity;
                    object[*title] = json!({
                        "unit": unit,
                        "median": spread.median,
                        "min": spread.min,
                        "max": spread.max,
                        "ratio": self.ratio(contender, quantity),
                        "runs": contender.usages.iter().map(of).collect::<Vec<_>>(),
                    });
                }
                object
            })
            .collect();
        json!({ "case": self.case, "bytes": self.bytes, "contenders": contenders })
    }
}

/// All reports as one JSON text.
pub(super) fn json(reports: &[Report]) -> Result<String> {
    let reports: Vec<Value> = reports.iter().map(Report::json).collect();
    Ok(serde_json::to_string_pretty(&reports)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(wall: u64, cpu: u64, mebibytes: u64) -> Usage {
        Usage {
            wall: Duration::from_secs(wall),
            cpu: Duration::from_secs(cpu),
            peak_bytes: mebibytes << 20,
            first_byte: Some(Duration::from_millis(wall)),
            hash_lag: None,
        }
    }

    fn report() -> Report {
        let mut reference = Contender::new("curl -T");
        reference.usages = vec![usage(4, 1, 10), usage(2, 1, 10), usage(9, 1, 10)];
        let mut ours = Contender::new("bitsup-system");
        ours.usages = vec![usage(6, 3, 5), usage(6, 1, 5), usage(5, 2, 5)];
        Report {
            case: "one-gib",
            purpose: "some bytes",
            bytes: 1 << 30,
            contenders: vec![reference, ours],
        }
    }

    #[test]
    fn a_spread_has_the_middle_and_the_ends() {
        let spread = |figures: &[f64]| Spread::of(figures.to_vec());
        let odd = spread(&[4.0, 2.0, 9.0]);
        assert_eq!(format!("{odd:?}"), "Spread { median: 4.0, min: 2.0, max: 9.0 }");
        let even = spread(&[4.0, 2.0, 9.0, 5.0]);
        assert_eq!(format!("{even:?}"), "Spread { median: 4.5, min: 2.0, max: 9.0 }");
        assert!(spread(&[]).median.is_nan());
    }

    #[test]
    fn the_table_has_medians_and_ratios() {
        let table = report().to_string();
        let ours = table.lines().last().expect("a line a contender");
        let words: Vec<_> = ours.split_whitespace().collect();
        let wanted = "bitsup-system 6.000 (5.000–6.000) 1.50 2.000 (1.000–3.000) 2.00 \
            5.000 (5.000–5.000) 0.50 6.000 (5.000–6.000) 1.50 5.994 (4.995–5.994) 1.50";
        assert_eq!(words.join(" "), wanted);
    }

    #[test]
    fn the_json_has_every_run() {
        let text = json(&[report()]).expect("plain data");
        let value: Value = serde_json::from_str(&text).expect("valid");
        let ours = &value[0]["contenders"][1];
        assert_eq!(ours["name"], "bitsup-system");
        assert_eq!(ours["wall"]["ratio"], 1.5);
        assert_eq!(ours["cpu"]["runs"], json!([3.0, 1.0, 2.0]));
    }
}
