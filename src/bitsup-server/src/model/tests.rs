use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::front::Front;
use super::*;

const FILE: &[u8] = b"0123456789";

fn model(habits: Habits, faults: Faults, seed: u64) -> Model {
    Model::new(habits, faults, Dice::seeded(seed), FILE.into(), "other.example:80")
}

fn plain(offsets: Offsets) -> Model {
    model(Habits { offsets, ..Habits::conforming() }, Faults::default(), 1)
}

/// Sends one packet, and returns the answer as text.
fn send(model: &mut Model, packet: &str, id: &str, range: Option<(usize, usize)>) -> String {
    let (body, range) = match range {
        Some((first, last)) => {
            (&FILE[first..=last], format!("Content-Range: bytes {first}-{last}/10\r\n"))
        }
        None => (&[][..], String::new()),
    };
    let head = format!(
        "BITS_POST /up/x HTTP/1.1\r\nBITS-Packet-Type: {packet}\r\nBITS-Session-Id: {id}\r\n{range}\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let head = if id.is_empty() { head.replace("BITS-Session-Id: \r\n", "") } else { head };
    let request = Request::parse(head.as_bytes(), 0).expect("HTTP");
    let exchange = model.begin(&request);
    let read = match exchange.reading {
        Reading::All => body.len(),
        Reading::First(count) => count as usize,
    };
    let reaction = model.finish(&request, &exchange, &body[..read]);
    String::from_utf8_lossy(&reaction.bytes).into_owned()
}

fn header(answer: &str, name: &str) -> Option<String> {
    let line = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))?;
    Some(line.to_owned())
}

fn create(model: &mut Model) -> String {
    let answer = send(model, "Create-Session", "", None);
    header(&answer, "BITS-Session-Id").expect("an id")
}

/// Status and offset of the answer to a Fragment.
fn fragment(model: &mut Model, id: &str, first: usize, last: usize) -> (String, Option<String>) {
    let answer = send(model, "Fragment", id, Some((first, last)));
    (answer[9..12].to_owned(), header(&answer, "BITS-Received-Content-Range"))
}

#[test]
fn offsets_mean_what_the_kind_says() {
    // What is said to a Fragment that comes again and goes on, and what is stored then.
    let kinds = [
        (Offsets::Strict, "416", Some("4"), "0123"),
        (Offsets::StrictSilent, "416", None, "0123"),
        (Offsets::Trim, "200", Some("6"), "012345"),
        (Offsets::TrimEcho, "200", Some("6"), "012345"),
        (Offsets::AppendEcho, "200", Some("6"), "01232345"),
        (Offsets::AppendCount, "200", Some("8"), "01232345"),
        (Offsets::SeekEcho, "200", Some("6"), "012345"),
        (Offsets::SeekCount, "200", Some("6"), "012345"),
    ];
    for (offsets, status, offset, stored) in kinds {
        let mut model = plain(offsets);
        model.habits.incomplete = Incomplete::Publish;
        let id = create(&mut model);
        assert_eq!(
            fragment(&mut model, &id, 0, 3),
            ("200".into(), Some("4".into())),
            "{offsets:?}"
        );
        assert_eq!(
            fragment(&mut model, &id, 2, 5),
            (status.into(), offset.map(Into::into)),
            "{offsets:?}"
        );
        assert!(send(&mut model, "Close-Session", &id, None).starts_with("HTTP/1.1 200"));
        assert_eq!(model.published().map(Vec::as_slice), Some(stored.as_bytes()), "{offsets:?}");
        assert_eq!(model.open_sessions(), 0);
        assert!(model.violations().is_empty(), "{:?}", model.violations());
    }
}

#[test]
fn an_early_close_discards_and_a_second_one_is_not_known() {
    let mut model = plain(Offsets::Strict);
    let id = create(&mut model);
    fragment(&mut model, &id, 0, 3);
    assert!(send(&mut model, "Close-Session", &id, None).starts_with("HTTP/1.1 200"));
    assert_eq!(model.published(), None);
    let again = send(&mut model, "Close-Session", &id, None);
    assert_eq!(header(&again, "BITS-Error-Code").as_deref(), Some("0x8020001F"));
}

