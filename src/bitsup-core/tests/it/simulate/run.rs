//! One upload from its beginning to its end, in virtual time: the driver of the state machine, as the
//! client's engine is one, among a caller, a disk, a network and a server that are all simulated.

use std::collections::VecDeque;
use std::time::Duration;

use bitsup_core::journal::Proof;
use bitsup_core::{ClientState, Ending, Hosts, Opening, Parallelism, Step, TaskId, UploadDriver};
use bitsup_proto::session::Outcome;
use bitsup_proto::verify::VerifyPolicy;
use bitsup_proto::{Config, Error, ErrorKind, Moment};
use bitsup_server::model::Answer;

use super::checks::{Checks, World};
use super::disk::Disk;
use super::exchanges::use_credentials;
use super::journal::SimulatedJournal;
use super::process::{Comparison, Known};
use super::random::Random;
use super::replies::ReplyFile;
use super::scenario::{BEGUN, Event, Loses, Scenario};
use super::server::{ReceivedPacket, Server};
use super::source::{Source, Trace};
use super::transcript::Transcript;

/// An upload that needs more polls goes round in circles: the longest of a million uploads needs a quarter.
const MAX_POLLS: u32 = 200_000;
/// As many packets as no upload of these sizes needs.
const MAX_PACKETS: u32 = 50_000;
/// The pauses of the caller and all budgets for retries are far shorter.
const MAX_TIME: Duration = Duration::from_hours(24 * 365);

/// What a run came to.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) outcome: Outcome,
    pub(crate) packets: u32,
    pub(crate) polls: u32,
    pub(crate) time: Duration,
    pub(crate) crashes: u32,
    pub(crate) unreadable: u32,
    pub(crate) left_behind: u32,
    /// Whether the file under the URL is right.
    pub(crate) exact: bool,
}

impl Report {
    /// The report of an upload of which nothing is told but how it ended.
    pub(crate) fn of(outcome: Outcome, exact: bool) -> Self {
        Self {
            outcome,
            packets: 0,
            polls: 0,
            time: Duration::ZERO,
            crashes: 0,
            unreadable: 0,
            left_behind: 0,
            exact,
        }
    }
}

/// A run under way.
pub(crate) struct Run {
    pub(super) scenario: Scenario,
    pub(super) random: Random,
    pub(super) server: Server,
    pub(super) driver: UploadDriver,
    pub(super) client: ClientState,
    pub(super) journal: SimulatedJournal,
    pub(super) known: Known,
    pub(super) source: Source,
    /// The version of the source that this process began with.
    pub(super) opened: usize,
    pub(super) comparison: Option<Comparison>,
    /// Whether the journal has just been told of Close-Session.
    pub(super) intent_stored: bool,
    pub(super) checks: Checks,
    pub(super) transcript: Transcript,
    /// The time of the world.
    pub(super) now: Duration,
    /// When the client's process began.
    pub(super) born: Duration,
    /// By how much the client's clock was set, in seconds.
    clock: i64,
    pub(super) events: VecDeque<(Duration, Event)>,
    /// The TCP connection in use, and how many there have been.
    pub(super) connection: Option<u64>,
    /// The Ack of the last Fragment, if that was the packet before.
    pub(super) last_ack: Option<Answer>,
    pub(super) connections: u64,
    /// Requests that arrive when the client waits for them no more.
    pub(super) late: Vec<(Duration, ReceivedPacket, super::network::Arrives)>,
    /// The caller's credentials.
    pub(super) credentials: Option<u32>,
    pub(super) reply: ReplyFile,
    pub(super) packets: u32,
    polls: u32,
    pub(super) crashes: u32,
    /// Journals that could not be used, and sessions that may have been left behind.
    pub(super) unreadable: u32,
    pub(super) left_behind: u32,
}

/// An upload that is the only one of its client, and has a journal.
pub(super) fn begin(config: &Config, opening: Opening, now: Moment) -> (UploadDriver, ClientState) {
    let mut client = ClientState::new(Hosts::new(Parallelism::fixed(1), 1));
    let driver =
        UploadDriver::new(TaskId(0), String::new(), config.clone(), opening, &mut client, now)
            .with_precheck(config.verify == VerifyPolicy::Always)
            .with_intent();
    (driver, client)
}

