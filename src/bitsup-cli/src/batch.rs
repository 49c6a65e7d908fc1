//! Runs uploads: as many at a time as wanted, until all have ended or a signal comes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use bitsup::{
    CancelMode, Client, ErrorKind, Event, Flow, Left, Receipt, Upload, UploadBuilder, UploadState,
};

use crate::failure::CommandFailure;
use crate::format;
use crate::json::Counts;
use crate::report::Report;
use crate::signals::{self, Listener};

/// How often the display is renewed.
const TICK: Duration = Duration::from_millis(100);
/// A signal ends the program within a second, what is said at the end included.
const STOP_WITHIN: Duration = Duration::from_millis(700);

/// The last line where an upload can be continued begins so.
const CONTINUE: &str = "to continue: ";
/// The last line where all is as if nothing had been sent.
const NOTHING_LEFT: &str = "nothing is left on the server";
/// The last line where this run has changed nothing there; what an earlier one left is as it was.
const NOTHING_SENT: &str = "nothing was sent";
/// The last line where that is not known, or known not to be so.
const MAY_BE_LEFT: &str =
    "a partial upload may remain on the server until it expires (IIS: 14 days by default)";

/// How much a last line matters beside others.
fn weight(then: &str) -> u8 {
    match then {
        "" => 0,
        NOTHING_SENT => 1,
        NOTHING_LEFT => 2,
        _ => 3,
    }
}

/// One file to upload.
pub(crate) struct Job {
    /// Its name for people.
    pub(crate) name: String,
    /// Its size, as far as it is known beforehand.
    pub(crate) size: Option<u64>,
    /// The name of its session in the state directory, if it continues one.
    pub(crate) session: Option<String>,
    /// Whether its session is worth keeping.
    pub(crate) keep: bool,
    /// Makes the upload.
    pub(crate) begin: Begin,
}

/// Makes an upload that is not started yet.
pub(crate) type Begin = Box<dyn FnOnce(&Client) -> Result<UploadBuilder, CommandFailure>>;

/// Makes the command that continues a session, or all.
type Continue<'a> = Box<dyn Fn(Option<&str>) -> String + 'a>;

enum Message {
    Event(usize, Box<Event>),
    Signal(i32),
}

/// Events and signals, from their start on.
pub(crate) struct Mailbox {
    sender: Sender<Message>,
    receiver: Receiver<Message>,
    stop: Arc<AtomicBool>,
    _listener: Listener,
}

impl Mailbox {
    pub(crate) fn open() -> Result<Self, CommandFailure> {
        let (sender, receiver) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let (signals, flag) = (sender.clone(), Arc::clone(&stop));
        let listener = Listener::start(move |signal| {
            flag.store(true, Ordering::Relaxed);
            // The receiver is gone when all uploads have ended.
            let _ = signals.send(Message::Signal(signal));
        });
        let listener = listener.map_err(|error| {
            CommandFailure::new(ErrorKind::Internal, format!("cannot listen for signals: {error}"))
        })?;
        Ok(Self { sender, receiver, stop, _listener: listener })
    }

    /// Set when a signal has come.
    pub(crate) fn stop_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// Waits so long, or until a signal comes, which is returned.
    pub(crate) fn sleep(&self, time: Duration) -> Option<i32> {
        match self.receiver.recv_timeout(time) {
            Ok(Message::Signal(signal)) => Some(signal),
            _ => None,
        }
    }
}

/// The uploads of one command.
pub(crate) struct Batch<'a> {
    client: Client,
    report: &'a mut Report,
    mailbox: Mailbox,
    /// The words of a command that continues.
    continue_with: Continue<'a>,
    running: BTreeMap<usize, RunningUpload>,
    counts: Counts,
    exit_codes: Vec<u8>,
    total: u64,
    ended_bytes: u64,
    any_resumable: bool,
    /// What is left on the server of a file that cannot be continued.
    left: String,
    stopped: Option<(i32, Instant)>,
}

struct RunningUpload {
    name: String,
    upload: Upload,
    session: Option<String>,
    keep: bool,
}

