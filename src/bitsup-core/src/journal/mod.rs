//! What is kept of a session so that it can be continued after a restart.
//!
//! A journal is one small file: a line of JSON and a line with its checksum, replaced by
//! rename. What must be stored sooner than a file can be replaced is noted: one write to a log
//! that all uploads of a process share, or a second file. An upload that is over after one
//! Fragment has notes only.
//!
//! MC-BUP has no way to find a session whose id is not known. Between the server's making of a
//! session and the moment its id is on disk, the end of the process loses it, and the server
//! holds it for days. So the answer is followed by one write to a file that is open already,
//! and nothing else. An unavoidable loss (the answer never arrived, or not a single
//! instruction was left to read it) is reported by the next run: the intent is noted before
//! the request goes out.
//!
//! A note is valid until the journal is synced, or has a newer session. A power cut may take what was
//! noted in the last second: then there is no session known, as without it.

mod files;
mod hashing;
mod identity;
mod intent_log;
mod pending;
mod prefix;
mod record;
mod session_journal;

pub use files::{Contents, File, Files, Unusable};
pub use hashing::{HASH_AFTER, HashStep};
pub use identity::{Attributes, Difference, Identity};
pub use intent_log::{is_id, log_line, open_records};
pub use pending::{Pending, Work};
pub use prefix::{BLOCK, Bytes, Prefix, check_tail, hash_prefix};
pub use record::{Entry, Intent, ResumeDecision};
pub use session_journal::{EntryKey, Finish, Proof, SYNC, SessionJournal, Timestamp};