impl Run {
    /// The run of this seed.
    pub(crate) fn new(seed: u64, transcript: Transcript) -> Self {
        let mut random = Random::new(seed);
        let mut scenario = Scenario::draw(&mut random);
        scenario.config.credentials = scenario.credentials.is_some();
        let (mut journal, _) = SimulatedJournal::open(Disk::default());
        let server = Server::new(scenario.server.clone());
        let (driver, client) = begin(&scenario.config, Opening::New, Moment::default());
        let source = Source::new(scenario.config.size);
        journal.begin(None, source.identity_of(0), Proof::Given);
        let mut run = Self {
            server,
            journal,
            known: Known::default(),
            source,
            opened: 0,
            comparison: None,
            intent_stored: false,
            driver,
            client,
            checks: Checks::default(),
            transcript,
            now: Duration::ZERO,
            born: Duration::ZERO,
            clock: 0,
            events: scenario.events.iter().copied().collect(),
            connection: None,
            last_ack: None,
            connections: 0,
            late: Vec::new(),
            credentials: scenario.credentials,
            reply: ReplyFile::default(),
            packets: 0,
            polls: 0,
            crashes: 0,
            unreadable: 0,
            left_behind: 0,
            scenario,
            random,
        };
        let scenario = &run.scenario;
        run.transcript.note(run.now, || format!("seed {seed}: {scenario:?}"));
        run
    }

    /// Plays it. The error is what must never happen.
    pub(crate) fn play(&mut self) -> Result<Report, String> {
        loop {
            self.due_events()?;
            self.compare();
            let step = self.poll()?;
            if self.has_died()? {
                continue;
            }
            match step {
                Step::Tell(_) | Step::Store(_) => {
                    return Err(format!("{step:?} after all of them"));
                }
                Step::TellUnproven => {
                    self.transcript.note(self.now, || "what was sent is not proven".to_owned());
                }
                Step::StartUpload => {
                    let now = self.moment_of_now();
                    self.driver.start_upload(self.scenario.config.clone(), &mut self.client, now);
                    self.checks.suspended = self.driver.is_paused();
                }
                Step::Begin(request) => self.offer(request)?,
                // The exchange has ended with the event that led to this.
                Step::Abort(_) => self.connection = None,
                Step::Wait(until) => self.wait(until)?,
                Step::Finish(ending) => {
                    if let Some(own) = self.driver.session().outcome() {
                        let world = World {
                            session: self.driver.session(),
                            scenario: &self.scenario,
                            server: &self.server,
                            reply: &self.reply,
                            source: &self.source,
                            opened: self.opened,
                        };
                        self.checks.end(&own, &world)?;
                    }
                    self.checks.suspended = false;
                    let (outcome, cancelled_first) = match ending {
                        Ending::Session(outcome) => (outcome, false),
                        Ending::Error(error) if error.kind() == ErrorKind::Cancelled => {
                            (Outcome::Cancelled { confirmed: true, kept: false }, false)
                        }
                        Ending::Error(error) => (Outcome::Failed(error), true),
                    };
                    self.transcript.note(self.now, || format!("ended: {outcome:?}"));
                    if !self.goes_on(&outcome, cancelled_first)? {
                        return self.report(outcome);
                    }
                }
            }
        }
    }

    /// Lets time pass until something happens.
    fn wait(&mut self, until: Option<Duration>) -> Result<(), String> {
        if std::mem::take(&mut self.intent_stored) {
            return Ok(());
        }
        let until = until.map(|until| self.born.saturating_add(until));
        if until.is_some_and(|until| until <= self.now) {
            return Err("it waits for a time that has passed".into());
        }
        let compared = self
            .comparison
            .filter(|_| self.driver.is_deferring())
            .map(|comparison| comparison.ends);
        if self.driver.is_paused() || self.driver.waiting_for().is_some() {
            self.journal.rest();
        }
        let event = self.events.front().filter(|_| self.checks.suspended).map(|(at, _)| *at);
        let next = [until, compared, event].into_iter().flatten().min();
        let Some(next) = next else {
            return Err(format!("idle for ever in {:?}", self.driver.session().state()));
        };
        self.pass_until(next);
        Ok(())
    }

    /// The lines of the transcript.
    pub(crate) fn into_transcript(self) -> Transcript {
        self.transcript
    }

    /// Steps 2 and 5 of the driving contract, and what must hold after them.
    pub(super) fn poll(&mut self) -> Result<Step, String> {
        self.polls += 1;
        let now = self.moment_of_now();
        let step = loop {
            match self.driver.poll(now) {
                Step::Tell(notice) => {
                    self.transcript.note(self.now, || format!("  notice: {notice:?}"));
                }
                Step::Store(checkpoint) => self.journal.update(checkpoint),
                step => break step,
            }
        };
        self.let_work()?;
        let offset = self.driver.session().offset();
        if offset > self.scenario.config.size {
            return Err(format!("the offset {offset} is beyond the file"));
        }
        if self.polls > MAX_POLLS || self.packets > MAX_PACKETS || self.now > MAX_TIME {
            return Err(format!(
                "no end after {} polls, {} packets and {:?}",
                self.polls, self.packets, self.now
            ));
        }
        Ok(step)
    }

    /// The client's view of the time.
    pub(super) fn moment_of_now(&mut self) -> Moment {
        Moment {
            monotonic: self.now.saturating_sub(self.born),
            unix: self.client_unix(),
            random: self.random.bits(),
        }
    }

    /// The world's seconds since 1970.
    pub(super) fn unix(&self) -> u64 {
        BEGUN + self.now.as_secs()
    }

