//! One connection of a scripted peer: reads requests, asks the script, does what it says.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::log::{Log, Request};
use super::reply::{BodyReading, End, Reply, Step};

/// The closure of the test, shared by all connections.
pub(super) type Script = Arc<Mutex<dyn FnMut(usize, &Request, usize) -> Reply + Send>>;

/// Long waits are made of naps of this length, so that a peer that is dropped ends soon.
const NAP: Duration = Duration::from_millis(20);

/// Serves one connection until it ends.
pub(super) fn serve_connection(
    mut stream: TcpStream,
    number: usize,
    log: &Log,
    stopping: &AtomicBool,
    script: &Script,
) {
    // Answers go out as the script cuts them, not as the kernel would join them.
    drop(stream.set_nodelay(true));
    let mut unread = Vec::new();
    let end = loop {
        match serve_request(&mut stream, number, &mut unread, log, stopping, script) {
            Ok(Some(End::Keep)) => {}
            Ok(Some(end)) => break end,
            Ok(None) | Err(_) => {
                log.update_connection(number, |connection| connection.closed_by_client = true);
                break End::Close;
            }
        }
    };
    match end {
        End::Keep | End::Close => {}
        End::Reset => drop(rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO))),
        End::Hang => hang(&mut stream, number, unread, log),
    }
    let closed = log.now();
    log.forget(number);
    drop(stream);
    log.update_connection(number, |connection| connection.closed = Some(closed));
}

/// `None` when the client closed between two requests.
fn serve_request(
    stream: &mut TcpStream,
    connection: usize,
    unread: &mut Vec<u8>,
    log: &Log,
    stopping: &AtomicBool,
    script: &Script,
) -> io::Result<Option<End>> {
    let Some(request) = read_head(stream, connection, unread, log)? else {
        return Ok(None);
    };
    let length = request.content_length();
    // The script runs under its lock only, so that replies of several connections overlap. It sees the requests in
    // the order of the log, by which tests wait for them.
    let mut script = script.lock().unwrap_or_else(PoisonError::into_inner);
    let number = log.add(request.clone());
    let reply = script(connection, &request, number);
    drop(script);

    let wanted = match reply.body {
        BodyReading::All => length,
        BodyReading::First(count) => count.min(length),
    };
    read_body(stream, unread, wanted, reply.pace, |piece| {
        log.update_request(number, |request| request.body.extend_from_slice(piece));
    })?;
    if wanted == length {
        let completed = log.now();
        log.update_request(number, |request| request.completed = Some(completed));
    }

    run_steps(stream, &reply.before, stopping)?;
    let answer = reply.answer.bytes();
    match reply.trickle {
        None => stream.write_all(&answer)?,
        Some(pause) => {
            for byte in &answer {
                stream.write_all(std::slice::from_ref(byte))?;
                nap(pause, stopping);
            }
        }
    }
    let answered = log.now();
    log.update_request(number, |request| request.answered = Some(answered));
    run_steps(stream, &reply.after, stopping)?;
    let finished = log.now();
    log.update_request(number, |request| request.finished = Some(finished));
    if matches!(reply.end, End::Keep) && wanted < length {
        // A client that goes on sending after an early answer is still in this request's body.
        read_body(stream, unread, length - wanted, None, |piece| {
            log.update_request(number, |request| request.body.extend_from_slice(piece));
        })?;
    }
    Ok(Some(reply.end))
}

fn read_head(
    stream: &mut TcpStream,
    connection: usize,
    unread: &mut Vec<u8>,
    log: &Log,
) -> io::Result<Option<Request>> {
    let mut piece = [0; 16 * 1024];
    let mut began = None;
    let end = loop {
        if !unread.is_empty() && began.is_none() {
            began = Some(log.now());
        }
        if let Some(position) = unread.windows(4).position(|window| window == b"\r\n\r\n") {
            break position + 4;
        }
        let count = stream.read(&mut piece)?;
        if count == 0 {
            let stray = std::mem::take(unread);
            log.update_connection(connection, |connection| connection.stray.extend(stray));
            return Ok(None);
        }
        unread.extend_from_slice(&piece[..count]);
    };
    let head: Vec<u8> = unread.drain(..end).collect();
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    let request_line = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let mut words = request_line.splitn(3, ' ').map(str::to_owned);
    let headers = lines
        .filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let (name, value) = line.split_at(colon);
            Some((String::from_utf8_lossy(name).into_owned(), value[1..].trim_ascii().to_vec()))
        })
        .collect();
    Ok(Some(Request {
        connection,
        began: began.unwrap_or_default(),
        method: words.next().unwrap_or_default(),
        target: words.next().unwrap_or_default(),
        version: words.next().unwrap_or_default(),
        headers,
        head,
        ..Request::default()
    }))
}

fn read_body(
    stream: &mut TcpStream,
    unread: &mut Vec<u8>,
    wanted: usize,
    pace: Option<(usize, Duration)>,
    mut store: impl FnMut(&[u8]),
) -> io::Result<()> {
    let mut piece = vec![0; pace.map_or(256 * 1024, |(size, _)| size)];
    let mut missing = wanted;
    let early: Vec<u8> = unread.drain(..unread.len().min(missing)).collect();
    store(&early);
    missing -= early.len();
    while missing > 0 {
        if let Some((_, pause)) = pace {
            std::thread::sleep(pause);
        }
        let limit = piece.len().min(missing);
        let count = stream.read(&mut piece[..limit])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        store(&piece[..count]);
        missing -= count;
    }
    Ok(())
}

fn run_steps(stream: &mut TcpStream, steps: &[Step], stopping: &AtomicBool) -> io::Result<()> {
    for step in steps {
        match step {
            Step::Send(bytes) => stream.write_all(bytes)?,
            Step::Wait(time) => nap(*time, stopping),
            Step::WaitFor(latch) => while !latch.wait(NAP) && !stopping.load(Ordering::SeqCst) {},
        }
    }
    Ok(())
}

fn nap(time: Duration, stopping: &AtomicBool) {
    // Measured as a whole: on a loaded machine each nap ends late.
    let end = Instant::now() + time;
    while !stopping.load(Ordering::SeqCst) {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(left.min(NAP));
    }
}

fn hang(stream: &mut TcpStream, number: usize, unread: Vec<u8>, log: &Log) {
    log.update_connection(number, |connection| connection.stray.extend(unread));
    let mut piece = [0; 16 * 1024];
    while let Ok(count) = stream.read(&mut piece) {
        if count == 0 {
            break;
        }
        log.update_connection(number, |connection| {
            connection.stray.extend_from_slice(&piece[..count]);
        });
    }
    log.update_connection(number, |connection| connection.closed_by_client = true);
}
