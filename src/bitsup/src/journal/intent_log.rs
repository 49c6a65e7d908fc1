//! The intent log of this process: one line for each thing that a short upload notes.
//!
//! A log is locked as long as its process lives. What a dead one has left becomes files of their own before an
//! upload begins. What a log says of a session that is not locked counts too: its process is about to end, or
//! could make no file of it. A log that has become long is followed by a new one, and removed with its last upload.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bitsup_core::journal::{is_id, log_line, open_records};

use super::disk::{intent, session};
use super::folder::{Folder, Version};
use super::lock::{IS_SHARED, Lock, Locks};

/// The name of a log is that of its lock and this.
const SUFFIX: &str = ".log";
/// A log that is longer is followed by a new one.
const MAX_LOG: u64 = 1024 * 1024;
/// The lock of who takes over what dead processes have left. No session is likely to have that name.
pub(super) const FOLDING: &str = "6c8f3a0d5e9b7241";
/// Another process does that within this time.
const TRIES: u32 = 400;
const PAUSE: Duration = Duration::from_millis(5);

/// The logs of this process in one folder.
#[derive(Debug)]
pub(crate) struct IntentLog {
    folder: Arc<Folder>,
    locks: Arc<Locks>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The last one takes new uploads.
    logs: Vec<Log>,
    /// The folder when it had no log of another process.
    alone: Option<Alone>,
    /// A thread syncs, and is to do so again.
    is_syncing: bool,
    is_due: bool,
}

#[derive(Debug)]
struct Alone {
    version: Version,
    /// The sessions that had files of their own.
    sessions: HashSet<String>,
}

/// What there is of a session whose lock the caller has.
#[derive(Debug, Default)]
pub(super) struct Remains {
    /// What a log that stays says of it: its process lives on without it, or the log cannot be taken over now.
    pub(super) orphan: Option<String>,
    /// It may have files of its own.
    pub(super) has_files: bool,
}

#[derive(Debug)]
struct Log {
    name: String,
    _lock: Lock,
    file: Arc<File>,
    end: u64,
    /// How much was noted, and how much of that survives a power cut.
    notes: u64,
    synced: u64,
    /// Ends that could not be written, for the next write.
    owed: String,
    /// What was noted last of each upload.
    open: HashMap<String, String>,
}

impl IntentLog {
    /// Makes no file before something is noted.
    pub(super) fn new(folder: Arc<Folder>) -> Self {
        // Not those of the sessions, which no child that was forked may keep.
        let locks = Arc::new(Locks::new(Arc::clone(&folder)));
        Self { folder, locks, state: Mutex::default() }
    }

    /// What an upload of this process has noted and not ended.
    pub(super) fn noted(&self, id: &str) -> Option<String> {
        self.state().logs.iter().find_map(|log| log.open.get(id).cloned())
    }

    /// Notes it in place of what the upload noted before. `false`: it is too long, or there can be no log.
    pub(super) fn note(&self, id: &str, record: &str) -> io::Result<bool> {
        let Some(line) = log_line(id, Some(record)).filter(|_| IS_SHARED) else { return Ok(false) };
        let state = &mut *self.state();
        let known = state.logs.iter().position(|log| log.open.contains_key(id));
        let takes_more = |log: &Log| log.end < MAX_LOG && self.folder.is_at(&log.name, &log.file);
        if known.is_none() && !state.logs.last().is_some_and(takes_more) {
            let log = Log::new(&self.folder, &self.locks)?;
            self.remove_ended(&mut state.logs);
            state.logs.push(log);
        }
        let last = state.logs.len().saturating_sub(1);
        let Some(log) = state.logs.get_mut(known.unwrap_or(last)) else { return Ok(false) };
        log.append(&line)?;
        log.notes += 1;
        log.open.insert(id.to_owned(), record.to_owned());
        Ok(true)
    }

