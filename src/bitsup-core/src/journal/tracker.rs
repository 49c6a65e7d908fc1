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
    /// A session was made since the last update: it is stored before anything else happens.
    pub created: Option<Checkpoint>,
    /// What the server has acknowledged, and where the session stands, if there is one.
    pub offset: u64,
    /// See [`Self::offset`].
    pub checkpoint: Option<Checkpoint>,
}

impl CheckpointTracker {
    /// Follows the session of this state machine, if it has one.
    pub(crate) fn new(session: &Session) -> Self {
        Self { session: session.session_id().cloned() }
    }

    /// Step 5 of the driving contract: what is to be stored, if anything is.
    pub(crate) fn update(&mut self, session: &mut Session) -> Option<CheckpointUpdate> {
        if !session.take_checkpoint_due() {
            return None;
        }
        let checkpoint = session.checkpoint();
        let created = checkpoint.clone().filter(|checkpoint| {
            let is_new = self.session.as_ref() != Some(&checkpoint.session_id);
            if is_new {
                self.session = Some(checkpoint.session_id.clone());
            }
            is_new
        });
        Some(CheckpointUpdate { created, offset: session.offset(), checkpoint })
    }
}
