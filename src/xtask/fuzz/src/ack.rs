//! The headers of an answer, and the readers of single values.
#![no_main]
#![forbid(unsafe_code)]

use bitsup_proto::ack::Offset;
use bitsup_proto::classify::{Meaning, classify};
use bitsup_proto::host::HostId;
use bitsup_proto::{Ack, Hresult, PacketType, SessionId, packet, reply};
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 15] = [
    "BITS-Packet-Type",
    "bits-package-type",
    "BITS-Session-Id",
    "BITS-Protocol",
    "BITS-Host-Id",
    "BITS-Host-Id-Fallback-Timeout",
    "BITS-Received-Content-Range",
    "BITS-Reply-URL",
    "BITS-Error-Code",
    "BITS-Error",
    "BITS-Error-Context",
    "Retry-After",
    "Date",
    "Accept-Encoding",
    "X-Other",
];

// Two bytes of status, then a line a header: a byte for its name, the rest is its value.
fuzz_target!(|data: &[u8]| {
    let Some((status, lines)) = data.split_at_checked(2) else { return };
    let status = 100 + u16::from_le_bytes([status[0], status[1]]) % 500;
    let headers = lines.split(|b| *b == b'\n').filter_map(|line| {
        let (name, value) = line.split_first()?;
        Some((NAMES[usize::from(*name) % NAMES.len()], value))
    });
    let ack = Ack::parse(status, headers.clone());
    let texts = [ack.session_id, ack.protocol, ack.host_id, ack.reply_url, ack.date];
    for text in texts.into_iter().flatten() {
        let legal = |b: u8| b == b'\t' || (b' '..=b'~').contains(&b);
        assert!(text == "\0" || text.bytes().all(legal), "{text:?}");
    }
    for packet in PacketType::ALL {
        let meaning = classify(packet, &ack);
        if let Meaning::ContinueAt { offset, .. } = meaning {
            assert_eq!(packet, PacketType::Fragment);
            assert_eq!(offset.map_or(Offset::Absent, Offset::At), ack.offset);
        }
        assert!(meaning != Meaning::Success || matches!(status, 200 | 201));
    }
    for (_, value) in headers {
        let Ok(text) = std::str::from_utf8(value) else { continue };
        if let Some(host) = HostId::parse(text) {
            assert_eq!(HostId::parse(&host.to_string()), Some(host));
        }
        if let Some(id) = SessionId::new(text) {
            assert_eq!(id.as_str(), text);
        }
        if let Some(code) = Hresult::parse(text) {
            assert_eq!(Hresult::parse(&format!("{:#x}", code.0)), Some(code));
        }
        assert!(reply::escape(text).bytes().all(|b| b.is_ascii_graphic()));
        if let Some(name) = packet::content_name(text) {
            assert!(name.len() <= packet::MAX_HEADER_VALUE && !name.contains(['\r', '\n']));
        }
    }
});
