//! One upload: what is known of it, in memory and on disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, MutexGuard, OwnedMutexGuard, watch};
use uuid::Uuid;

use crate::server::target::Target;

/// Version of the record on disk.
const VERSION: u32 = 1;
/// Largest record read back: a path of the greatest depth and length fits several times.
const MAX_RECORD: u64 = 256 * 1024;

/// What of a session is kept on disk, beside its data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    version: u32,
    pub(crate) id: String,
    pub(crate) target: Target,
    /// Seconds since 1970 of the last packet.
    pub(crate) active: u64,
    /// Size of the whole file, known from the first fragment on.
    pub(crate) total: Option<u64>,
    /// Bytes at the start of the data file that count.
    pub(crate) received: u64,
    pub(crate) phase: Phase,
    /// Reply URL as the client is told.
    pub(crate) reply_url: Option<String>,
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    /// Takes fragments.
    Receiving,
    /// All is there, and the reply too.
    Replied,
    /// The file is being moved to its place: there already, if the data is gone.
    Publishing,
    /// The file is at its place.
    Published,
    /// Closed, cancelled or expired; never written to disk.
    Gone,
}

/// A session in memory. Packets of one session take turns by the lock on its record.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    folder: PathBuf,
    /// Connection that created it.
    pub(crate) connection: u64,
    /// Copy of `Record::active` that the cleanup reads without waiting.
    active: AtomicU64,
    /// Raised by each packet that wants its turn.
    turn: watch::Sender<u64>,
    target: Target,
    record: Arc<Mutex<Record>>,
}

/// The place of a packet in the order of arrival.
#[derive(Debug)]
pub(crate) struct Turn {
    number: u64,
    latest: watch::Receiver<u64>,
}

impl Turn {
    /// Waits for a newer packet of the same session; for ever if the session ends.
    pub(crate) async fn superseded(&mut self) {
        if self.latest.wait_for(|latest| *latest > self.number).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Record {
    pub(crate) fn new(target: Target) -> Self {
        let id = format!("{{{}}}", Uuid::new_v4().hyphenated().to_string().to_uppercase());
        Self {
            version: VERSION,
            id,
            target,
            active: now(),
            total: None,
            received: 0,
            phase: Phase::Receiving,
            reply_url: None,
        }
    }

    /// All bytes are there; a file without a fragment is empty.
    pub(crate) fn is_complete(&self) -> bool {
        self.total.is_none_or(|total| self.received >= total)
    }
}

impl Session {
    /// Makes the folder of a new session, with an empty data file.
    pub(crate) fn create(
        sessions: &Path,
        record: Record,
        connection: u64,
        sync: bool,
    ) -> io::Result<Self> {
        let session = Self::of(sessions.join(folder_name(&record.id)), record, connection);
        fs::create_dir(&session.folder)?;
        File::create(session.data_path())?;
        session.save(&session.record.try_lock().map_err(io::Error::other)?.clone(), sync)?;
        Ok(session)
    }

    /// Reads a session that an earlier run left in `folder`.
    pub(crate) fn load(folder: PathBuf) -> io::Result<Self> {
        let mut text = String::new();
        File::open(folder.join("session.json"))?.take(MAX_RECORD).read_to_string(&mut text)?;
        let mut record: Record = serde_json::from_str(&text)?;
        let named_right = folder.file_name().is_some_and(|name| *name == *folder_name(&record.id));
        if record.version != VERSION || !named_right || !record.target.is_sound() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "not a session record of this version",
            ));
        }
        // The record is the truth, but for data that is not there.
        if record.phase == Phase::Receiving {
            let there = fs::metadata(folder.join("requestfile.bin")).map_or(0, |data| data.len());
            record.received = record.received.min(there);
        }
        Ok(Self::of(folder, record, 0))
    }

    fn of(folder: PathBuf, record: Record, connection: u64) -> Self {
        Self {
            id: record.id.clone(),
            folder,
            connection,
            active: AtomicU64::new(record.active),
            turn: watch::Sender::new(0),
            target: record.target.clone(),
            record: Arc::new(Mutex::new(record)),
        }
    }

    pub(crate) fn data_path(&self) -> PathBuf {
        self.folder.join("requestfile.bin")
    }

    pub(crate) fn reply_path(&self) -> PathBuf {
        self.folder.join("responsefile.bin")
    }

    pub(crate) fn open_data(&self) -> io::Result<File> {
        OpenOptions::new().write(true).open(self.data_path())
    }

    /// Waits for this packet's turn. A body that is still being read for the same session on
    /// another connection ends: its client has given that connection up.
    pub(crate) async fn take_turn(&self) -> (OwnedMutexGuard<Record>, Turn) {
        let mut number = 0;
        self.turn.send_modify(|turn| {
            *turn += 1;
            number = *turn;
        });
        let turn = Turn { number, latest: self.turn.subscribe() };
        (Arc::clone(&self.record).lock_owned().await, turn)
    }

    /// The record, if no packet has its turn.
    pub(crate) fn look_if_free(&self) -> Option<MutexGuard<'_, Record>> {
        self.record.try_lock().ok()
    }

    /// Where the file goes; this never changes.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    pub(crate) fn touch(&self, record: &mut Record) {
        record.active = now();
        self.active.store(record.active, Ordering::Relaxed);
    }

    pub(crate) fn idle_seconds(&self) -> u64 {
        now().saturating_sub(self.active.load(Ordering::Relaxed))
    }

    /// Writes the record beside the old one and takes its place in one step.
    pub(crate) fn save(&self, record: &Record, sync: bool) -> io::Result<()> {
        let (next, place) =
            (self.folder.join("session.json.new"), self.folder.join("session.json"));
        let mut file = File::create(&next)?;
        file.write_all(&serde_json::to_vec(record)?)?;
        if sync {
            file.sync_all()?;
        }
        fs::rename(next, place)?;
        if sync { File::open(&self.folder)?.sync_all() } else { Ok(()) }
    }

    pub(crate) fn delete(&self) -> io::Result<()> {
        fs::remove_dir_all(&self.folder)
    }
}

