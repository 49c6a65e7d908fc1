//! What one seed decides.

use std::sync::Arc;

use bitsup_server::model::{Dice, Faults, Habits, Model};

/// Who uploads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Tool,
    Library,
}

/// An upload and its server.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) by: By,
    pub(crate) source: Arc<[u8]>,
    pub(crate) fragment: Option<u64>,
    /// The words of `--on-lost-ack`, `--verify` and `--if-exists`.
    pub(crate) on_lost_ack: &'static str,
    pub(crate) verify: &'static str,
    pub(crate) if_exists: &'static str,
    /// Whether a reply is asked for, and whether it may be missing.
    pub(crate) reply: Option<bool>,
    pub(crate) login: bool,
    pub(crate) cleartext: bool,
    pub(crate) json: bool,
    /// Whether the same command runs again where it can continue.
    pub(crate) again: bool,
    pub(crate) habits: Habits,
    pub(crate) faults: Faults,
    pub(crate) elsewhere: String,
}

impl Plan {
    pub(crate) fn draw(seed: u64, elsewhere: &str) -> Self {
        let mut dice = Dice::seeded(seed);
        let size = match dice.below(20) {
            0 | 1 => 0,
            2 => 1 + dice.below(3),
            3 => 1_000_000 + dice.below(1_500_000),
            4..=9 => 1 + dice.below(10_000),
            _ => 1 + dice.below(300_000),
        };
        let salt = dice.below(u64::MAX);
        let source: Vec<u8> = (0..size)
            .map(|at| (at.wrapping_add(salt).wrapping_mul(2_654_435_761) >> 11) as u8)
            .collect();
        // A file in more than a hundred parts shows nothing that one in thirty does not.
        let least = (size / 30).max(1);
        let fragment = match dice.below(4) {
            0 => None,
            1 => Some(least + dice.below(size)),
            _ => Some(least.max(1 << (10 + dice.below(6)))),
        };
        let habits = Habits::draw(&mut dice);
        let offers_reply = habits.reply.is_some();
        Self {
            seed,
            by: if seed.is_multiple_of(4) { By::Tool } else { By::Library },
            source: source.into(),
            fragment,
            on_lost_ack: dice
                .pick(&["auto", "auto", "auto", "auto", "auto", "restart", "resend", "accept"]),
            verify: dice.pick(&["auto", "auto", "auto", "auto", "auto", "auto", "always", "never"]),
            if_exists: dice.pick(&["try", "try", "try", "try", "try", "try", "skip", "fail"]),
            // An empty file brings none, and a client that must have one is told so before anything is sent.
            reply: (dice.below(if offers_reply { 2 } else { 20 }) == 0)
                .then(|| dice.below(2) == 0 || size == 0),
            login: habits.login.map_or(dice.below(8) == 0, |_| dice.below(8) > 0),
            cleartext: dice.below(4) > 0,
            json: dice.below(2) == 0,
            again: dice.below(2) == 0,
            faults: Faults::draw(&mut dice),
            habits,
            elsewhere: elsewhere.to_owned(),
        }
    }

    /// The server.
    pub(crate) fn model(&self) -> Model {
        let dice = Dice::seeded(!self.seed);
        let (habits, faults) = (self.habits.clone(), self.faults.clone());
        Model::new(habits, faults, dice, Arc::clone(&self.source), &self.elsewhere)
    }
}
