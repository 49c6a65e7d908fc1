//! The open sessions.

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::server::session::{Phase, Record, Session};
use crate::server::target::Target;

/// Sessions by id; their data is in the state folder.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    sessions: Mutex<HashMap<String, Arc<Session>>>,
    max_sessions: usize,
    timeout: Duration,
    sync: bool,
}

/// Why there is no new session.
#[derive(Debug)]
pub(crate) enum CreateError {
    TooMany,
    Io(io::Error),
}

impl Store {
    /// Reads the sessions that an earlier run left.
    pub(crate) fn open(
        state: &Path,
        max_sessions: usize,
        timeout: Duration,
        sync: bool,
    ) -> io::Result<Self> {
        let folder = state.join("sessions");
        fs::create_dir_all(&folder)?;
        let mut sessions = HashMap::new();
        for entry in fs::read_dir(&folder)?.take(max_sessions) {
            let path = entry?.path();
            match Session::load(path.clone()) {
                Ok(session) => {
                    sessions.insert(session.id.clone(), Arc::new(session));
                }
                Err(error) => tracing::warn!("left aside: {}: {error}", path.display()),
            }
        }
        Ok(Self { folder, sessions: Mutex::new(sessions), max_sessions, timeout, sync })
    }

    /// Makes a session. Writes to the disk.
    pub(crate) fn create(
        &self,
        target: Target,
        connection: u64,
    ) -> Result<Arc<Session>, CreateError> {
        if self.len() >= self.max_sessions {
            self.remove_idle();
        }
        let mut sessions = self.lock();
        if sessions.len() >= self.max_sessions {
            return Err(CreateError::TooMany);
        }
        let session = Session::create(&self.folder, Record::new(target), connection, self.sync)
            .map_err(CreateError::Io)?;
        let session = Arc::new(session);
        sessions.insert(session.id.clone(), Arc::clone(&session));
        Ok(session)
    }

    /// The session of that id, if its time is not over.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<Session>> {
        let session = Arc::clone(self.lock().get(id)?);
        (session.idle_seconds() <= self.timeout.as_secs()).then_some(session)
    }

    /// Deletes a session, its data and its reply. Writes to the disk.
    pub(crate) fn remove(&self, session: &Session, record: &mut Record) -> io::Result<()> {
        self.lock().remove(&session.id);
        record.phase = Phase::Gone;
        session.delete()
    }

    /// Deletes the sessions whose time is over. Writes to the disk.
    pub(crate) fn remove_idle(&self) {
        let idle: Vec<_> = self
            .lock()
            .values()
            .filter(|session| session.idle_seconds() > self.timeout.as_secs())
            .cloned()
            .collect();
        for session in idle {
            self.remove_if(&session, |_| true);
        }
    }

    /// Deletes a session that no packet has come for. Writes to the disk.
    pub(crate) fn remove_unused(&self, session: &Session) {
        self.remove_if(session, |record| {
            record.phase == Phase::Receiving && record.total.is_none()
        });
    }

    fn remove_if(&self, session: &Session, condition: impl FnOnce(&Record) -> bool) {
        // One that is busy is neither idle nor unused.
        if let Some(mut record) = session.look_if_free()
            && condition(&record)
            && let Err(error) = self.remove(session, &mut record)
        {
            tracing::warn!("cannot delete session {}: {error}", session.id);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        // The map is whole after any panic: each change is one call.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a lock that was given back can be held by a process that was forked meanwhile and runs no program yet.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// Makes the state folder and keeps other servers out of it as long as the file is open.
pub(crate) fn lock_state(state: &Path) -> io::Result<File> {
    fs::create_dir_all(state)?;
    let file = File::create(state.join("lock"))?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if begun.elapsed() < LOCK_PATIENCE => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::new(
                    io::ErrorKind::ResourceBusy,
                    "another server is using it; give this one another state folder",
                ));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target::parse("/a").expect("sound path")
    }

    #[test]
    fn the_number_of_sessions_is_bounded() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let store = Store::open(folder.path(), 2, Duration::from_mins(1), false).expect("store");
        let first = store.create(target(), 1).expect("first");
        store.create(target(), 1).expect("second");
        assert!(matches!(store.create(target(), 1), Err(CreateError::TooMany)));
        store.remove(&first, &mut first.look_if_free().expect("free")).expect("removed");
        store.create(target(), 1).expect("a free place");
        assert_eq!(fs::read_dir(folder.path().join("sessions")).expect("folder").count(), 2);
    }

    #[test]
    fn sessions_outlive_the_store_and_damaged_ones_are_left_aside() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let open = || Store::open(folder.path(), 9, Duration::from_mins(1), false).expect("store");
        let id = open().create(target(), 1).expect("session").id.clone();
        fs::create_dir(folder.path().join("sessions/damaged")).expect("folder");
        let store = open();
        assert!(store.find(&id).is_some());
        assert_eq!(store.len(), 1);
        assert!(store.find(&id.to_lowercase()).is_none(), "ids are opaque");
    }

    #[test]
    fn one_server_a_state_folder() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let lock = lock_state(folder.path()).expect("lock");
        assert_eq!(
            lock_state(folder.path()).map(drop).map_err(|error| error.kind()),
            Err(io::ErrorKind::ResourceBusy)
        );
        drop(lock);
        lock_state(folder.path()).expect("free again");
    }
}
