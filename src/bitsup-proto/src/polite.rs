//! How fast a polite upload sends: as fast as other traffic does not notice.
//!
//! LEDBAT (RFC 6817) with a rate in place of a window, since what can be seen from here is seen once a
//! Fragment. Two signs tell that bytes wait in queues on the way: an Ack comes later than the
//! fastest one did, or the system refuses bytes, so that they fall behind the rate. The rate
//! grows with what is left of the delay that is allowed, the faster the longer nothing stood in the way. It
//! is halved where two Acks in turn are later than that, and at once where bytes are refused.

use core::time::Duration;

/// Bytes a second that are always sent: whatever the delay, an upload comes to its end.
pub const LEAST: u64 = 16 * 1024;
/// Bytes a second to begin with.
const FIRST: u64 = 256 * 1024;
/// No link has more.
const MOST: u64 = 1 << 40;

/// Bytes may wait so long because of us. RFC 6817 allows 100 ms at most; but a sender that slows down when
/// packets are lost, and then fills the queue step by step, gets little where we take all below that.
const TARGET: Duration = Duration::from_millis(15);
/// By what part the rate grows at a free link: first, and after some times at most.
const SLOW: f64 = 0.1;
const FAST: f64 = 1.0;
/// How soon refused bytes count again: what is done about them takes a while to act.
const REACTION: Duration = Duration::from_millis(100);
/// The number of Fragments sent in a second: the Ack of each is a sign.
const FRAGMENTS: u64 = 4;
/// A Fragment is not smaller: each costs a round trip.
const SMALLEST_FRAGMENT: u64 = 16 * 1024;

/// Chooses the rate of one polite upload from the signs of the way. Times are those of any one clock.
#[derive(Clone, Debug)]
pub struct Pace {
    rate: f64,
    /// The part by which it grows next.
    growth: f64,
    base: Base,
    /// The last Ack's delay.
    last: Option<Duration>,
    /// How far what the system took is behind the rate.
    behind: Duration,
    shrunk: Option<Duration>,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            rate: FIRST as f64,
            growth: FAST,
            base: Base::default(),
            last: None,
            behind: Duration::ZERO,
            shrunk: None,
        }
    }
}

impl Pace {
    /// Bytes a second to send at most; never less than [`LEAST`].
    #[must_use]
    pub fn rate(&self) -> u64 {
        self.rate as u64
    }

    /// Bytes for the next Fragment at most, so that its Ack tells soon enough.
    #[must_use]
    pub fn fragment(&self) -> u64 {
        (self.rate() / FRAGMENTS).max(SMALLEST_FRAGMENT)
    }

    /// A Fragment of `length` bytes took `sending` to hand over, and its Ack came `waiting` after that.
    pub fn acknowledged(
        &mut self,
        now: Duration,
        length: u64,
        sending: Duration,
        waiting: Duration,
    ) {
        // One late Ack may be chance.
        let least = self.last.replace(waiting).map_or(waiting, |last| last.min(waiting));
        let queue = least.saturating_sub(self.base.learn(now, waiting));
        if queue > TARGET {
            return self.shrink(now);
        }
        // A source or a limit that gave less has tried nothing out.
        if sending.as_secs_f64() * self.rate > length as f64 * 2.0 {
            return;
        }
        let left = 1.0 - queue.as_secs_f64() / TARGET.as_secs_f64();
        self.rate = (self.rate * (1.0 + self.growth * left)).min(MOST as f64);
        self.growth = (self.growth * 2.0).min(FAST);
    }

    /// The system took `took` to accept `bytes`: nearly nothing on a free link. While TCP finds its window it
    /// may be a round trip.
    pub fn accepted(&mut self, now: Duration, bytes: u64, took: Duration) {
        let Some(round_trip) = self.base.least() else { return };
        let due = Duration::from_secs_f64(bytes as f64 / self.rate);
        self.behind = self.behind.saturating_add(took).saturating_sub(due);
        let reacted = self.shrunk.is_some_and(|at| now.saturating_sub(at) < REACTION);
        if self.behind > TARGET.saturating_add(round_trip) && !reacted {
            self.shrink(now);
        }
    }

    fn shrink(&mut self, now: Duration) {
        self.rate = (self.rate / 2.0).max(LEAST as f64);
        self.growth = SLOW;
        self.behind = Duration::ZERO;
        self.shrunk = Some(now);
    }
}

/// The shortest delays of the last minutes: a way can become longer.
#[derive(Clone, Debug, Default)]
struct Base {
    minute: u64,
    /// The running minute's first.
    least: [Option<Duration>; 10],
}

impl Base {
    /// Takes a delay in; the shortest one.
    fn learn(&mut self, now: Duration, delay: Duration) -> Duration {
        let minute = now.as_secs() / 60;
        let passed = minute.saturating_sub(self.minute).min(self.least.len() as u64);
        for _ in 0..passed {
            self.least.rotate_right(1);
            self.least[0] = None;
        }
        self.minute = self.minute.max(minute);
        self.least[0] = Some(self.least[0].map_or(delay, |least| least.min(delay)));
        self.least().unwrap_or(delay)
    }

