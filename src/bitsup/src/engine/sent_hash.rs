//! The SHA-256 of an upload: of the bytes that went to libcurl, whatever the source answers
//! when it is read again.
//!
//! A worker hashes what is sent, in order, from the buffer that it is sent from; where libcurl sends, from a copy.
//! Where the server took less than was sent, or forgot some, hashing goes back to the last state before that. Bytes
//! between that state and the server's offset are read again, and count only if they lead to the state known after them.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bitsup_core::journal::Bytes;
use sha2::{Digest, Sha256};

use super::Inbox;
use super::chunk::Chunk;
use super::command::{Command, TaskId};
use super::workers::Workers;
use crate::source::Source;

/// Bytes that wait to be hashed; above that the body waits, so that memory is bounded, until half of them are.
const MAX_LAG: usize = 4 << 20;
/// Buffers kept for further bytes.
const MAX_FREE: usize = MAX_LAG / CHUNK;
/// States to go back to; when there are more, every second one is dropped.
const MAX_MARKS: usize = 256;
/// Bytes read at a time.
const CHUNK: usize = 256 * 1024;

/// Hashes what one upload sends.
#[derive(Clone)]
pub(crate) struct SentHash {
    shared: Arc<Shared>,
}

struct Shared {
    /// Never held for long.
    queue: Mutex<Queue>,
    /// Who works has it.
    history: Mutex<History>,
    inbox: Inbox,
    task: TaskId,
    may_wait: bool,
}

#[derive(Default)]
struct Queue {
    steps: VecDeque<Step>,
    bytes: usize,
    is_worked_on: bool,
    /// A body waits for room.
    wanted: bool,
    /// Buffers whose bytes are sent and hashed.
    free: Vec<Chunk>,
}

enum Step {
    /// A Fragment begins at this byte.
    Begin(u64),
    /// These bytes of a buffer follow.
    Bytes(Arc<Chunk>, Range<usize>),
    Finish(Finish),
}

/// Takes the hexadecimal digits; `None` if the bytes sent before cannot be known.
type Finish = Box<dyn FnOnce(Option<String>) + Send>;

impl SentHash {
    pub(crate) fn new(source: Source, inbox: Inbox, task: TaskId) -> Self {
        let may_wait = source.may_wait();
        let history = Mutex::new(History { source, now: Timeline::default(), before: None });
        Self {
            shared: Arc::new(Shared { queue: Mutex::default(), history, inbox, task, may_wait }),
        }
    }

    /// A Fragment begins, or its body goes back to its first byte.
    pub(crate) fn begin(&self, at: u64, workers: &Workers) {
        self.push(Step::Begin(at), workers);
    }

    /// Whether more may be added; if not, the engine is told when it may.
    pub(crate) fn has_room(&self) -> bool {
        let mut queue = lock(&self.shared.queue);
        queue.wanted = queue.bytes >= MAX_LAG;
        !queue.wanted
    }

    /// A buffer to read into what is then sent and hashed.
    pub(crate) fn buffer(&self) -> Chunk {
        lock(&self.shared.queue).free.pop().unwrap_or_default()
    }

    /// The buffer is not used any more.
    pub(crate) fn give_back(&self, buffer: Arc<Chunk>) {
        lock(&self.shared.queue).take_back(buffer);
    }

    /// These bytes follow.
    pub(crate) fn add(&self, bytes: &[u8], workers: &Workers) {
        let mut buffer = self.buffer();
        buffer.copy_from(bytes);
        self.add_from(&Arc::new(buffer), 0..bytes.len(), workers);
    }

    /// These bytes of a buffer follow.
    pub(crate) fn add_from(&self, buffer: &Arc<Chunk>, range: Range<usize>, workers: &Workers) {
        self.push(Step::Bytes(Arc::clone(buffer), range), workers);
    }

    /// All is sent.
    pub(crate) fn finish(
        &self,
        finish: impl FnOnce(Option<String>) + Send + 'static,
        workers: &Workers,
    ) {
        self.push(Step::Finish(Box::new(finish)), workers);
    }

    fn push(&self, step: Step, workers: &Workers) {
        let mut queue = lock(&self.shared.queue);
        if let Step::Bytes(_, range) = &step {
            queue.bytes += range.len();
        }
        queue.steps.push_back(step);
        if std::mem::replace(&mut queue.is_worked_on, true) {
            return;
        }
        drop(queue);
        let shared = Arc::clone(&self.shared);
        workers.run_reading(self.shared.may_wait, move || shared.work());
    }
}

