//! Many random links, by kind; how well each way to choose sizes does on them.

use std::fmt::Write as _;

use super::link::{Link, efficiency};
use super::sizes::WAYS;
use crate::simulate::Random;

/// Links of all kinds together.
const LINKS: u64 = 800;

/// How long an upload would take on an ideal link, in seconds, and how large it is at most.
const IDEAL_TIME: f64 = 60.0;
const MOST_BYTES: u64 = 1 << 30;

/// A kind of link.
struct Kind {
    name: &'static str,
    make: fn(&mut Random) -> Link,
}

const KINDS: [Kind; 5] = [
    Kind { name: "no cuts", make: any },
    Kind { name: "slow Acks (0.2 to 2 s)", make: slow_acks },
    Kind { name: "cuts, parts kept", make: |random| Link { keeps: true, ..cuts(random) } },
    Kind { name: "cuts, parts lost", make: cuts },
    Kind { name: "cut at a size", make: limited },
];

/// One table: for each kind the mean share of the link that is used, and the share on the worst twentieth.
pub(super) fn markdown() -> String {
    let mut text = String::from("| links |");
    for way in &WAYS {
        let _ = write!(text, " {} |", way.name);
    }
    text += "\n|---|";
    text += &"---|".repeat(WAYS.len());
    text += "\n";
    for kind in &KINDS {
        let shares = WAYS.map(|_| Vec::new());
        let mut shares: [Vec<f64>; WAYS.len()] = shares;
        for seed in 0..LINKS / KINDS.len() as u64 {
            let mut random = Random::new(seed);
            let link = (kind.make)(&mut random);
            let bytes = ((link.rate * IDEAL_TIME) as u64).min(MOST_BYTES);
            for (way, shares) in WAYS.iter().zip(&mut shares) {
                shares.push(efficiency(&link, bytes, (way.make)(&link).as_mut(), seed));
            }
        }
        let _ = write!(text, "| {} |", kind.name);
        for shares in &mut shares {
            shares.sort_by(f64::total_cmp);
            let mean = shares.iter().sum::<f64>() / shares.len() as f64;
            let worst = shares.get(shares.len() / 20).copied().unwrap_or(f64::NAN);
            let _ = write!(text, " {mean:.3} ({worst:.3}) |");
        }
        text += "\n";
    }
    text
}

fn any(random: &mut Random) -> Link {
    // 0.2 ms to 600 ms, 100 KB/s to 1 GB/s, each order of magnitude as likely.
    let round_trip = logarithmic(random, 0.0002, 0.6);
    let rate = logarithmic(random, 1e5, 1e9);
    Link {
        round_trip,
        rate,
        ack_delay: logarithmic(random, 0.0002, 0.2),
        between_cuts: f64::INFINITY,
        cut_after: None,
        keeps: false,
        // As systems do it: twice what is under way, and not less than 64 KiB.
        send_buffer: (2.0 * rate * round_trip).clamp(65536.0, 4e6),
        ceiling: 28 << 20,
    }
}

fn slow_acks(random: &mut Random) -> Link {
    let ack_delay = logarithmic(random, 0.2, 2.0);
    Link { ack_delay, ..any(random) }
}

fn cuts(random: &mut Random) -> Link {
    let between_cuts = logarithmic(random, 3.0, 300.0);
    Link { between_cuts, ..any(random) }
}

fn limited(random: &mut Random) -> Link {
    let most = logarithmic(random, 65536.0, 16e6) as u64;
    Link { cut_after: Some(most), ..any(random) }
}

fn logarithmic(random: &mut Random, from: f64, to: f64) -> f64 {
    let share = random.below(1 << 30) as f64 / (1_u64 << 30) as f64;
    from * (to / from).powf(share)
}