#[test]
fn what_a_client_must_not_do_is_noted() {
    let mut model = plain(Offsets::Strict);
    send(&mut model, "Ping", "{never-given}", None);
    let head = "BITS_POST /x HTTP/1.1\r\nBITS-Packet-Type: Fragment\r\nContent-Range: bytes 0-3/10\r\n\
                Authorization: Basic YTpi\r\nContent-Length: 0\r\n\r\n";
    let request = Request::parse(head.as_bytes(), 0).expect("HTTP");
    let exchange = model.begin(&request);
    model.finish(&request, &exchange, b"");
    assert_eq!(
        model.violations(),
        [
            "a session id that this server never gave out",
            "a Fragment of 0 bytes for Range { first: 0, last: 3, total: 10 }",
            "a login by Basic without a challenge"
        ]
    );
}

/// A client that knows no doubt: it sends all in order, and asks nothing.
fn naive_upload(model: &mut Model) {
    let answer = send(model, "Create-Session", "", None);
    let id = header(&answer, "BITS-Session-Id").unwrap_or_default();
    for first in [0, 4, 8] {
        send(model, "Fragment", &id, Some((first, (first + 3).min(9))));
    }
    send(model, "Close-Session", &id, None);
}

#[test]
fn every_fault_can_happen_and_no_ack_tells_of_bytes_that_are_not_there() {
    for offsets in [Offsets::Strict, Offsets::AppendCount, Offsets::SeekEcho] {
        for fault in FAULTS {
            let mut happened = false;
            for seed in 0..15 {
                let faults = Faults { menu: vec![*fault], share: 500, most: 1 };
                let habits = Habits { offsets, ..Habits::conforming() };
                let mut model = model(habits, faults, seed);
                naive_upload(&mut model);
                let entry = model.log().iter().find(|entry| entry.fault.is_some());
                happened |= entry.is_some();
                let untouched = model.log().iter().take_while(|entry| entry.fault.is_none());
                let lost = matches!(fault.fault, Fault::Crash { .. });
                let told = entry.filter(|entry| entry.valid && entry.status == 200 && !lost);
                for entry in untouched.chain(told).filter(|entry| entry.packet == Packet::Fragment)
                {
                    let offset: u64 =
                        entry.offset.as_ref().map_or(0, |text| text.parse().expect("a number"));
                    assert!(entry.stored >= offset, "{}, seed {seed}: {entry}", fault.name);
                }
            }
            // Servers that echo cannot tell another client's bytes.
            let cannot = fault.fault == Fault::Foreign && offsets.echoes();
            assert_eq!(happened, !cannot, "{} at {offsets:?}", fault.name);
        }
    }
}

#[test]
fn a_seed_repeats_all() {
    let lines = |seed| {
        let mut dice = Dice::seeded(seed);
        let (habits, faults) = (Habits::draw(&mut dice), Faults::draw(&mut dice));
        let mut model = model(habits, faults, seed);
        naive_upload(&mut model);
        let lines: Vec<_> = model.log().iter().map(ToString::to_string).collect();
        (lines, model.published().cloned())
    };
    for seed in 0..200 {
        assert_eq!(lines(seed), lines(seed), "seed {seed}");
    }
    assert!((1..200).any(|seed| lines(seed) != lines(0)));
}

#[test]
fn the_front_speaks_http() {
    let faults = Faults { menu: Vec::new(), ..Faults::default() };
    let front = Front::start(model(Habits::conforming(), faults, 1)).expect("a port");
    let mut stream = TcpStream::connect(front.address()).expect("connected");
    stream
        .write_all(b"BITS_POST /x HTTP/1.1\r\nBITS-Packet-Type: Ping\r\nContent-Length: 0\r\n\r\n")
        .expect("sent");
    let mut answer = [0; 44];
    stream.read_exact(&mut answer).expect("answered");
    assert_eq!(&answer, b"HTTP/1.1 200 X\r\nBITS-Packet-Type: Ack\r\nDate:");
    assert_eq!(front.model().log().len(), 1);
}