    /// Lets what was noted before survive a power cut. The error is why it may not. While another thread does so,
    /// it does it once more.
    pub(crate) fn sync(&self) -> io::Result<()> {
        {
            let mut state = self.state();
            state.is_due = true;
            if std::mem::replace(&mut state.is_syncing, true) {
                return Ok(());
            }
        }
        let mut result = Ok(());
        loop {
            let mut state = self.state();
            if !std::mem::take(&mut state.is_due) {
                state.is_syncing = false;
                return result;
            }
            let unsynced = state.logs.iter().filter(|log| log.synced < log.notes);
            let unsynced: Vec<_> =
                unsynced.map(|log| (log.name.clone(), Arc::clone(&log.file), log.notes)).collect();
            // A disk may take long, and meanwhile more is noted.
            drop(state);
            for (name, file, notes) in unsynced {
                match file.sync_data().and_then(|()| self.folder.sync()) {
                    Ok(()) => {
                        let mut state = self.state();
                        if let Some(log) = state.logs.iter_mut().find(|log| log.name == name) {
                            log.synced = notes;
                        }
                    }
                    Err(error) => result = Err(error),
                }
            }
        }
    }

    /// Ends what the upload noted.
    pub(super) fn end(&self, id: &str) {
        let mut state = self.state();
        let Some(log) = state.logs.iter_mut().find(|log| log.open.contains_key(id)) else {
            return;
        };
        log.open.remove(id);
        let end = log_line(id, None).unwrap_or_default();
        if log.append(&end).is_err() {
            log.owed += &end;
        }
    }

    /// The upload is let go of, and what it noted becomes a file of its own.
    pub(super) fn release(&self, id: &str) {
        // A child that was forked has the files of its parent.
        if !self.locks.is_ours() {
            return;
        }
        let Some(record) = self.noted(id) else { return };
        let stored = self.folder.draft(record.as_bytes()).and_then(|it| it.publish(&intent(id)));
        if stored.is_ok() {
            // At worst both tell the same.
            self.end(id);
        }
    }

    /// Makes files of their own of what processes have noted that are dead. Returns what there is of the session, whose
    /// lock the caller has. The error names the file.
    pub(super) fn fold_dead(&self, id: &str) -> Result<Remains, (String, io::Error)> {
        let version = self.folder.version().map_err(|error| (String::new(), error))?;
        if let Some(alone) = self.state().alone.as_ref().filter(|alone| alone.version == version) {
            return Ok(Remains { orphan: None, has_files: alone.sessions.contains(id) });
        }
        // Else a log that is made next would not be noticed.
        let is_settled = version.is_settled();
        let mut others = self.folder.names().map_err(|error| (String::new(), error))?;
        let sessions = others.iter().filter_map(|name| session(name)).map(str::to_owned).collect();
        others.retain(|name| is_log(name));
        others.retain(|name| self.state().logs.iter().all(|log| log.name != *name));
        // Else a log that is being folded would seem to be one of a process that lives.
        let folding = (!others.is_empty()).then(|| self.lock_folding()).transpose();
        let (mut orphan, mut are_all_dead) = (None, true);
        for name in others {
            // One that cannot be taken over, on a full disk say, is so at a later start.
            if folding.is_ok() && self.fold(&name).unwrap_or(false) {
                continue;
            }
            are_all_dead = false;
            let bytes = self.folder.read(&name).map_err(|error| (name, error))?;
            orphan = open_records(&bytes.unwrap_or_default()).remove(id).or(orphan);
        }
        self.state().alone = (are_all_dead && is_settled).then_some(Alone { version, sessions });
        Ok(Remains { orphan, has_files: true })
    }

