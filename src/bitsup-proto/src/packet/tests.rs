//! Requests against the transcripts of MC-BUP §4, and the values they carry.

use super::*;
use alloc::format;
use proptest::prelude::*;
use std::string::ToString;
use std::vec::Vec;

/// The packet's headers as on the wire, in order.
fn headers(packet: &Packet<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    packet.for_each_header(|name, value| lines.push(format!("{name}: {value}")));
    lines
}

fn id() -> SessionId {
    SessionId::new("{A0FF5911-4144-45B3-BF27-27AFC8EC8A67}").expect("legal")
}

fn packet(packet_type: PacketType, id: &SessionId) -> Packet<'_> {
    Packet { packet_type, session_id: Some(id), content_name: Some("rfc2119.txt"), range: None }
}

#[test]
fn create_session_is_that_of_the_transcript() {
    let _rule = bitsup_server::rule!("PKT-01", "PKT-31");
    assert_eq!(
        headers(&packet(PacketType::CreateSession, &id())),
        [
            "Accept: */*",
            "BITS-Packet-Type: Create-Session",
            "BITS-Supported-Protocols: {7df0354d-249b-430f-820d-3d2a9bef4931}",
            "Content-Name: rfc2119.txt",
            "Connection: Keep-Alive",
        ]
    );
}

#[test]
fn fragment_is_that_of_the_transcript() {
    let id = id();
    let fragment =
        Packet { range: ContentRange::new(0, 4892, 4892), ..packet(PacketType::Fragment, &id) };
    assert_eq!(
        headers(&fragment),
        [
            "Accept: */*",
            "BITS-Packet-Type: Fragment",
            "BITS-Session-Id: {A0FF5911-4144-45B3-BF27-27AFC8EC8A67}",
            "Content-Name: rfc2119.txt",
            "Content-Range: bytes 0-4891/4892",
            "Connection: Keep-Alive",
        ]
    );
    assert_eq!(fragment.content_length(), 4892);
}

#[test]
fn ping_names_neither_session_nor_file() {
    let _rule = bitsup_server::rule!("PKT-21");
    assert_eq!(
        headers(&packet(PacketType::Ping, &id())),
        ["Accept: */*", "BITS-Packet-Type: Ping", "Connection: Keep-Alive"]
    );
}

#[test]
fn close_session_is_that_of_the_transcript() {
    let _rule = bitsup_server::rule!("PKT-51");
    assert_eq!(
        headers(&packet(PacketType::CloseSession, &id())),
        [
            "Accept: */*",
            "BITS-Packet-Type: Close-Session",
            "BITS-Session-Id: {A0FF5911-4144-45B3-BF27-27AFC8EC8A67}",
            "Content-Name: rfc2119.txt",
            "Connection: Keep-Alive",
        ]
    );
}

#[test]
fn cancel_session_names_the_session_alone() {
    let _rule = bitsup_server::rule!("PKT-61");
    assert_eq!(
        headers(&packet(PacketType::CancelSession, &id())),
        [
            "Accept: */*",
            "BITS-Packet-Type: Cancel-Session",
            "BITS-Session-Id: {A0FF5911-4144-45B3-BF27-27AFC8EC8A67}",
            "Connection: Keep-Alive",
        ]
    );
}

#[test]
fn a_range_is_inclusive_and_64_bit() {
    let _rule = bitsup_server::rule!("PKT-41", "PKT-44");
    let second = ContentRange::new(1000, 1000, 2500).expect("legal");
    assert_eq!(second.to_string(), "bytes 1000-1999/2500");
    let far = ContentRange::new(4_294_967_296, 1_073_741_824, 5_368_709_120).expect("legal");
    assert_eq!(far.to_string(), "bytes 4294967296-5368709119/5368709120");
    assert!(far.is_last());
}

#[test]
fn an_empty_range_or_one_beyond_the_file_cannot_be_made() {
    let _rule = bitsup_server::rule!("SIZ-10");
    for (first, length, total) in [(10, 0, 10), (0, 0, 0), (5, 6, 10), (u64::MAX, 2, u64::MAX)] {
        assert_eq!(ContentRange::new(first, length, total), None);
    }
    assert_eq!(ContentRange::new(0, 1, 1).expect("legal").to_string(), "bytes 0-0/1");
}

#[test]
fn session_ids_are_opaque_but_bounded() {
    let _rule = bitsup_server::rule!("SEC-01");
    for legal in ["{aBcD}", "-12345", "x", &"a".repeat(100)] {
        assert_eq!(SessionId::new(legal).expect(legal).as_str(), legal);
    }
    for illegal in ["", "a b", "a\tb", "a\r\nX: y", "ä", "\u{7f}", &"a".repeat(101)] {
        assert_eq!(SessionId::new(illegal), None, "{illegal:?}");
    }
}

#[test]
fn a_guid_is_the_same_in_any_case_and_another_id_only_byte_for_byte() {
    let guid = id();
    assert!(guid.matches("{a0ff5911-4144-45b3-bf27-27afc8ec8a67}"));
    assert!(!guid.matches("{a0ff5911-4144-45b3-bf27-27afc8ec8a68}"));
    let opaque = SessionId::new("Abc").expect("legal");
    assert!(opaque.matches("Abc"));
    assert!(!opaque.matches("abc"));
}

#[test]
fn content_name_is_the_base_name_without_forbidden_characters() {
    let _rule = bitsup_server::rule!("PKT-33");
    assert_eq!(content_name("dir/b.bin").as_deref(), Some("b.bin"));
    assert_eq!(content_name("a:b*c.bin").as_deref(), Some("abc.bin"));
    assert_eq!(content_name("Bericht für März.pdf").as_deref(), Some("Bericht fr Mrz.pdf"));
    assert_eq!(content_name("日本"), None);
    assert_eq!(content_name("dir/"), None);
}

proptest! {
    #[test]
    fn any_name_gives_a_legal_header_or_none(name in any::<String>()) {
        let _rule = bitsup_server::rule!("PKT-33");
        if let Some(name) = content_name(&name) {
            prop_assert!((1..=MAX_CONTENT_NAME).contains(&name.len()));
            prop_assert!(name.bytes().all(|b| (b' '..=b'~').contains(&b)));
            prop_assert!(!name.contains(['\\', '/', ':', '*', '?', '"', '<', '>', '|']));
        }
    }

    #[test]
    fn any_range_within_a_file_reads_back(first in 0..u64::MAX / 2, length in 1..u64::MAX / 4, more in 0..u64::MAX / 8) {
        let total = first + length + more;
        let range = ContentRange::new(first, length, total).expect("within the file");
        prop_assert_eq!(range.end() - range.first(), length);
        prop_assert_eq!(range.to_string(), format!("bytes {first}-{}/{total}", first + length - 1));
    }
}
