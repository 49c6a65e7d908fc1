//! What uploads have learned about endpoints, for the next ones.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bitsup_proto::session::{Learned, OffsetHandling};
use serde::{Deserialize, Serialize};

/// The oldest is forgotten when there are more: a client talks to a few servers.
const MAX_ENDPOINTS: usize = 1000;

/// One endpoint: scheme, host, port and folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Endpoint {
    /// The largest fragment that may pass, where a larger one was refused.
    pub(crate) max_fragment: Option<u64>,
    /// How it treats offsets.
    pub(crate) offsets: OffsetHandling,
    /// It forgot sessions while it held more than a few.
    pub(crate) holds_few: bool,
    /// Seconds since 1970.
    seen: u64,
}

impl Endpoint {
    /// The same, for a state machine.
    pub(crate) fn learned(&self) -> Learned {
        Learned { size: self.max_fragment, offsets: self.offsets }
    }
}

/// All of a client's endpoints, kept in the state directory if there is one.
#[derive(Debug, Default)]
pub(crate) struct Endpoints {
    known: BTreeMap<String, Endpoint>,
    file: Option<PathBuf>,
}

impl Endpoints {
    /// Reads what is known. It is advice, so a file that cannot be read counts as empty.
    pub(crate) fn open(file: Option<PathBuf>) -> Self {
        let known = file.as_deref().map(load).unwrap_or_default();
        Self { known, file }
    }

    pub(crate) fn get(&self, endpoint: &str) -> Endpoint {
        self.known.get(endpoint).cloned().unwrap_or_default()
    }

    /// Takes what an upload learned; what to write where, if that is new.
    pub(crate) fn learn(
        &mut self,
        endpoint: &str,
        learned: &Learned,
        holds_few: bool,
    ) -> Option<(PathBuf, String)> {
        let before = self.get(endpoint);
        let after = Endpoint {
            max_fragment: learned.size.or(before.max_fragment),
            offsets: learned.offsets,
            holds_few: holds_few || before.holds_few,
            seen: before.seen,
        };
        if after == before {
            return None;
        }
        self.known.insert(endpoint.to_owned(), Endpoint { seen: super::unix_now(), ..after });
        while self.known.len() > MAX_ENDPOINTS {
            let oldest = self.known.iter().min_by_key(|(_, endpoint)| endpoint.seen);
            let Some(oldest) = oldest.map(|(name, _)| name.clone()) else { break };
            self.known.remove(&oldest);
        }
        let text = serde_json::to_string(&self.known).ok()?;
        Some((self.file.clone()?, text))
    }
}

/// Writes the file; it is advice, so that a failure costs nothing.
pub(crate) fn store(file: &Path, text: &str) {
    if let Err(error) = super::disk::replace(file, text.as_bytes()) {
        tracing::debug!(%error, "what was learned of an endpoint cannot be kept");
    }
}

fn load(file: &Path) -> BTreeMap<String, Endpoint> {
    let bytes = super::disk::read_own(file).ok().flatten().unwrap_or_default();
    let known: BTreeMap<String, Endpoint> = serde_json::from_slice(&bytes).unwrap_or_default();
    if known.len() > MAX_ENDPOINTS { BTreeMap::new() } else { known }
}