    /// `false`: the log's process lives.
    fn fold(&self, name: &str) -> io::Result<bool> {
        let id = name.strip_suffix(SUFFIX).unwrap_or_default();
        let Some(_lock) = self.locks.try_lock(id)? else { return Ok(false) };
        let open = open_records(&self.folder.read(name)?.unwrap_or_default());
        // A full disk has kept a newer one from the log, and perhaps the end of this one.
        for (id, record) in open.iter().filter(|(id, _)| self.folder.is_free(&intent(id))) {
            let draft = self.folder.draft(record.as_bytes())?;
            draft.sync()?;
            draft.publish(&intent(id))?;
        }
        if !open.is_empty() {
            self.folder.sync()?;
        }
        self.folder.remove(name)?;
        Ok(true)
    }

    fn lock_folding(&self) -> io::Result<Lock> {
        for _ in 0..TRIES {
            if let Some(lock) = self.locks.try_lock(FOLDING)? {
                return Ok(lock);
            }
            std::thread::sleep(PAUSE);
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    fn remove_ended(&self, logs: &mut Vec<Log>) {
        logs.retain(|log| {
            // One that stays is removed by the next start.
            log.open.is_empty().then(|| self.folder.remove(&log.name)).is_none()
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for IntentLog {
    fn drop(&mut self) {
        if self.locks.is_ours() {
            let mut logs = std::mem::take(&mut self.state().logs);
            self.remove_ended(&mut logs);
        }
    }
}

impl Log {
    fn new(folder: &Folder, locks: &Arc<Locks>) -> io::Result<Self> {
        let id = format!("{:016x}", RandomState::new().hash_one(std::process::id()));
        // Before it can be found.
        let lock = locks.try_lock(&id)?.ok_or(io::ErrorKind::WouldBlock)?;
        let name = id + SUFFIX;
        let file = Arc::new(folder.create(&name)?);
        let (owed, open) = (String::new(), HashMap::new());
        Ok(Self { name, _lock: lock, file, end: 0, notes: 0, synced: 0, owed, open })
    }

    /// One write, over what a failed one may have left.
    fn append(&mut self, line: &str) -> io::Result<()> {
        let all = if self.owed.is_empty() { line } else { &(self.owed.clone() + line) };
        let written = self.file.write_all_at(all.as_bytes(), self.end);
        written.map(|()| self.end += all.len() as u64).or_else(|error| self.reuse(line, error))?;
        self.owed.clear();
        Ok(())
    }

    /// On a full disk what has ended gives room. Empty lines cover the rest until it is cut off.
    fn reuse(&mut self, line: &str, full: io::Error) -> io::Result<()> {
        let open = self.open.iter().filter_map(|(id, record)| log_line(id, Some(record)));
        let all = open.collect::<String>() + line;
        let length = all.len() as u64;
        if length > self.end {
            return Err(full);
        }
        let rest = usize::try_from(self.end - length).unwrap_or_default();
        self.file.write_all_at((all + &"\n".repeat(rest)).as_bytes(), 0)?;
        self.file.set_len(length)?;
        self.end = length;
        Ok(())
    }
}

/// What is noted in logs, by name, and the logs that cannot be read.
#[derive(Default)]
pub(super) struct Noted {
    pub(super) records: HashMap<String, String>,
    pub(super) unreadable: Vec<(String, io::Error)>,
}

/// Reads the logs of all processes, dead or alive.
pub(super) fn noted(folder: &Folder) -> io::Result<Noted> {
    let mut noted = Noted::default();
    for name in names(folder)? {
        match folder.read(&name) {
            Ok(bytes) => noted.records.extend(open_records(&bytes.unwrap_or_default())),
            Err(error) => noted.unreadable.push((name, error)),
        }
    }
    Ok(noted)
}

fn names(folder: &Folder) -> io::Result<Vec<String>> {
    let mut names = folder.names()?;
    names.retain(|name| is_log(name));
    Ok(names)
}

fn is_log(name: &str) -> bool {
    name.strip_suffix(SUFFIX).is_some_and(is_id)
}

#[cfg(test)]
impl IntentLog {
    /// Whether something is noted, and all of it survives a power cut.
    pub(super) fn is_synced(&self) -> bool {
        let state = self.state();
        !state.logs.is_empty() && state.logs.iter().all(|log| log.synced == log.notes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitsup_core::journal::Intent;

    fn record(begun: u64) -> String {
        let intent = Intent::new("http://h/x".into(), "/x".into(), 1, None, begun);
        intent.encode().expect("text")
    }

    #[test]
    fn a_folder_that_has_just_changed_is_looked_at_again() {
        let state = tempfile::tempdir().expect("folder");
        let folder = Arc::new(Folder::make(state.path()).expect("folder"));
        let log = IntentLog::new(Arc::clone(&folder));
        log.fold_dead(FOLDING).expect("nothing is there");
        assert!(log.state().alone.is_none());
        let long_ago = std::time::UNIX_EPOCH + Duration::from_secs(1);
        let file = File::open(state.path().join("sessions")).expect("open");
        file.set_modified(long_ago).expect("set");
        log.fold_dead(FOLDING).expect("nothing is there");
        let version = |log: &IntentLog| log.state().alone.as_ref().map(|alone| alone.version);
        assert_eq!(version(&log), Some(folder.version().expect("known")));
        // Files that are known not to be there are not read.
        assert!(!log.fold_dead(FOLDING).expect("known").has_files);
        folder.draft(b"").and_then(|draft| draft.publish(&intent(FOLDING))).expect("made");
        assert!(log.fold_dead(FOLDING).expect("looked at").has_files);
        file.set_modified(long_ago + Duration::from_secs(1)).expect("set");
        log.fold_dead(FOLDING).expect("looked at");
        assert!(log.fold_dead(FOLDING).expect("known").has_files);
    }

    /// The log could take neither the newer note nor the end of its own.
    #[test]
    fn what_a_log_says_is_older_than_a_file_of_its_own() {
        let _rule = bitsup_server::rule!("RES-06");
        let state = tempfile::tempdir().expect("folder");
        let folder = Arc::new(Folder::make(state.path()).expect("folder"));
        let log = IntentLog::new(Arc::clone(&folder));
        let ids = ["0123456789abcdef", "1123456789abcdef"];
        for id in ids {
            assert!(log.note(id, &record(1)).expect("noted"));
        }
        folder
            .draft(record(2).as_bytes())
            .and_then(|draft| draft.publish(&intent(ids[0])))
            .expect("made");
        // As after a kill: its lock is free, and what is open stays.
        drop(log);
        IntentLog::new(Arc::clone(&folder)).fold_dead(FOLDING).expect("folded");
        let read = |id| folder.read(&intent(id)).expect("read").expect("there");
        assert_eq!(ids.map(read), [2, 1].map(|begun| record(begun).into_bytes()));
        assert!(names(&folder).expect("read").is_empty());
    }

    #[test]
    fn on_a_full_disk_what_has_ended_gives_room() {
        let state = tempfile::tempdir().expect("folder");
        let folder = Arc::new(Folder::make(state.path()).expect("folder"));
        let log = IntentLog::new(Arc::clone(&folder));
        let ids = ["0123456789abcdef", "1123456789abcdef", "2123456789abcdef"];
        for id in &ids[..2] {
            assert!(log.note(id, &record(1)).expect("noted"));
        }
        let open = || noted(&folder).expect("read").records;
        let line = log_line(ids[2], Some(&record(3))).expect("short");
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let kind = {
            let first = &mut log.state().logs[0];
            first.reuse(&line, full()).expect_err("all is open").kind()
        };
        assert_eq!((kind, open().len()), (io::ErrorKind::StorageFull, 2));
        log.note(ids[1], &record(2)).expect("noted");
        log.end(ids[0]);
        log.state().logs[0].reuse(&line, full()).expect("noted");
        let open = open();
        assert_eq!((&open[ids[1]], &open[ids[2]], open.len()), (&record(2), &record(3), 2));
        let state = log.state();
        let length = std::fs::metadata(folder.path(&state.logs[0].name)).expect("there").len();
        assert_eq!(length, state.logs[0].end);
    }
}