    fn least(&self) -> Option<Duration> {
        self.least.iter().flatten().min().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ROUND_TRIP: Duration = Duration::from_millis(30);
    const MEGABYTE: f64 = 1e6;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// Sends Fragments over a link of `link` bytes a second; other traffic keeps `others` waiting in its queue.
    /// Ends at `until`; the bytes sent.
    fn send(
        pace: &mut Pace,
        link: f64,
        others: Duration,
        now: &mut Duration,
        until: Duration,
    ) -> u64 {
        let mut sent = 0;
        while *now < until {
            let length = pace.fragment();
            let sending = length as f64 / (pace.rate() as f64).min(link);
            // Bytes that come faster than the link takes them wait, up to a tenth of a second.
            let own = (length as f64 / link - length as f64 / pace.rate() as f64).clamp(0.0, 0.1);
            let waiting = ROUND_TRIP + others + Duration::from_secs_f64(own);
            *now += Duration::from_secs_f64(sending) + waiting;
            pace.acknowledged(*now, length, Duration::from_secs_f64(sending), waiting);
            sent += length;
        }
        sent
    }

    #[test]
    fn a_free_link_is_used() {
        let (mut pace, mut now) = (Pace::default(), Duration::ZERO);
        send(&mut pace, 5.0 * MEGABYTE, Duration::ZERO, &mut now, ms(10_000));
        let begun = now;
        let sent = send(&mut pace, 5.0 * MEGABYTE, Duration::ZERO, &mut now, ms(60_000));
        let share = sent as f64 / now.saturating_sub(begun).as_secs_f64() / (5.0 * MEGABYTE);
        assert!(share > 0.7, "{share}");
    }

    #[test]
    fn others_go_first_and_the_rest_is_taken_again_when_they_are_gone() {
        let (mut pace, mut now) = (Pace::default(), Duration::ZERO);
        send(&mut pace, 5.0 * MEGABYTE, Duration::ZERO, &mut now, ms(10_000));
        send(&mut pace, 5.0 * MEGABYTE, ms(90), &mut now, ms(30_000));
        assert_eq!(pace.rate(), LEAST);
        let sent = send(&mut pace, 5.0 * MEGABYTE, ms(90), &mut now, ms(60_000));
        assert!((200_000..1_000_000).contains(&sent), "it goes on: {sent}");
        send(&mut pace, 5.0 * MEGABYTE, Duration::ZERO, &mut now, ms(80_000));
        assert!(pace.rate() as f64 > 2.0 * MEGABYTE, "{}", pace.rate());
    }

    #[test]
    fn a_socket_that_takes_bytes_more_slowly_than_they_come_is_a_sign() {
        let mut pace = Pace::default();
        pace.accepted(ms(1), 1, ms(500));
        assert_eq!(pace.rate(), FIRST, "nothing is known of the way yet");
        pace.acknowledged(ms(1000), pace.fragment(), ms(250), ms(30));
        let rate = pace.rate();
        assert_eq!(rate, 2 * FIRST);
        let turn = rate / 50;
        for _ in 0..100 {
            pace.accepted(ms(1000), turn, ms(19));
        }
        pace.accepted(ms(1000), turn, ms(64));
        assert_eq!(pace.rate(), rate, "less than a round trip and the target behind");
        pace.accepted(ms(1000), turn, ms(25));
        assert_eq!(pace.rate(), rate / 2);
        for _ in 0..9 {
            pace.accepted(ms(1099), turn, ms(50));
        }
        assert_eq!(pace.rate(), rate / 2, "the same sign");
        pace.accepted(ms(1100), turn, ms(50));
        assert_eq!(pace.rate(), rate / 4);
    }

    #[test]
    fn what_was_not_used_is_no_reason_for_more() {
        let mut pace = Pace::default();
        for second in 0..100 {
            pace.acknowledged(ms(second * 1000), 1000, ms(900), ROUND_TRIP);
        }
        assert_eq!(pace.rate(), FIRST);
    }

    #[test]
    fn the_way_may_become_longer() {
        let mut pace = Pace::default();
        let mut at = |second: u64, waiting: u64| {
            pace.acknowledged(ms(second * 1000), pace.fragment(), ms(10), ms(waiting));
            pace.rate()
        };
        at(0, 30);
        let before = at(1, 130);
        assert!(before > FIRST, "one late Ack may be chance");
        assert_eq!(at(2, 130), before / 2);
        let last = (1..10).map(|minute| at(minute * 60, 130)).last();
        assert_eq!(last, Some(LEAST));
        assert!(at(661, 130) > LEAST, "ten minutes later it is how the way is");
    }

    proptest! {
        #[test]
        fn whatever_comes_it_goes_on(
            signs in prop::collection::vec((any::<bool>(), any::<u32>(), any::<u32>(), any::<u32>()), 0..200),
        ) {
            let mut pace = Pace::default();
            for (is_ack, now, first, second) in signs {
                let (now, first) = (ms(now.into()), Duration::from_micros(first.into()));
                if is_ack {
                    let second = Duration::from_micros(second.into());
                    pace.acknowledged(now, pace.fragment(), first, second);
                } else {
                    pace.accepted(now, 1000, first);
                }
                prop_assert!((LEAST..=MOST).contains(&pace.rate()));
                prop_assert!(pace.fragment() >= SMALLEST_FRAGMENT);
            }
        }
    }
}
