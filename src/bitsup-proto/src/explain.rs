//! What an answer most likely means and what to do about it: one table for all languages.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;

use crate::ack::Ack;
use crate::error::{Error, ErrorKind};
use crate::hresult::{CONTEXT_REMOTE_APPLICATION, Hresult};
use crate::packet::PacketType;

mod table;
pub use table::{Entry, TABLE};

/// So much of an error code that cannot be read is shown: all that a real one could have, and some.
const SHOWN: usize = 40;

/// Where an entry applies: every field that is `Some` must match.
#[derive(Clone, Copy, Debug, Default)]
pub struct Key {
    /// The HTTP status.
    pub status: Option<u16>,
    /// The BITS error.
    pub code: Option<u32>,
    /// The error context.
    pub context: Option<u32>,
    /// The packet that was answered.
    pub packet: Option<PacketType>,
    /// The answer must have (`true`) or lack (`false`) headers of BITS.
    pub bits: Option<bool>,
}

/// The entry for an answer.
#[must_use]
pub fn lookup(key: &Key) -> Option<&'static Entry> {
    TABLE.iter().find(|entry| entry.key.covers(key))
}

/// The entries for a code, a status or a name, as a person types it: `0x80200020`, `413`,
/// `BG_E_SESSION_NOT_FOUND`, also the name of an error kind.
pub fn search(text: &str) -> impl Iterator<Item = &'static Entry> {
    let text = text.trim();
    let decimal = text.parse::<u16>().ok().filter(|status| (100..600).contains(status));
    let code = Hresult::from_name(text).or_else(|| match decimal {
        Some(_) => None,
        None => Hresult::parse(text),
    });
    let status = decimal.or_else(|| code.and_then(Hresult::status));
    TABLE.iter().filter(move |entry| {
        (status.is_some() && entry.key.status == status && entry.key.code.is_none())
            || (code.is_some() && entry.key.code == code.map(|code| code.0))
    })
}

/// The error for an answer that says no, or "later".
#[must_use]
pub fn refusal(packet: PacketType, ack: &Ack<'_>) -> Error {
    let key = Key {
        status: Some(ack.status),
        code: ack.code.map(|code| code.0),
        context: ack.context,
        packet: Some(packet),
        bits: Some(ack.is_ack || ack.code.is_some()),
    };
    let message = match lookup(&key) {
        Some(entry) => Cow::Borrowed(entry.title),
        None if ack.context == Some(CONTEXT_REMOTE_APPLICATION) => {
            Cow::Borrowed("the application behind the server reported an error")
        }
        None => Cow::Owned(format!("the server refused {packet}")),
    };
    let message = match ack.unread_code.filter(|text| text.bytes().any(|b| b.is_ascii_graphic())) {
        Some(text) => {
            let text: String = text.chars().take(SHOWN).collect();
            Cow::Owned(format!("{message} (with an error code that cannot be read: {text:?})"))
        }
        None => message,
    };
    let error = Error::new(ErrorKind::Refused, message)
        .during(packet)
        .with_status(ack.status)
        .with_context(ack.context);
    match ack.code {
        Some(code) => error.with_code(code),
        None => error,
    }
}

/// What to do next about an error, in one or two sentences.
#[must_use]
pub fn advice(error: &Error) -> &'static str {
    let code = error.hresult().filter(|code| code.status() != error.http_status());
    let key = Key {
        status: error.http_status(),
        code: code.map(|code| code.0),
        context: error.context(),
        packet: error.packet(),
        bits: Some(code.is_some() || error.context().is_some()),
    };
    match lookup(&key) {
        Some(entry) if error.http_status().is_some() || code.is_some() => entry.advice,
        _ => table::advice_for_kind(error.kind()),
    }
}

impl Key {
    fn covers(&self, answer: &Self) -> bool {
        fn fits<T: PartialEq>(wanted: Option<&T>, got: Option<&T>) -> bool {
            wanted.is_none() || wanted == got
        }
        fits(self.status.as_ref(), answer.status.as_ref())
            && fits(self.code.as_ref(), answer.code.as_ref())
            && fits(self.context.as_ref(), answer.context.as_ref())
            && fits(self.packet.as_ref(), answer.packet.as_ref())
            && fits(self.bits.as_ref(), answer.bits.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ack(status: u16, code: Option<u32>, context: Option<u32>) -> Ack<'static> {
        Ack { status, code: code.map(Hresult), context, ..Ack::default() }
    }

    #[test]
    fn uploads_not_enabled_is_named_where_no_bits_server_answered() {
        let _rule = bitsup_server::rule!("ERR-15");
        for status in [404, 501] {
            let error = refusal(PacketType::CreateSession, &ack(status, None, None));
            assert!(advice(&error).contains("not enabled"), "{status}: {}", advice(&error));
        }
        let error = refusal(PacketType::Fragment, &ack(404, None, None));
        assert!(advice(&error).contains("not enabled") && advice(&error).contains("size limit"));
    }

    #[test]
    fn disk_full_and_application_time_out_are_told_apart() {
        let _rule = bitsup_server::rule!("ERR-11");
        for code in [0x8007_0070, 0x8007_0112] {
            let error = refusal(PacketType::Fragment, &ack(500, Some(code), Some(5)));
            assert!(error.message().contains("disk is full"), "{error}");
        }
        let error = refusal(PacketType::Fragment, &ack(408, Some(0x8007_0112), Some(7)));
        assert!(
            error.message().contains("application") && error.message().contains("in time"),
            "{error}"
        );
    }

    #[test]
    fn a_person_finds_codes_in_every_form() {
        for text in
            ["0x80200020", "BG_E_TOO_LARGE", "bg_e_too_large", "413", "0x80190193", "x8020001F"]
        {
            assert!(search(text).next().is_some(), "{text}");
        }
        for text in ["", "hello", "99", "0xDEAD"] {
            assert!(search(text).next().is_none(), "{text}");
        }
    }

    #[test]
    fn every_entry_can_be_reached_and_says_something() {
        for (at, entry) in TABLE.iter().enumerate() {
            assert!(!entry.title.ends_with('.') && !entry.title.contains('\n'), "{}", entry.title);
            assert!(entry.advice.ends_with('.') && !entry.cause.is_empty(), "{}", entry.title);
            let found = TABLE.iter().position(|other| other.key.covers(&entry.key));
            assert_eq!(found, Some(at), "hidden by an earlier entry: {}", entry.title);
        }
    }
}
