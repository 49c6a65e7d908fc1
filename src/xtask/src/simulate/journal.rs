//! The disk of the simulated client: the last checkpoints that were stored.

use std::time::Duration;

use bitsup_proto::Checkpoint;

use super::scenario::Loses;

/// How long what is stored may wait to be synced.
const SYNC: Duration = Duration::from_secs(1);

/// The journal of one upload: what each kind of crash would leave of it.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    last: Option<Checkpoint>,
    before: Option<Checkpoint>,
    synced: Option<Checkpoint>,
    synced_at: Duration,
}

impl Journal {
    /// Stores a checkpoint, or that there is no session any more.
    pub(crate) fn store(&mut self, now: Duration, checkpoint: Option<Checkpoint>) {
        let id = |checkpoint: &Option<Checkpoint>| {
            checkpoint.as_ref().map(|checkpoint| checkpoint.session_id.clone())
        };
        self.before = std::mem::replace(&mut self.last, checkpoint);
        // A new session is synced at once, all else when its time has come.
        if id(&self.last) != id(&self.synced) || now >= self.synced_at + SYNC {
            self.synced.clone_from(&self.last);
            self.synced_at = now;
        }
    }

    /// What another process finds after a crash: through the form that is kept on disk.
    pub(crate) fn read(&mut self, loses: Loses) -> Result<Option<Checkpoint>, String> {
        let found = match loses {
            Loses::Nothing => &self.last,
            Loses::LastStore => &self.before,
            Loses::NotSynced => &self.synced,
        };
        let Some(found) = found else {
            *self = Self::default();
            return Ok(None);
        };
        let text = serde_json::to_string(found).map_err(|error| error.to_string())?;
        let read: Checkpoint = serde_json::from_str(&text)
            .map_err(|error| format!("a checkpoint does not read back: {error}: {text}"))?;
        if read != *found {
            return Err(format!("a checkpoint reads back as another one: {text}"));
        }
        let kept = Some(read.clone());
        (self.last, self.before, self.synced) = (kept.clone(), kept.clone(), kept);
        Ok(Some(read))
    }
}