impl<'a> Batch<'a> {
    /// `continue_with` makes the command that continues a session, or all.
    pub(crate) fn new(
        client: Client,
        report: &'a mut Report,
        mailbox: Mailbox,
        continue_with: impl Fn(Option<&str>) -> String + 'a,
    ) -> Self {
        Self {
            client,
            report,
            mailbox,
            continue_with: Box::new(continue_with),
            running: BTreeMap::new(),
            counts: Counts::default(),
            exit_codes: Vec::new(),
            total: 0,
            ended_bytes: 0,
            any_resumable: false,
            left: String::new(),
            stopped: None,
        }
    }

    /// Runs all jobs, `at_once` of which the client has at a time, and returns the exit code.
    pub(crate) fn run(mut self, jobs: Vec<Job>, at_once: usize) -> u8 {
        self.total = jobs.iter().filter_map(|job| job.size).sum();
        let mut jobs = jobs.into_iter().enumerate();
        loop {
            while self.running.len() < at_once && self.stopped.is_none() {
                let Some((number, job)) = jobs.next() else { break };
                self.begin(number, job);
                self.take_waiting();
            }
            if self.running.is_empty() {
                break;
            }
            match self.mailbox.receiver.recv_timeout(TICK) {
                Ok(message) => self.take(message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.take_waiting();
            self.tick();
            if self.stopped.is_some_and(|(_, deadline)| Instant::now() >= deadline) {
                break;
            }
        }
        self.counts.not_started += jobs.len();
        self.finish()
    }

    fn begin(&mut self, number: usize, job: Job) {
        self.report.started(&job.name, job.size);
        let sender = self.mailbox.sender.clone();
        let listen = move |event: &Event| {
            let _ = sender.send(Message::Event(number, Box::new(event.clone())));
            Flow::Continue
        };
        let wants = self.report.wants();
        let started = (job.begin)(&self.client)
            .and_then(|builder| Ok(builder.event_filter(wants).on_event(listen).start()?));
        match started {
            Ok(upload) => {
                let Job { name, keep, .. } = job;
                let session = upload.resume_id().map(str::to_owned);
                self.running.insert(number, RunningUpload { name, upload, session, keep });
            }
            // Reading standard input ends so when a signal comes.
            Err(_) if self.mailbox.stop.load(Ordering::Relaxed) => self.counts.not_started += 1,
            Err(failure) => {
                self.ended_bytes += job.size.unwrap_or(0);
                self.failed(&job.name, &failure, job.session.as_deref());
            }
        }
    }

    fn take_waiting(&mut self) {
        while let Ok(message) = self.mailbox.receiver.try_recv() {
            self.take(message);
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Signal(signal) => self.stop(signal),
            Message::Event(number, event) => match *event {
                Event::Finished(result) => self.ended(number, result.map(|receipt| *receipt)),
                event => {
                    if let Some(running) = self.running.get(&number) {
                        self.report.event(&running.name, &event);
                    }
                }
            },
        }
    }

    fn stop(&mut self, signal: i32) {
        if self.stopped.is_some() {
            return;
        }
        let gone = signals::since_first().unwrap_or_default();
        self.stopped = Some((signal, Instant::now() + STOP_WITHIN.saturating_sub(gone)));
        let before = self.running.len();
        self.running.retain(|_, running| running.upload.progress().state != UploadState::Queued);
        self.counts.not_started += before - self.running.len();
        for running in self.running.values() {
            let mode = if running.keep { CancelMode::Keep } else { CancelMode::Delete };
            running.upload.cancel(mode);
        }
    }

    fn tick(&mut self) {
        let progress: Vec<_> = self
            .running
            .values()
            .map(|running| (running.name.as_str(), running.upload.progress()))
            .filter(|(_, progress)| progress.state != UploadState::Queued)
            .collect();
        let ended = self.counts.done + self.counts.failed;
        // Standard input tells its size when it was read.
        let total = self.total.max(progress.iter().map(|(_, one)| one.total).sum());
        self.report.tick(&progress, ended, (self.ended_bytes, total));
    }

    fn ended(&mut self, number: usize, result: Result<Receipt, bitsup::Error>) {
        let Some(running) = self.running.remove(&number) else { return };
        self.ended_bytes += running.upload.progress().total;
        match result {
            Ok(receipt) => {
                self.counts.done += 1;
                self.counts.bytes += if receipt.skipped { 0 } else { receipt.size };
                self.report.done(&running.name, &receipt);
            }
            Err(error) => {
                self.failed(&running.name, &error.into(), running.session.as_deref());
            }
        }
    }

    fn failed(&mut self, name: &str, failure: &CommandFailure, session: Option<&str>) {
        self.any_resumable |= failure.is_resumable();
        let then = self.then(failure, session);
        self.tell_failed(name, failure, &then);
    }

    fn tell_failed(&mut self, name: &str, failure: &CommandFailure, then: &str) {
        self.counts.failed += 1;
        self.exit_codes.push(failure.exit_code());
        // What may be left of one file counts more than that nothing is of another.
        if !then.starts_with(CONTINUE) && weight(then) >= weight(&self.left) {
            then.clone_into(&mut self.left);
        }
        self.report.failed(name, failure, then);
    }

    /// The last line: how to continue, or what is left on the server.
    fn then(&self, failure: &CommandFailure, session: Option<&str>) -> String {
        if failure.is_resumable() {
            format!("{CONTINUE}{}", (self.continue_with)(session))
        } else if failure.kind() == ErrorKind::SessionInUse {
            "another process is uploading this file: nothing to do here".into()
        } else if failure.kind() == ErrorKind::VerifyFailed {
            "the file may be on the server: check before uploading it again".into()
        } else {
            match failure.error().map(bitsup::Error::left).unwrap_or_default() {
                Left::AsBefore => NOTHING_SENT.into(),
                Left::Nothing => NOTHING_LEFT.into(),
                Left::Whole => "the file is on the server".into(),
                _ => MAY_BE_LEFT.into(),
            }
        }
    }

    /// Whether anything is kept under that name.
    fn is_kept(&self, id: &str) -> bool {
        let sessions = self.client.sessions().unwrap_or_default();
        sessions.into_iter().flatten().any(|session| session.id == id)
    }

    fn finish(mut self) -> u8 {
        // Those that could not even be stopped in time.
        for (_, running) in std::mem::take(&mut self.running) {
            let failure = CommandFailure::new(
                ErrorKind::Cancelled,
                "the upload was stopped before its server answered",
            );
            let kept = running.session.filter(|id| running.keep && self.is_kept(id));
            self.any_resumable |= kept.is_some();
            let then = match kept {
                Some(id) => format!("{CONTINUE}{}", (self.continue_with)(Some(&id))),
                None => MAY_BE_LEFT.to_owned(),
            };
            self.tell_failed(&running.name, &failure, &then);
            // Its end would wait for the server.
            std::mem::forget(running.upload);
        }
        let exit_code = match (self.stopped, self.exit_codes.as_slice()) {
            (Some((signal, _)), _) => signals::exit_code(signal),
            (None, []) => 0,
            (None, [first, rest @ ..]) if rest.iter().all(|code| code == first) => *first,
            (None, _) => 1,
        };
        let then = match (self.any_resumable, self.counts.failed) {
            (true, _) => {
                let mut then = format!("{CONTINUE}{}", (self.continue_with)(None));
                if weight(&self.left) > weight(NOTHING_LEFT) {
                    then = format!("{}\n{then}", self.left);
                }
                Some(then)
            }
            (false, 0) => None,
            (false, _) => Some(std::mem::take(&mut self.left)),
        };
        self.report.finish(self.counts, exit_code, then.as_deref());
        if let Some((signal, _)) = self.stopped {
            format::say(&format!("bitsup: stopped by {}", signals::name(signal)));
            // Dropping it would wait for what runs in the background.
            std::mem::forget(self.client);
        }
        exit_code
    }
}