impl Shared {
    fn work(&self) {
        loop {
            let mut queue = lock(&self.queue);
            let Some(step) = queue.steps.pop_front() else {
                queue.is_worked_on = false;
                return;
            };
            drop(queue);
            let mut history = lock(&self.history);
            match step {
                Step::Begin(at) => history.begin(at),
                Step::Bytes(buffer, range) => {
                    let count = range.len();
                    history.now.add(buffer.get(range).unwrap_or_default());
                    drop(history);
                    self.hashed(count, buffer);
                }
                Step::Finish(finish) => {
                    let digest = history.finish();
                    // With the result the caller may want the source back.
                    history.source = Source::bytes(Vec::new());
                    drop(history);
                    finish(digest);
                }
            }
        }
    }

    fn hashed(&self, count: usize, buffer: Arc<Chunk>) {
        let mut queue = lock(&self.queue);
        queue.take_back(buffer);
        queue.bytes = queue.bytes.saturating_sub(count);
        let wakes = queue.wanted && queue.bytes <= MAX_LAG / 2;
        if wakes {
            queue.wanted = false;
        }
        drop(queue);
        if wakes {
            self.inbox.send(Command::BodyReady(self.task));
        }
    }
}

impl Queue {
    fn take_back(&mut self, buffer: Arc<Chunk>) {
        if self.free.len() < MAX_FREE {
            self.free.extend(Arc::into_inner(buffer));
        }
    }
}

struct History {
    source: Source,
    now: Timeline,
    /// What was sent before the Fragment that began within it. The server may have refused that one.
    before: Option<Timeline>,
}

/// The bytes of one course of events, from where hashing began.
#[derive(Clone, Default)]
struct Timeline {
    from: u64,
    /// States on the way, ascending.
    marks: Vec<Mark>,
    end: Mark,
    /// Some of the bytes are not known.
    is_lost: bool,
}

/// The state of the hash before a byte.
#[derive(Clone, Default)]
struct Mark {
    at: u64,
    sha: Sha256,
}

impl History {
    fn begin(&mut self, at: u64) {
        if let Some(before) =
            self.before.take_if(|before| at > self.now.end.at && at <= before.end.at)
        {
            self.now = before;
        }
        self.before = (at < self.now.end.at).then(|| self.now.clone());
        self.now.go_to(at, &self.source);
    }

    fn finish(&mut self) -> Option<String> {
        let size = self.source.size();
        if let Some(before) = self.before.take_if(|before| before.end.at == size)
            && self.now.end.at != size
        {
            self.now = before;
        }
        let sent = std::mem::take(&mut self.now);
        if sent.is_lost || sent.end.at != size {
            return None;
        }
        let digest = sent.end.sha.finalize();
        if sent.from == 0 {
            return Some(hexadecimal(&digest));
        }
        // Bytes that an earlier run sent are read; those of this one must be read as they were sent.
        let (mut whole, mut again) = (Sha256::new(), Sha256::new());
        read(&self.source, 0, sent.from, |_, bytes| whole.update(bytes)).ok()?;
        read(&self.source, sent.from, size, |_, bytes| {
            whole.update(bytes);
            again.update(bytes);
        })
        .ok()?;
        (again.finalize() == digest).then(|| hexadecimal(&whole.finalize()))
    }
}

impl Timeline {
    fn add(&mut self, bytes: &[u8]) {
        if !self.is_lost {
            self.end.sha.update(bytes);
        }
        self.end.at += bytes.len() as u64;
    }

    fn go_to(&mut self, at: u64, source: &Source) {
        let is_untouched = self.end.at == self.from;
        if at < self.from || is_untouched {
            let start = Mark { at, sha: Sha256::new() };
            *self = Self { from: at, marks: vec![start.clone()], end: start, is_lost: false };
        } else if at == self.end.at {
            self.mark();
        } else if at > self.end.at || self.is_lost || self.step_back(at, source).is_none() {
            self.is_lost = true;
            self.end.at = at;
        }
    }

    /// Goes back to the state before `at`; `None` if that cannot be known.
    fn step_back(&mut self, at: u64, source: &Source) -> Option<()> {
        let before = self.marks.partition_point(|mark| mark.at <= at);
        let base = self.marks.get(before.checked_sub(1)?)?.clone();
        let mut state = base.clone();
        if base.at < at {
            let next = self.marks.get(before).unwrap_or(&self.end);
            let mut again = base.sha.clone();
            read(source, base.at, next.at, |from, bytes| {
                again.update(bytes);
                let wanted = usize::try_from(at.saturating_sub(from)).unwrap_or(usize::MAX);
                state.sha.update(bytes.get(..wanted).unwrap_or(bytes));
            })
            .ok()?;
            if again.finalize() != next.sha.clone().finalize() {
                return None;
            }
            state.at = at;
        }
        self.marks.truncate(before);
        self.end = state;
        self.mark();
        Some(())
    }

    fn mark(&mut self) {
        if self.marks.last().is_none_or(|last| last.at < self.end.at) {
            if self.marks.len() >= MAX_MARKS {
                let mut number = 0;
                self.marks.retain(|_| {
                    number += 1;
                    number % 2 == 1
                });
            }
            self.marks.push(self.end.clone());
        }
    }
}

