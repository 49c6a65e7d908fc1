//! The ways to choose sizes that are compared.

use std::time::Duration;

use bitsup_proto::fragment_size::{CEILING, Controller, FLOOR, INITIAL, Limits};

use super::link::{Link, Sizing};

/// Always the same size.
#[derive(Debug)]
pub(super) struct Fixed(pub(super) u64);

impl Sizing for Fixed {
    fn answered(&mut self, _: Duration) {}

    fn size(&self) -> u64 {
        self.0
    }

    fn accepted(&mut self, _: u64, _: Duration, _: Duration) {}

    fn lost(&mut self) {}

    fn resumed(&mut self, _: bool) {}
}

/// Doubles until a Fragment takes twenty times what it has to wait for, halves on a cut.
#[derive(Debug)]
pub(super) struct Doubling {
    size: u64,
    ceiling: u64,
}

impl Doubling {
    pub(super) fn new(link: &Link) -> Self {
        Self { size: INITIAL.min(link.ceiling), ceiling: link.ceiling }
    }
}

impl Sizing for Doubling {
    fn answered(&mut self, _: Duration) {}

    fn size(&self) -> u64 {
        self.size
    }

    fn accepted(&mut self, length: u64, sending: Duration, waiting: Duration) {
        let taken = sending + waiting;
        if length >= self.size && taken < waiting * 20 && taken < Duration::from_secs(2) {
            self.size = (self.size * 2).min(self.ceiling);
        }
    }

    fn lost(&mut self) {
        self.size = (self.size / 2).max(FLOOR);
    }

    fn resumed(&mut self, _: bool) {}
}

/// What bitsup does.
#[derive(Debug)]
pub(super) struct Bitsup(Controller);

impl Bitsup {
    pub(super) fn new(link: &Link) -> Self {
        let limits = Limits { ceiling: link.ceiling, ..Limits::default() };
        Self(Controller::new(limits, None))
    }
}

impl Sizing for Bitsup {
    fn answered(&mut self, waiting: Duration) {
        self.0.answered(waiting);
    }

    fn size(&self) -> u64 {
        self.0.size()
    }

    fn accepted(&mut self, length: u64, sending: Duration, waiting: Duration) {
        self.0.accepted(length, sending, waiting);
    }

    fn lost(&mut self) {
        self.0.lost();
    }

    fn resumed(&mut self, kept: bool) {
        self.0.resumed(kept);
    }
}

/// A way to choose sizes, by name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) name: &'static str,
    pub(super) make: fn(&Link) -> Box<dyn Sizing>,
}

/// All of them; bitsup's is the first.
pub(super) const WAYS: [Way; 5] = [
    Way { name: "bitsup", make: |link| Box::new(Bitsup::new(link)) },
    Way { name: "double and halve", make: |link| Box::new(Doubling::new(link)) },
    Way { name: "1 MiB", make: |_| Box::new(Fixed(1 << 20)) },
    Way { name: "10 MiB", make: |_| Box::new(Fixed(10 << 20)) },
    Way { name: "28 MiB", make: |_| Box::new(Fixed(CEILING)) },
];