/// `{ID}` without its braces.
fn folder_name(id: &str) -> String {
    id.trim_matches(['{', '}']).to_owned()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved() -> (tempfile::TempDir, Session, Record) {
        let folder = tempfile::tempdir().expect("temporary folder");
        let record = Record::new(Target::parse("/up/a").expect("sound path"));
        let session = Session::create(folder.path(), record.clone(), 1, true).expect("session");
        (folder, session, record)
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let (_folder, session, mut record) = saved();
        fs::write(session.data_path(), b"12345").expect("data");
        record.total = Some(u64::MAX);
        record.received = 5;
        session.save(&record, false).expect("saved");
        let loaded = Session::load(session.folder.clone()).expect("loaded");
        assert_eq!(*loaded.record.try_lock().expect("free"), record);
    }

    #[test]
    fn bytes_that_are_not_there_do_not_count() {
        let (_folder, session, mut record) = saved();
        fs::write(session.data_path(), b"123").expect("data");
        record.received = 5;
        session.save(&record, false).expect("saved");
        let loaded = Session::load(session.folder.clone()).expect("loaded");
        assert_eq!(loaded.record.try_lock().expect("free").received, 3);
    }

    #[test]
    fn a_record_of_another_kind_is_refused() {
        let (_folder, session, record) = saved();
        for bad in [
            Record { version: 2, ..record.clone() },
            Record { id: "{../../x}".into(), ..record.clone() },
            Record {
                target: Target { folders: vec!["..".into()], name: "x".into() },
                ..record.clone()
            },
        ] {
            session.save(&bad, false).expect("saved");
            assert!(Session::load(session.folder.clone()).is_err(), "{bad:?}");
        }
        fs::write(session.folder.join("session.json"), b"{").expect("written");
        assert!(Session::load(session.folder.clone()).is_err());
    }
}