/// Gives the bytes of a range to `take`, with the place of the first.
fn read(source: &Source, from: u64, end: u64, mut take: impl FnMut(u64, &[u8])) -> io::Result<()> {
    let opened = source.open().map_err(io::Error::other)?;
    let mut buffer = vec![0; CHUNK];
    let mut at = from;
    while at < end {
        let wanted = usize::try_from(end - at).map_or(CHUNK, |left| left.min(CHUNK));
        let count = opened.read(buffer.get_mut(..wanted).unwrap_or_default(), at)?;
        let bytes = buffer.get(..count).filter(|bytes| !bytes.is_empty());
        let bytes = bytes.ok_or(io::ErrorKind::UnexpectedEof)?;
        take(at, bytes);
        at += count as u64;
    }
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::ReadAt;

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 11) as u8).collect()
    }

    fn sha(bytes: &[u8]) -> String {
        hexadecimal(&Sha256::digest(bytes))
    }

    fn history(source: Source) -> History {
        History { source, now: Timeline::default(), before: None }
    }

    /// Sends a part as an upload does.
    fn send(history: &mut History, from: usize, bytes: &[u8]) {
        history.begin(from as u64);
        for part in bytes.chunks(300) {
            history.now.add(part);
        }
    }

    #[test]
    fn what_the_server_has_is_hashed_however_it_came_there() {
        let _rule = bitsup_server::rule!("TRU-08");
        let whole = bytes(5000);
        // Each list: (first, end) of the Fragments in turn.
        let courses: &[&[(usize, usize)]] = &[
            &[(0, 1000), (1000, 5000)],
            // Cut, and the server had 1,700 bytes of it.
            &[(0, 1000), (1000, 2500), (1700, 5000)],
            // Forgotten in part, forgotten as a whole.
            &[(0, 1000), (1000, 3000), (400, 5000)],
            &[(0, 1000), (1000, 3000), (0, 5000)],
            // A probe that the server refused, and one that it took.
            &[(0, 3000), (1, 2), (2500, 5000)],
            &[(0, 3000), (1, 2), (2, 5000)],
            // An earlier run sent the first part, the server has more of it, or less.
            &[(2000, 5000)],
            &[(2000, 2000), (2600, 5000)],
            &[(2000, 3000), (1500, 5000)],
        ];
        for course in courses {
            let mut history = history(Source::bytes(whole.clone()));
            for (from, end) in *course {
                send(&mut history, *from, &whole[*from..*end]);
            }
            assert_eq!(history.finish(), Some(sha(&whole)), "{course:?}");
        }
    }

    #[test]
    fn bytes_that_nobody_can_know_have_no_hash() {
        let whole = bytes(5000);
        let mut jumped = history(Source::bytes(whole.clone()));
        send(&mut jumped, 0, &whole[..1000]);
        send(&mut jumped, 2000, &whole[2000..]);
        assert_eq!(jumped.finish(), None);
        let mut short = history(Source::bytes(whole.clone()));
        send(&mut short, 0, &whole[..4000]);
        assert_eq!(short.finish(), None);
    }

    /// Answers otherwise than what was sent.
    struct Other;

    impl ReadAt for Other {
        fn read_at(&self, buffer: &mut [u8], _: u64) -> io::Result<usize> {
            buffer.fill(0xEE);
            Ok(buffer.len())
        }
    }

    #[test]
    fn a_source_with_two_answers_does_not_change_the_hash_and_is_not_believed() {
        let _rule = bitsup_server::rule!("TRU-08");
        let whole = bytes(5000);
        let mut in_order = history(Source::read_at(Other, 5000));
        send(&mut in_order, 0, &whole[..1000]);
        send(&mut in_order, 1000, &whole[1000..]);
        assert_eq!(in_order.finish(), Some(sha(&whole)));
        for (from, end) in [(0, 1000), (2000, 3000)] {
            let mut cut = history(Source::read_at(Other, 5000));
            send(&mut cut, from, &whole[from..end]);
            send(&mut cut, end - 300, &whole[end - 300..]);
            assert_eq!(cut.finish(), None);
        }
        let mut resumed = history(Source::read_at(Other, 5000));
        send(&mut resumed, 2000, &whole[2000..]);
        assert_eq!(resumed.finish(), None);
    }

    #[test]
    fn a_long_upload_keeps_few_states() {
        let whole = bytes(10_000);
        let mut history = history(Source::bytes(whole.clone()));
        for at in 0..whole.len() {
            send(&mut history, at, &whole[at..=at]);
            if at % 1000 == 999 {
                send(&mut history, at / 2, &whole[at / 2..=at]);
            }
        }
        assert!(history.now.marks.len() <= MAX_MARKS);
        assert_eq!(history.finish(), Some(sha(&whole)));
    }
}
