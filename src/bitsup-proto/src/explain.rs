//! What an answer most likely means and what to do about it: one table for all languages.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;

use crate::ack::Ack;
use crate::error::{Error, ErrorKind};
use crate::hresult::{CONTEXT_REMOTE_APPLICATION, Hresult};
use crate::packet::PacketType;

mod naming;
mod table;
pub use naming::{NAMES, Named, Naming, Reader, option_name, render, render_with, unknown_name};
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
        code: ack.code.filter(|code| *code != Hresult::OK).map(|code| code.0),
        context: ack.context,
        packet: Some(packet),
        bits: Some(ack.is_ack || ack.code.is_some()),
    };
    let entry = lookup(&key);
    let message = match entry {
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
    let error = match entry {
        Some(entry) => error.with_advice(entry.advice),
        // The explanations of a status are about answers of other servers.
        None if ack.is_ack => error.with_advice(table::advice_for_kind(ErrorKind::Refused)),
        None => error,
    };
    error.with_code(ack.code.unwrap_or(Hresult::OK)).with_remark(ack.remark)
}

/// What to do next about an error, in one or two sentences.
#[must_use]
pub fn advice(error: &Error, reader: Reader) -> Cow<'_, str> {
    render(advice_by_id(error), reader)
}

/// The same with options by id, for [`render`].
#[must_use]
pub fn advice_by_id(error: &Error) -> &str {
    error.advice().unwrap_or_else(|| looked_up(error))
}

/// For an error that was not made of an answer.
fn looked_up(error: &Error) -> &'static str {
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

impl Entry {
    /// The next step.
    #[must_use]
    pub fn advice(&self, reader: Reader) -> Cow<'static, str> {
        render(self.advice, reader)
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
    use crate::error::KINDS;

    fn ack(status: u16, code: Option<u32>, context: Option<u32>) -> Ack<'static> {
        Ack { status, code: code.map(Hresult), context, ..Ack::default() }
    }

    fn told(error: &Error) -> String {
        advice(error, Reader::Tool).into_owned()
    }

    #[test]
    fn uploads_not_enabled_is_named_where_no_bits_server_answered() {
        let _rule = bitsup_server::rule!("ERR-15");
        for status in [404, 501] {
            let error = refusal(PacketType::CreateSession, &ack(status, None, None));
            assert!(told(&error).contains("not enabled"), "{status}: {}", told(&error));
        }
        let error = refusal(PacketType::Fragment, &ack(404, None, None));
        assert!(told(&error).contains("not enabled") && told(&error).contains("size limit"));
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
            assert_eq!(unknown_name(entry.advice), None);
            for words in [entry.title, entry.cause] {
                assert!(!words.contains('{') && !words.contains("--"), "{words}");
            }
            let found = TABLE.iter().position(|other| other.key.covers(&entry.key));
            assert_eq!(found, Some(at), "hidden by an earlier entry: {}", entry.title);
        }
    }

    #[test]
    fn the_tools_options_are_told_to_the_tool_only() {
        let _rule = bitsup_server::rule!("OUT-05");
        let kinds = KINDS.iter().map(|row| Error::new(row.kind, "no"));
        let answers = TABLE.iter().map(|entry| {
            let packet = entry.key.packet.unwrap_or(PacketType::CreateSession);
            let error = Error::new(ErrorKind::Refused, "no").during(packet);
            let error = error.with_context(entry.key.context).with_advice(entry.advice);
            entry.key.status.map_or(error.clone(), |status| error.with_status(status))
        });
        let mut in_tool = 0;
        for error in kinds.chain(answers) {
            in_tool += usize::from(told(&error).contains("--"));
            for reader in [Reader::C, Reader::Python, Reader::Rust] {
                let text = advice(&error, reader);
                assert!(!text.contains("--") && unknown_name(&text).is_none(), "{text}");
                assert!(!text.contains("same command") && !text.contains("`bitsup"), "{text}");
            }
        }
        assert!(in_tool > 10, "{in_tool}");
    }

    #[test]
    fn servers_that_are_no_iis_are_thought_of() {
        for (status, words) in [
            (400, "--post-override"),
            (403, "--post-override"),
            (404, "another server"),
            (405, "--post-override"),
            (409, "another name"),
            (413, "Fragments"),
            (501, "--post-override"),
        ] {
            let error = refusal(PacketType::CreateSession, &ack(status, None, None));
            assert!(told(&error).contains(words), "{status}: {}", told(&error));
            // With an Ack of a BITS server it is about that server.
            let answer = Ack { is_ack: true, ..ack(status, None, None) };
            let error = refusal(PacketType::CreateSession, &answer);
            assert!(!told(&error).contains("--post-override"), "{status}: {}", told(&error));
        }
    }

    #[test]
    fn advice_fits_what_the_error_says() {
        // Title and advice are those of one entry, also where the answer has no code.
        for packet in [PacketType::CreateSession, PacketType::Fragment, PacketType::CloseSession] {
            for status in 300..600 {
                for is_ack in [false, true] {
                    let answer = Ack { is_ack, ..ack(status, None, None) };
                    let error = refusal(packet, &answer);
                    let Some(entry) = TABLE.iter().find(|e| e.title == error.message()) else {
                        continue;
                    };
                    let told = told(&error);
                    let of_title = TABLE.iter().filter(|other| other.title == entry.title);
                    assert!(of_title.map(|e| e.advice(Reader::Tool)).any(|a| a == told), "{error}");
                }
            }
        }
    }

    #[test]
    fn a_server_without_offsets_is_taken_leniently() {
        let answer = ack(200, None, None);
        let error = crate::classify::invalid_answer(PacketType::Fragment, &answer, "no offset");
        assert!(told(&error).contains("--lenient"), "{}", told(&error));
        let error = crate::classify::invalid_answer(PacketType::CreateSession, &answer, "no id");
        assert!(!told(&error).contains("--lenient"), "{}", told(&error));
    }

    #[test]
    fn success_is_no_error_code() {
        let answer = ack(500, Some(0), Some(5));
        let error = refusal(PacketType::Fragment, &answer);
        assert_eq!(error.hresult(), Some(Hresult::from_status(500)));
        assert!(!std::format!("{error}").contains("S_OK"), "{error}");
        assert_eq!(error.message(), "the server failed");
    }
}
