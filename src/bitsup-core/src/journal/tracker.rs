//! What the journal is told of the state machine, and before what else.

use bitsup_proto::session::Session;
use bitsup_proto::{Checkpoint, SessionId};

/// Follows the state machine of one upload for its journal.
#[derive(Debug, Default)]
pub(crate) struct CheckpointTracker {
    /// The session that the journal is about.
    session: Option<SessionId>,
}

/// What the journal is to store.
#[derive(Debug)]
pub struct CheckpointUpdate {
    /// Where the session stands.
    pub checkpoint: Checkpoint,
    /// It was made since the last update: it is stored before anything else happens.
    pub is_new: bool,
}

impl CheckpointTracker {
    /// Follows the session of this state machine, if it has one.
    pub(crate) fn new(session: &Session) -> Self {
        Self { session: session.session_id().cloned() }
    }

    /// Step 5 of the driving contract: what is to be stored, if anything is. Of a session that is over nothing is;
    /// the next one's Create-Session or the end follows.
    pub(crate) fn update(&mut self, session: &mut Session) -> Option<CheckpointUpdate> {
        if !session.take_checkpoint_due() {
            return None;
        }
        let checkpoint = session.checkpoint()?;
        let is_new = self.session.as_ref() != Some(&checkpoint.session_id);
        if is_new {
            self.session = Some(checkpoint.session_id.clone());
        }
        Some(CheckpointUpdate { checkpoint, is_new })
    }
}
