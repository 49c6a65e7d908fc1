//! The life of an upload on a client: when it has a turn at its host, and what a pause, a cancel and an end do
//! to that turn, to the state machine and to a login that it tries.

use bitsup_proto::Moment;
use bitsup_proto::session::{CancelMode, Session};

use crate::steps::Steps;
use crate::{Hosts, Logins, TaskId};

/// How far an upload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Waits for its turn at the host.
    Queued,
    /// Asks whether the destination exists.
    Precheck,
    /// The state machine runs.
    Running,
    /// The result stands; the journal and the hashes are being finished.
    Finishing,
    /// The result is there.
    Ended,
}

/// What follows when a kept session is cancelled first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The upload, in a new session.
    Start,
    /// Nothing.
    End,
}

/// What a cancel leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelling {
    /// The state machine sees to it, or it is over already.
    UnderWay,
    /// The upload has not begun: it ends now.
    Ends,
    /// It has not begun, and ends when the kept session is cancelled.
    EndsLater,
}

/// An upload among those of its client.
#[derive(Debug)]
pub struct Life {
    id: TaskId,
    host: String,
    phase: Phase,
    /// Whether to ask if the destination exists, before a session is made; not again once that was answered.
    asks: bool,
    /// Whether the caller wants a pause.
    paused: bool,
    /// Whether the turn at the host was given up for a pause.
    aside: bool,
    /// Whether it is in the queue again after a pause.
    returning: bool,
    /// Set while a kept session is cancelled.
    then: Option<Then>,
    pub(crate) steps: Steps,
}

impl Life {
    /// An upload to that host takes a turn, or a place in the queue. With `then`, the state
    /// machine cancels a kept session first.
    #[must_use]
    pub fn begin(
        id: TaskId,
        host: String,
        (asks, then): (bool, Option<Then>),
        session: &Session,
        hosts: &mut Hosts,
    ) -> Self {
        let is_turn = hosts.enter(&host, id);
        let mut life = Self {
            id,
            host,
            phase: Phase::Queued,
            asks,
            paused: false,
            aside: false,
            returning: false,
            then,
            steps: Steps::new(session),
        };
        if is_turn {
            life.start(session);
        }
        life
    }

    /// How far it is.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether the caller wants a pause.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Whether it has had a turn, gave it up for a pause and waits for another.
    #[must_use]
    pub fn is_returning(&self) -> bool {
        self.returning
    }

    /// Whether a kept session is being cancelled, in place of the upload.
    #[must_use]
    pub fn cancels_first(&self) -> bool {
        self.then.is_some()
    }

    /// Whether it has one of the turns at its host.
    #[must_use]
    pub fn has_turn(&self) -> bool {
        matches!(self.phase, Phase::Precheck | Phase::Running) && !self.aside
    }

