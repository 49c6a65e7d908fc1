//! The order in which an upload takes its steps: what its state machine says is told and kept before anything of
//! it is begun, and what cannot go out yet is held.

use std::time::Duration;

use bitsup_proto::reply::Get;
use bitsup_proto::session::{Action, Notice, Request, Session};
use bitsup_proto::{ContentRange, Moment, PacketType};

use crate::journal::{News, Watch};
use crate::{Life, Phase};

/// What an upload does next.
#[expect(clippy::large_enum_variant, reason = "it lives for one turn of a loop")]
#[derive(Debug)]
pub enum Step {
    /// Tells what has happened.
    Tell(Notice),
    /// Keeps where it stands, before anything else goes out.
    Keep(News),
    /// Begins an exchange, unless it must wait: then [`Life::hold`].
    Begin(Wish),
    /// Ends the exchange under way, now.
    Abort,
    /// Nothing, until something happens or that time has come.
    Wait(Option<Duration>),
    /// Comes to its end: the state machine is done.
    Finish,
}

/// An exchange that an upload wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// The question whether the destination exists, before the upload.
    Precheck,
    /// A packet.
    Packet(Request),
    /// (A part of) the reply.
    Reply(Get),
    /// The question what the destination holds, after the upload.
    Head,
}

impl Wish {
    /// Whether it waits for the verdict on the login that it would show. The question after the upload is only
    /// evidence, and goes without.
    #[must_use]
    pub fn wants_login(&self) -> bool {
        match self {
            Self::Precheck => true,
            Self::Packet(request) => request.authorize,
            Self::Reply(get) => get.authorize,
            Self::Head => false,
        }
    }

    /// Whether it is Close-Session, which the journal knows of before it goes out (RES-06).
    #[must_use]
    pub fn closes(&self) -> bool {
        matches!(self, Self::Packet(request) if request.packet == PacketType::CloseSession)
    }

    /// Whether it completes the file: it waits until what was sent earlier is known to be the same.
    #[must_use]
    pub fn completes(&self) -> bool {
        let Self::Packet(request) = self else { return false };
        request.packet == PacketType::CloseSession
            || request.range.is_some_and(ContentRange::is_last)
    }
}

/// What an upload remembers between its steps.
#[derive(Debug)]
pub(crate) struct Steps {
    watch: Watch,
    /// What the state machine said last, until all is told and kept.
    action: Option<Action>,
    held: Option<Wish>,
    /// Whether that was held just now.
    was_held: bool,
}

impl Steps {
    /// Those of an upload in the session of this state machine, or a new one.
    pub(crate) fn new(session: &Session) -> Self {
        Self { watch: Watch::new(session), action: None, held: None, was_held: false }
    }
}

impl Life {
    /// Steps 2 and 5 of the driving contract: what to do now, again and again until there is nothing but to wait;
    /// `is_busy`: while an exchange is under way.
    pub fn next(&mut self, session: &mut Session, is_busy: bool, now: Moment) -> Step {
        match self.phase() {
            Phase::Precheck if !is_busy => {
                self.steps.held = Some(Wish::Precheck);
                return self.offer_held(None);
            }
            Phase::Running => {}
            _ => return Step::Wait(None),
        }
        loop {
            // Told first, since whoever hears it may want something else next.
            if let Some(notice) = session.poll_notice() {
                return Step::Tell(notice);
            }
            if let Some(news) = self.news(session) {
                return Step::Keep(news);
            }
            return match self.steps.action.take() {
                None => {
                    self.steps.action = Some(session.poll_action(now));
                    continue;
                }
                Some(Action::Send(request)) => Step::Begin(Wish::Packet(request)),
                Some(Action::GetReply(get)) => Step::Begin(Wish::Reply(get)),
                Some(Action::Head) => Step::Begin(Wish::Head),
                Some(Action::Abort) => {
                    self.steps.held = None;
                    Step::Abort
                }
                Some(Action::Wait(until)) => self.offer_held(Some(until)),
                Some(Action::Idle) => self.offer_held(None),
                Some(Action::Finished) => Step::Finish,
            };
        }
    }

    /// What is to be kept, if anything is. While a kept session is cancelled nothing is: of that the journal
    /// tells until it is over.
    pub fn news(&mut self, session: &mut Session) -> Option<News> {
        if self.cancels_first() { None } else { self.steps.watch.news(session) }
    }

