//! One connection of a play.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering;

use super::transcript::{Asked, Fate};
use super::{LOOK, Stage};

/// A longer head is none of a BITS client.
const MAX_HEAD: usize = 64 * 1024;
/// Bytes that begin no answer.
const GARBAGE: &[u8] = b"\x95\x00this is no answer\r\n\r\n";

/// A request's head.
struct Head {
    asked: Asked,
    length: u64,
}

/// Answers the requests of one connection until it ends.
pub(super) fn connection(stream: &TcpStream, stage: &Stage) {
    // An Ack must not wait for another packet; a read looks up now and then.
    if stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(LOOK))).is_err() {
        return;
    }
    let mut unread = Vec::new();
    while let Ok(Some(head)) = head(stream, &mut unread, stage) {
        match exchange(stream, &mut unread, stage, &head) {
            Ok(true) => {}
            Ok(false) | Err(_) => return,
        }
    }
}

/// `false`: the connection ends.
fn exchange(
    mut stream: &TcpStream,
    unread: &mut Vec<u8>,
    stage: &Stage,
    head: &Head,
) -> io::Result<bool> {
    let fate = stage.fate(&head.asked);
    let half = matches!(fate, Some(Fate::Lost { part: true }));
    skip(stream, unread, stage, if half { head.length / 2 } else { head.length })?;
    match fate {
        // Not to be tried again.
        None => stream.write_all(&answer(stage, &head.asked, 410, &[]))?,
        Some(Fate::Answer { status, headers }) => {
            stream.write_all(&answer(stage, &head.asked, status, &headers))?;
            if head.asked.what == "GET" {
                filler(stream, &headers)?;
            }
            let closes = |(name, value): &(String, String)| {
                name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case("close")
            };
            return Ok(!headers.iter().any(closes));
        }
        Some(Fate::Lost { .. }) => return Ok(false),
        Some(Fate::Garbage) => {
            stream.write_all(GARBAGE)?;
            return Ok(false);
        }
        Some(Fate::Silence) => {
            skip(stream, unread, stage, u64::MAX)?;
            return Ok(false);
        }
    }
    Ok(true)
}

fn answer(stage: &Stage, asked: &Asked, status: u16, headers: &[(String, String)]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} Played\r\n");
    for (name, value) in headers {
        let lower = name.to_ascii_lowercase();
        let value = match lower.as_str() {
            // The packets' bodies were not recorded.
            "content-length" if asked.what != "HEAD" && asked.what != "GET" => continue,
            // All hosts of the recorded upload are this one.
            "bits-host-id" => &stage.address.to_string(),
            "bits-reply-url" => "/bitsup-replay/reply",
            "www-authenticate" | "proxy-authenticate" if !value.contains(' ') => {
                &format!("{value} realm=\"replay\"")
            }
            _ => value,
        };
        text.extend([name, ": ", value, "\r\n"]);
    }
    if asked.what != "HEAD" && asked.what != "GET" {
        text.push_str("Content-Length: 0\r\n");
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// As many bytes as the recorded reply had.
fn filler(mut stream: &TcpStream, headers: &[(String, String)]) -> io::Result<()> {
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let mut left: u64 = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let block = [b'r'; 16 * 1024];
    while left > 0 {
        let count = usize::try_from(left).map_or(block.len(), |left| left.min(block.len()));
        stream.write_all(&block[..count])?;
        left -= count as u64;
    }
    Ok(())
}

fn head(stream: &TcpStream, unread: &mut Vec<u8>, stage: &Stage) -> io::Result<Option<Head>> {
    let end = loop {
        if let Some(at) = unread.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if unread.len() > MAX_HEAD {
            return Err(ErrorKind::InvalidData.into());
        }
        let piece = more(stream, stage)?;
        if piece.is_empty() {
            return Ok(None);
        }
        unread.extend(piece);
    };
    let head: Vec<u8> = unread.drain(..end).collect();
    let head = String::from_utf8_lossy(&head);
    let header = |wanted: &str| {
        head.lines().skip(1).find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case(wanted).then(|| value.trim())
        })
    };
    let method = head.split(' ').next().unwrap_or_default();
    let what = match header("bits-packet-type") {
        Some(packet) if method == "BITS_POST" => packet,
        _ => method,
    };
    let range = header("content-range").and_then(|text| {
        let (range, _) = text.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        Some((first.parse().ok()?, last.parse().ok()?))
    });
    let length = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    Ok(Some(Head { asked: Asked { what: what.to_owned(), range }, length }))
}

/// Reads `missing` bytes and discards them.
fn skip(
    stream: &TcpStream,
    unread: &mut Vec<u8>,
    stage: &Stage,
    mut missing: u64,
) -> io::Result<()> {
    while missing > 0 {
        if unread.is_empty() {
            *unread = more(stream, stage)?;
            if unread.is_empty() {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        let count = usize::try_from(missing).map_or(unread.len(), |m| m.min(unread.len()));
        unread.drain(..count);
        missing -= count as u64;
    }
    Ok(())
}

/// The next bytes; none at the end of the connection or of the play.
fn more(mut stream: &TcpStream, stage: &Stage) -> io::Result<Vec<u8>> {
    let mut piece = vec![0; 64 * 1024];
    while !stage.stopping.load(Ordering::SeqCst) {
        match stream.read(&mut piece) {
            Ok(count) => {
                piece.truncate(count);
                return Ok(piece);
            }
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                ) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Vec::new())
}