    /// Whether its result stands.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Finishing | Phase::Ended)
    }

    /// It is this upload's turn. `false`: it waits for none.
    pub fn admit(&mut self, session: &mut Session, hosts: &mut Hosts, now: Moment) -> bool {
        if self.phase != Phase::Queued {
            return false;
        }
        self.returning = false;
        self.start(session);
        if self.paused {
            self.step_aside(hosts);
        } else if !session.state().is_terminal() {
            // Also while the request is under way that the pause let end.
            let _ = session.resume(now);
        }
        true
    }

    /// The question whether the destination exists has an answer, or will get none: the upload
    /// itself tells what is wrong.
    pub fn asked(&mut self) {
        self.asks = false;
        // It may have been paused meanwhile, and wait for another turn.
        if self.phase == Phase::Precheck {
            self.phase = Phase::Running;
        }
    }

    /// The caller wants a pause; `shows_login`: while a login is on its way.
    pub fn suspend<L: Clone + PartialEq>(
        &mut self,
        session: &mut Session,
        hosts: &mut Hosts,
        (logins, shows_login): (&mut Logins<L>, bool),
        now: Moment,
    ) {
        if self.is_over() {
            return;
        }
        self.paused = true;
        // A login that is on its way has its verdict still to come.
        if !shows_login {
            logins.leave(self.id);
        }
        // Refused only where there is nothing to pause, or a kept session is cancelled first.
        if session.suspend(now).is_ok() {
            self.step_aside(hosts);
        }
    }

    /// The pause is over. Who gave the turn up may have to wait for another.
    pub fn resume(&mut self, session: &mut Session, hosts: &mut Hosts, now: Moment) {
        if self.is_over() {
            // A turn that is taken now would never be given back.
            return;
        }
        self.paused = false;
        if std::mem::take(&mut self.aside) && !hosts.enter(&self.host, self.id) {
            self.phase = Phase::Queued;
            self.returning = true;
            return;
        }
        let _ = session.resume(now);
    }

    /// The caller wants no more of it.
    pub fn cancel(
        &mut self,
        mode: CancelMode,
        session: &mut Session,
        hosts: &mut Hosts,
        now: Moment,
    ) -> Cancelling {
        match self.phase {
            Phase::Finishing | Phase::Ended => return Cancelling::UnderWay,
            Phase::Running if mode == CancelMode::Delete && self.aside => {
                self.aside = false;
                hosts.enter_now(&self.host, self.id);
            }
            Phase::Running => {}
            Phase::Queued if mode == CancelMode::Keep && self.returning => {
                hosts.forget(&self.host, self.id);
                self.aside = true;
                self.phase = Phase::Running;
            }
            Phase::Queued if mode == CancelMode::Delete && session.session_id().is_some() => {
                // One packet to delete a session needs no turn.
                hosts.enter_now(&self.host, self.id);
                self.phase = Phase::Running;
            }
            Phase::Queued | Phase::Precheck => return Cancelling::Ends,
        }
        match (self.then, mode) {
            (Some(_), CancelMode::Keep) => return Cancelling::Ends,
            (Some(Then::Start), CancelMode::Delete) => {
                self.then = Some(Then::End);
                return Cancelling::EndsLater;
            }
            (Some(Then::End), CancelMode::Delete) => {}
            (None, mode) => {
                let _ = session.cancel(now, mode);
            }
        }
        Cancelling::UnderWay
    }

    /// Nobody waits for the upload any more. `true`: a kept session is cancelled all the same,
    /// and nothing follows; else the upload itself is to be cancelled.
    pub fn abandon(&mut self) -> bool {
        if self.then.is_some() {
            self.then = Some(Then::End);
        }
        self.then.is_some()
    }

    /// The state machine is done. `true`: with the kept session only, and now comes the upload.
    pub fn goes_on(
        &mut self,
        session: &mut Session,
        hosts: &mut Hosts,
        new: impl FnOnce() -> Session,
        now: Moment,
    ) -> bool {
        if self.then.take() != Some(Then::Start) {
            return false;
        }
        *session = new();
        self.start(session);
        if self.paused {
            let _ = session.suspend(now);
            self.step_aside(hosts);
        }
        true
    }

    /// Gives the session up, since what it holds cannot be proven: it is cancelled, and the upload
    /// begins anew. `false`: it ends already.
    pub fn begin_anew(&mut self, session: &mut Session, now: Moment) -> bool {
        let begins = self.then.is_none() && session.cancel(now, CancelMode::Delete).is_ok();
        if begins {
            self.then = Some(Then::Start);
        }
        begins
    }

    /// The result stands. `false`: it did already.
    pub fn end<L: Clone + PartialEq>(&mut self, hosts: &mut Hosts, logins: &mut Logins<L>) -> bool {
        if self.is_over() {
            return false;
        }
        logins.leave(self.id);
        if self.phase == Phase::Queued {
            hosts.forget(&self.host, self.id);
        } else if !self.aside {
            hosts.leave(&self.host);
        }
        self.phase = Phase::Finishing;
        true
    }

    /// Nothing is left to be done.
    pub fn ended(&mut self) {
        self.phase = Phase::Ended;
    }

    fn start(&mut self, session: &Session) {
        let asks = self.asks && session.session_id().is_none();
        self.phase = if asks { Phase::Precheck } else { Phase::Running };
    }

    /// Gives the turn at the host up: nobody waits for an upload that waits for a person. While a kept
    /// session is cancelled there is something to do, in a pause as well.
    fn step_aside(&mut self, hosts: &mut Hosts) {
        if self.has_turn() && !self.cancels_first() {
            self.aside = true;
            hosts.leave(&self.host);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bitsup_proto::Config;

    use super::*;

    const NOW: Moment = Moment { monotonic: Duration::ZERO, unix: 0, random: 0 };

    /// A host with one turn, which the first of two uploads has.
    fn two() -> (Hosts, Logins<u32>, [(Life, Session); 2]) {
        let mut hosts = Hosts::new(1, usize::MAX);
        let uploads = [1, 2].map(|id| {
            let session = Session::new(Config { size: 10, ..Config::default() });
            let opening = (false, None);
            (Life::begin(TaskId(id), "h".into(), opening, &session, &mut hosts), session)
        });
        (hosts, Logins::default(), uploads)
    }

    #[test]
    fn a_pause_gives_the_turn_to_the_next_and_waits_for_another() {
        let (mut hosts, mut logins, [(mut life, mut session), (mut next, mut other)]) = two();
        assert!(life.has_turn() && next.phase() == Phase::Queued);
        life.suspend(&mut session, &mut hosts, (&mut logins, false), NOW);
        assert_eq!((life.has_turn(), hosts.next_admitted()), (false, Some(TaskId(2))));
        assert!(next.admit(&mut other, &mut hosts, NOW) && next.has_turn());
        life.resume(&mut session, &mut hosts, NOW);
        assert!(life.is_returning() && !life.has_turn());
        assert!(next.end(&mut hosts, &mut logins) && !next.end(&mut hosts, &mut logins));
        assert_eq!(hosts.next_admitted(), Some(TaskId(1)));
    }

    #[test]
    fn a_pause_in_the_question_before_the_upload_gives_the_turn_up() {
        let (mut hosts, mut logins) = (Hosts::new(1, usize::MAX), Logins::<u32>::default());
        let mut session = Session::new(Config { size: 10, ..Config::default() });
        let mut life = Life::begin(TaskId(1), "h".into(), (true, None), &session, &mut hosts);
        assert_eq!(life.phase(), Phase::Precheck);
        life.suspend(&mut session, &mut hosts, (&mut logins, false), NOW);
        assert!(!life.has_turn() && hosts.enter("h", TaskId(2)), "the turn is free");
        // The answer comes while it waits for another turn; then it is not asked again.
        life.resume(&mut session, &mut hosts, NOW);
        life.asked();
        assert_eq!(life.phase(), Phase::Queued);
        hosts.leave("h");
        assert_eq!(hosts.next_admitted(), Some(TaskId(1)));
        assert!(life.admit(&mut session, &mut hosts, NOW));
        assert_eq!(life.phase(), Phase::Running);
    }

    #[test]
    fn a_pause_while_a_kept_session_is_cancelled_gives_the_turn_up_afterwards() {
        let (mut hosts, mut logins) = (Hosts::new(1, usize::MAX), Logins::<u32>::default());
        let config = Config { size: 10, ..Config::default() };
        let kept = r#"{"session_id":"{kept}","created":0,"size":10,"offset":0}"#;
        let kept = serde_json::from_str(kept).expect("a checkpoint");
        let mut session = Session::restore(config.clone(), &kept, NOW);
        session.cancel(NOW, CancelMode::Delete).expect("there is one");
        let opening = (false, Some(Then::Start));
        let mut life = Life::begin(TaskId(1), "h".into(), opening, &session, &mut hosts);
        life.suspend(&mut session, &mut hosts, (&mut logins, false), NOW);
        assert!(life.has_turn() && !hosts.enter("h", TaskId(2)));
        assert!(life.goes_on(&mut session, &mut hosts, || Session::new(config), NOW));
        assert_eq!((life.has_turn(), hosts.next_admitted()), (false, Some(TaskId(2))));
    }

    #[test]
    fn who_is_over_takes_no_turn_any_more() {
        let (mut hosts, mut logins, [(mut life, mut session), (mut next, mut other)]) = two();
        life.suspend(&mut session, &mut hosts, (&mut logins, false), NOW);
        assert!(next.admit(&mut other, &mut hosts, NOW) && next.end(&mut hosts, &mut logins));
        assert!(life.end(&mut hosts, &mut logins));
        life.resume(&mut session, &mut hosts, NOW);
        assert_eq!(life.phase(), Phase::Finishing);
        assert!(hosts.enter("h", TaskId(3)), "the turn is free");
    }
}