    /// It must not go out now; it is offered again when something has happened.
    pub fn hold(&mut self, wish: Wish) {
        self.steps.held = Some(wish);
        self.steps.was_held = true;
    }

    /// Whether something is held.
    #[must_use]
    pub fn is_holding(&self) -> bool {
        self.steps.held.is_some()
    }

    /// Offers what is held, since the state machine has not called it back; in a pause only what cancels a kept
    /// session, which the pause is not about.
    fn offer_held(&mut self, until: Option<Duration>) -> Step {
        let was_held = std::mem::take(&mut self.steps.was_held);
        if was_held || (self.is_paused() && !self.cancels_first()) {
            return Step::Wait(until);
        }
        self.steps.held.take().map_or(Step::Wait(until), Step::Begin)
    }
}

#[cfg(test)]
mod tests {
    use bitsup_proto::session::{CancelMode, Exchange};
    use bitsup_proto::{Ack, Config};

    use super::*;
    use crate::{Hosts, Logins, TaskId};

    const NOW: Moment = Moment { monotonic: Duration::ZERO, unix: 0, random: 0 };

    struct Upload {
        hosts: Hosts,
        session: Session,
        life: Life,
    }

    impl Upload {
        fn new(asks: bool) -> Self {
            let mut hosts = Hosts::new(1, 1);
            let session = Session::new(Config { size: 10, ..Config::default() });
            let life = Life::begin(TaskId(1), "h".into(), (asks, None), &session, &mut hosts);
            Self { hosts, session, life }
        }

        fn next(&mut self) -> Step {
            self.life.next(&mut self.session, false, NOW)
        }

        /// What the next step begins.
        fn begun(&mut self) -> Wish {
            match self.next() {
                Step::Begin(wish) => wish,
                other => panic!("{other:?}"),
            }
        }

        fn suspend(&mut self) {
            let mut logins = Logins::<u32>::default();
            self.life.suspend(&mut self.session, &mut self.hosts, (&mut logins, false), NOW);
        }
    }

    #[test]
    fn all_is_told_and_kept_before_the_next_packet_goes_out() {
        let mut upload = Upload::new(false);
        upload.begun();
        let headers = [("BITS-Packet-Type", "Ack"), ("BITS-Session-Id", "{one}")];
        let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
        let created = Ack::parse(200, headers);
        let taken = upload.session.handle_ack(NOW, &created, None, None, Exchange::default());
        taken.expect("under way");
        assert!(matches!(upload.next(), Step::Tell(Notice::SessionCreated)));
        let Step::Keep(news) = upload.next() else { panic!("it is not kept") };
        assert!(news.created.is_some());
        let Wish::Packet(request) = upload.begun() else { panic!("no packet") };
        assert_eq!(request.packet, PacketType::Fragment);
        assert!(matches!(upload.next(), Step::Wait(None)));
    }

    #[test]
    fn what_is_held_is_offered_once_a_round_and_not_in_a_pause() {
        for asks in [false, true] {
            let mut upload = Upload::new(asks);
            let wish = upload.begun();
            assert_eq!(matches!(wish, Wish::Precheck), asks);
            for _ in 0..2 {
                upload.life.hold(wish.clone());
                assert!(matches!(upload.next(), Step::Wait(None)));
                assert_eq!(upload.begun(), wish);
            }
            upload.life.hold(wish.clone());
            upload.suspend();
            for _ in 0..3 {
                assert!(matches!(upload.next(), Step::Wait(None)));
            }
            upload.life.resume(&mut upload.session, &mut upload.hosts, NOW);
            assert_eq!(upload.begun(), wish);
        }
    }

    #[test]
    fn what_is_held_is_given_up_with_the_upload() {
        let mut upload = Upload::new(false);
        let wish = upload.begun();
        upload.life.hold(wish);
        assert!(upload.life.is_holding());
        upload.session.cancel(NOW, CancelMode::Keep).expect("it runs");
        assert!(matches!(upload.next(), Step::Keep(_)));
        assert!(matches!(upload.next(), Step::Abort));
        assert!(!upload.life.is_holding() && matches!(upload.next(), Step::Finish));
    }
}
