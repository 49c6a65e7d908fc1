//! A session as a line of text, so that another process or machine can go on with it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bitsup_proto::Checkpoint;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::{Identity, Prefix};
use crate::destination::Destination;
use crate::error::Error;

/// What every token begins with; the number is the version.
const PREFIX: &str = "bitsup1.";
/// A token has a URL, a session id and some numbers.
const MAX_TOKEN: usize = 16 * 1024;

/// What a token holds. There is no password in it, but it grants write access to the upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Token {
    pub(crate) url: String,
    pub(crate) checkpoint: Checkpoint,
    /// Of the source's first bytes: number of whole blocks, one hash for them, length and hash of the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) prefix: Option<(usize, u64, u64, u64)>,
    /// The source's time stamp, in tokens of earlier versions. It proves nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) modified: Option<(i64, i64)>,
    /// What the source was, which must be the same where the hashes do not reach all that was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) identity: Option<Identity>,
}

impl Token {
    pub(crate) fn prefix_of(prefix: &Prefix) -> (usize, u64, u64, u64) {
        let (length, hash) = prefix.tail();
        (prefix.blocks(), prefix.digest(), length, hash)
    }

    pub(crate) fn encode(&self) -> Option<String> {
        let mut bytes = serde_json::to_vec(self).ok()?;
        let checksum = xxh3_64(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        Some(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    pub(crate) fn decode(text: &str) -> Result<Self, Error> {
        let bad = |why: &str| Error::invalid(format!("the token cannot be used: {why}"));
        let text = text.trim();
        if text.len() > MAX_TOKEN {
            return Err(bad("it is too long"));
        }
        let encoded = text.strip_prefix(PREFIX).ok_or_else(|| {
            bad("it does not begin with bitsup1., as those that this program reads do")
        })?;
        let bytes =
            URL_SAFE_NO_PAD.decode(encoded).map_err(|_| bad("a character is wrong or missing"))?;
        let at = bytes.len().checked_sub(8).ok_or_else(|| bad("it is cut off"))?;
        let (json, checksum) = bytes.split_at(at);
        if xxh3_64(json).to_le_bytes() != checksum {
            return Err(bad("a character is wrong or missing"));
        }
        let token: Self = serde_json::from_slice(json).map_err(|_| bad("it is not understood"))?;
        Destination::parse(&token.url)?;
        if token.checkpoint.offset > token.checkpoint.size {
            return Err(bad("its offsets do not fit together"));
        }
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitsup_proto::SessionId;
    use proptest::prelude::*;

    fn token() -> Token {
        let checkpoint = Checkpoint {
            session_id: SessionId::new("{x}").expect("legal"),
            created: 1,
            size: 10,
            offset: 5,
            host_id: None,
            fallback_seconds: None,
            fallback_started: None,
            fallen_back: false,
            reply_url: None,
            restarts: 0,
            unconfirmed_resends: 0,
            offset_jumped: false,
            orphaned: false,
            checks_offsets: true,
            created_by_server: false,
            closing: false,
            predecessor: bitsup_proto::verify::Predecessor::None,
            before: None,
        };
        Token {
            url: "http://h/x?y".into(),
            checkpoint,
            prefix: Some((0, 1, 5, 2)),
            modified: None,
            identity: None,
        }
    }

    #[test]
    fn a_token_reads_back() {
        let text = token().encode().expect("encoded");
        assert!(text.starts_with(PREFIX) && text.len() < 600, "{text}");
        assert_eq!(Token::decode(&format!(" {text}\n")).expect("decoded"), token());
    }

    proptest! {
        #[test]
        fn an_altered_token_is_refused(at in any::<prop::sample::Index>(), to in any::<char>()) {
            let text: Vec<char> = token().encode().expect("encoded").chars().collect();
            let at = at.index(text.len());
            prop_assume!(text[at] != to);
            let mut altered = text.clone();
            altered[at] = to;
            prop_assert!(Token::decode(&altered.iter().collect::<String>()).is_err());
            prop_assert!(Token::decode(&text[..at].iter().collect::<String>()).is_err());
        }
    }
}
