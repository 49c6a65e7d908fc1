//! The reply of an upload-reply session: the server's, and the file that the client makes of it.

use std::time::Duration;

use bitsup_proto::reply::{Get, Got};

use super::random::Random;
use super::server::Server;

/// What the client has of the reply.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReplyFile {
    received: u64,
    /// Which version the bytes are of.
    version: u64,
    /// Bytes of two versions that could be told apart stand in it.
    mixed: bool,
    /// Which version the server has.
    current: u64,
}

impl ReplyFile {
    /// Performs a GET at the server: what came of it, cut off perhaps.
    pub(crate) fn get(
        &mut self,
        get: &Get,
        server: &Server,
        cut: bool,
        random: &mut Random,
    ) -> Got {
        let Some(total) = server.traits.reply else {
            return Got { status: 404, ..Got::default() };
        };
        if random.chance(server.traits.reply_changes) {
            self.current += 1;
        }
        let from = if get.restart { 0 } else { get.from };
        self.received = self.received.min(from);
        self.mixed &= self.received > 0;
        if from > 0 && from >= total {
            return Got { status: 416, ..Got::default() };
        }
        let left = total - from;
        let length = if cut { random.below(left + 1) } else { left };
        if self.received > 0 && self.version != self.current && length > 0 {
            self.mixed = server.traits.reply_dated;
        }
        self.version = self.current;
        self.received = from + length;
        let date = Duration::from_secs(self.current);
        Got {
            status: if from > 0 { 206 } else { 200 },
            length,
            content_length: Some(left),
            range: (from > 0).then(|| (from, total - 1, total)),
            last_modified: server.traits.reply_dated.then(|| format!("{date:?}")),
            cut: length < left,
            unmarked: false,
            remark: None,
        }
    }

    /// Whether it is one whole version.
    pub(crate) fn is_whole(&self, server: &Server) -> bool {
        server.traits.reply == Some(self.received) && !self.mixed
    }
}
