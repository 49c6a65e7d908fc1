//! What the journal is told of the state machine, and before what else.

use bitsup_proto::session::Session;
use bitsup_proto::{Checkpoint, PacketType, SessionId};

/// Looks at the state machine of one upload for its journal.
#[derive(Debug, Default)]
pub struct Watch {
    /// The session that the journal is about.
    kept: Option<SessionId>,
}

/// News for the journal.
#[derive(Debug)]
pub struct News {
    /// A session was made since the last news: it is noted before anything else happens.
    pub created: Option<Checkpoint>,
    /// What the server has acknowledged, and where the session stands, if there is one.
    pub offset: u64,
    /// See [`Self::offset`].
    pub checkpoint: Option<Checkpoint>,
}

/// What is done with the journal at once, when a packet was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing.
    Nothing,
    /// There is a session: whoever is killed from here on must find it again. So [`Watch::news`]
    /// are taken before anything else.
    Created,
    /// A Create-Session brought none: the mark that one is being made is removed.
    NotCreated,
}

impl Watch {
    /// The journal is about the session of this state machine, if it has one.
    #[must_use]
    pub fn new(session: &Session) -> Self {
        Self { kept: session.session_id().cloned() }
    }

    /// Step 5 of the driving contract: what is to be kept, if anything is.
    pub fn news(&mut self, session: &mut Session) -> Option<News> {
        if !session.take_checkpoint_due() {
            return None;
        }
        let checkpoint = session.checkpoint();
        let created = checkpoint.clone().filter(|checkpoint| {
            let is_new = self.kept.as_ref() != Some(&checkpoint.session_id);
            if is_new {
                self.kept = Some(checkpoint.session_id.clone());
            }
            is_new
        });
        Some(News { created, offset: session.offset(), checkpoint })
    }

    /// Step 3: lets the state machine take the answer to a packet.
    pub fn answered<R>(
        packet: PacketType,
        session: &mut Session,
        take: impl FnOnce(&mut Session) -> R,
    ) -> (R, Due) {
        let had_session = session.session_id().is_some();
        let taken = take(session);
        let due = match (had_session, session.session_id().is_some(), packet) {
            (false, true, _) => Due::Created,
            (_, _, PacketType::CreateSession) => Due::NotCreated,
            _ => Due::Nothing,
        };
        (taken, due)
    }
}
