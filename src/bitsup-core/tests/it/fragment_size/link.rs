//! One link and one upload over it, in virtual time.
//!
//! The model: a Fragment's bytes leave at the link's rate; the system takes the last ones before
//! they are gone, as much as its send buffer holds; the Ack comes a round trip and the server's
//! delay after the last byte. Connections are lost at random moments (a Poisson process), or
//! after a fixed number of bytes of one request, as at a gateway with a limit. Then the client connects
//! anew (a round trip), asks with a small Fragment where to continue, and goes on; the second
//! loss in a row and later ones are waited for as the retry policy has it.

use std::time::Duration;

use bitsup_proto::fragment_size::PROBE;

use crate::simulate::Random;

/// An upload that makes no progress for this number of tries is over.
const MOST_LOSSES_IN_ROW: u32 = 40;

/// A way to a server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    /// Seconds.
    pub(super) round_trip: f64,
    /// Bytes a second.
    pub(super) rate: f64,
    /// Seconds between the last byte's arrival and the Ack.
    pub(super) ack_delay: f64,
    /// Mean seconds between two losses of the connection; infinite for none.
    pub(super) between_cuts: f64,
    /// A connection is lost after this number of bytes of one request.
    pub(super) cut_after: Option<u64>,
    /// Whether the server keeps what arrived of a Fragment that was cut.
    pub(super) keeps: bool,
    /// Bytes that the client's system takes before they are sent.
    pub(super) send_buffer: f64,
    /// The largest Fragment that is allowed.
    pub(super) ceiling: u64,
}

/// What decides about the sizes.
pub(super) trait Sizing {
    /// An empty packet was answered after so long.
    fn answered(&mut self, waiting: Duration);
    fn size(&self) -> u64;
    fn accepted(&mut self, length: u64, sending: Duration, waiting: Duration);
    fn lost(&mut self);
    /// The first answer after a loss: whether the server had kept a part.
    fn resumed(&mut self, kept: bool);
}

/// Uploads `bytes`; the share of the link's capacity that was used, 0 if it did not end.
pub(super) fn efficiency(link: &Link, bytes: u64, sizing: &mut dyn Sizing, seed: u64) -> f64 {
    let mut random = Random::new(seed);
    let (mut time, mut offset, mut in_row) = (0.0, 0, 0);
    let mut cut_at = next_cut(link, time, &mut random);
    let overhead = link.round_trip + link.ack_delay;
    // Create-Session.
    time += 2.0 * link.round_trip;
    sizing.answered(seconds(link.round_trip));
    let mut after_loss = None;
    while offset < bytes {
        let mut length = sizing.size().min(bytes - offset);
        if after_loss.is_some() {
            length = length.min(PROBE);
        }
        let sending = length as f64 / link.rate;
        let too_long = link.cut_after.filter(|most| length > *most);
        let ends = time + sending + overhead;
        let lost_at = too_long.map_or(f64::INFINITY, |most| time + most as f64 / link.rate);
        let lost_at = lost_at.min(if cut_at > time { cut_at } else { time });
        if lost_at < ends {
            if after_loss.is_none() {
                let arrived = (lost_at - time - link.round_trip / 2.0).max(0.0) * link.rate;
                let arrived = if link.keeps { (arrived as u64).min(length) } else { 0 };
                offset += arrived;
                after_loss = Some(arrived > 0);
                in_row = if arrived > 0 { 0 } else { in_row + 1 };
            } else {
                in_row += 1;
            }
            if in_row > MOST_LOSSES_IN_ROW {
                return 0.0;
            }
            time = lost_at + link.round_trip + pause(in_row, &mut random);
            cut_at = next_cut(link, time, &mut random);
            sizing.lost();
            continue;
        }
        time = ends;
        if let Some(kept) = after_loss.take() {
            sizing.resumed(kept);
            if kept {
                // It was answered by where to continue instead.
                continue;
            }
        }
        let buffered = (length as f64).min(link.send_buffer) / link.rate;
        sizing.accepted(length, seconds(sending - buffered), seconds(buffered + overhead));
        offset += length;
        in_row = 0;
    }
    bytes as f64 / link.rate / time
}

/// The first retry after progress is made at once.
fn pause(in_row: u32, random: &mut Random) -> f64 {
    if in_row < 2 {
        return 0.0;
    }
    let most = 2.0_f64.powi(i32::try_from(in_row - 2).unwrap_or(6).min(6)).min(60.0);
    most * random.below(1000) as f64 / 1000.0
}

fn next_cut(link: &Link, from: f64, random: &mut Random) -> f64 {
    if link.between_cuts.is_infinite() {
        return f64::INFINITY;
    }
    let share = (random.below(1 << 52) + 1) as f64 / (1_u64 << 52) as f64;
    from - share.ln() * link.between_cuts
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds.max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fragment_size::sizes::Fixed;

    const LINK: Link = Link {
        round_trip: 0.05,
        rate: 40e6,
        ack_delay: 0.0,
        between_cuts: f64::INFINITY,
        cut_after: None,
        keeps: false,
        send_buffer: 0.0,
        ceiling: 28 << 20,
    };

    #[test]
    fn a_fixed_size_loses_a_round_trip_a_fragment() {
        let size = 28 << 20;
        let each = size as f64 / LINK.rate;
        let got = efficiency(&LINK, 4000 << 20, &mut Fixed(size), 1);
        assert!((got - each / (each + 0.05)).abs() < 0.002, "{got}");
    }

    #[test]
    fn what_a_server_keeps_need_not_be_sent_again() {
        let cut = Link { between_cuts: 3.0, ..LINK };
        let lost = efficiency(&cut, 4000 << 20, &mut Fixed(28 << 20), 1);
        let kept = efficiency(&Link { keeps: true, ..cut }, 4000 << 20, &mut Fixed(28 << 20), 1);
        assert!(lost < 0.88 && kept > lost + 0.05, "{lost} {kept}");
    }

    #[test]
    fn what_is_always_cut_creeps_along_with_the_small_ones_between() {
        let limited = Link { cut_after: Some(1 << 20), ..LINK };
        let got = efficiency(&limited, 8 << 20, &mut Fixed(2 << 20), 1);
        assert!(got > 0.0 && got < 0.01, "{got}");
    }
}