    /// The same by the client's clock.
    pub(super) fn client_unix(&self) -> u64 {
        self.unix().saturating_add_signed(self.clock)
    }

    /// When the whole upload's time is over, by the world's clock.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.driver.deadline().map(|at| self.born.saturating_add(at))
    }

    // ---- the caller ------------------------------------------------------

    /// Waits until then, or until the caller does something.
    fn pass_until(&mut self, until: Duration) {
        let events = self.events.front().map(|(at, _)| *at);
        let next = [events, self.deadline()].into_iter().flatten().fold(until, Duration::min);
        self.now = self.now.max(next);
    }

    fn due_events(&mut self) -> Result<(), String> {
        while let Some((_, event)) = self.events.pop_front_if(|(at, _)| *at <= self.now) {
            self.happens(event)?;
        }
        Ok(())
    }

    /// Step 4. `true`: another process goes on.
    pub(super) fn happens(&mut self, event: Event) -> Result<bool, String> {
        self.transcript.note(self.now, || format!("caller: {event:?}"));
        let now = self.moment_of_now();
        match event {
            Event::Suspend(time) => {
                // While a kept session is cancelled the pause is that of the upload that follows.
                let pauses = self.driver.suspend(&mut self.client, now);
                self.checks.suspended |= pauses;
                if pauses || self.driver.is_paused() {
                    let at = self.now.saturating_add(time);
                    let place = self.events.partition_point(|(other, _)| *other <= at);
                    self.events.insert(place, (at, Event::Resume));
                }
            }
            Event::Resume => {
                if self.driver.resume(&mut self.client, now) || !self.driver.is_paused() {
                    self.checks.suspended = false;
                }
            }
            Event::Cancel(mode) => {
                if self.driver.cancel(mode, &mut self.client, now) {
                    self.checks.suspended = false;
                }
            }
            Event::SourceFails { changed } => {
                let kind = if changed { ErrorKind::SourceChanged } else { ErrorKind::LocalFile };
                if self.driver.fail_source(Error::new(kind, "the source failed"), now) {
                    self.checks.suspended = false;
                }
            }
            Event::SourceChanges { at } => self.source.change(at, Trace::TimeStamp),
            Event::CredentialsExpire => {
                self.server.expire_credentials();
            }
            Event::ReplaceCredentials { right } => self.replace_credentials(right),
            Event::Crash { down, loses, clock } => {
                self.now = self.now.saturating_add(down);
                self.clock += clock;
                self.crashes += 1;
                self.restore(loses)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn replace_credentials(&mut self, right: bool) {
        let Some(wanted) = self.server.credentials() else { return };
        let given = if right { wanted } else { wanted + 1000 };
        self.credentials = Some(given);
        use_credentials(&mut self.driver, &self.client, self.credentials);
    }

    /// Whether the caller goes on after this end, or the process did not get to it.
    fn goes_on(&mut self, outcome: &Outcome, cancelled_first: bool) -> Result<bool, String> {
        if self.scenario.patience == 0 {
            return self.end_process();
        }
        self.scenario.patience -= 1;
        let pause = Duration::from_secs(self.random.magnitude(100_000));
        match outcome {
            Outcome::Failed(error) => {
                self.now = self.now.saturating_add(pause);
                if error.kind() == ErrorKind::Auth {
                    let right = self.random.chance(700);
                    self.replace_credentials(right);
                }
                if cancelled_first || self.random.chance(500) {
                    return self.restart_upload();
                }
                let now = self.moment_of_now();
                Ok(self.driver.resume(&mut self.client, now) || self.end_process()?)
            }
            Outcome::Cancelled { kept: true, .. } => {
                self.now = self.now.saturating_add(pause);
                self.restart_upload()
            }
            // The process or the power may go before the journal of a complete upload is removed.
            Outcome::Done(_) if self.random.chance(200) => {
                let power = self.scenario.tampers == 0 && self.random.chance(500);
                self.restore(if power { Loses::NotSynced } else { Loses::Nothing })?;
                Ok(true)
            }
            Outcome::Done(_) | Outcome::Cancelled { .. } => self.end_process(),
        }
    }

    /// The same upload is started again.
    fn restart_upload(&mut self) -> Result<bool, String> {
        if !self.end_process()? {
            self.restore(Loses::Nothing)?;
        }
        Ok(true)
    }

    fn report(&self, outcome: Outcome) -> Result<Report, String> {
        if self.scenario.calm && !matches!(&outcome, Outcome::Done(summary) if summary.verified) {
            return Err(format!("nothing went wrong, and it ended with {outcome:?}"));
        }
        let destination = self.server.destination();
        Ok(Report {
            outcome,
            packets: self.packets,
            polls: self.polls,
            time: self.now,
            crashes: self.crashes,
            unreadable: self.unreadable,
            left_behind: self.left_behind,
            exact: destination.is_some_and(|stored| self.source.is_stored(stored, self.opened)),
        })
    }
}
