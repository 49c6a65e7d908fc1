//! The memory for a Fragment does not depend on its length.

use std::alloc::System;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};

use bitsup::{Client, ReadAt, Source, UploadOptions};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Of one Fragment: its headers and what libcurl is told, for each chunk that a thread reads a
/// message, and for progress. A buffer of the bytes themselves would be 256 KiB or more.
const MOST_BYTES: u64 = 16 << 10;
const FRAGMENT: u64 = 4 << 20;

struct Zeros {
    may_block: bool,
}

impl ReadAt for Zeros {
    fn read_at(&self, buffer: &mut [u8], _: u64) -> io::Result<usize> {
        buffer.fill(0);
        Ok(buffer.len())
    }

    fn may_block(&self) -> bool {
        self.may_block
    }
}

#[test]
fn no_bytes_of_the_file_are_copied_to_new_memory() {
    let client = Client::new().expect("client");
    let url = serve();
    for may_block in [false, true] {
        bytes_taken(&client, &url, may_block, 4);
        // Starting costs something, which is the same for few Fragments and for many.
        let few = bytes_taken(&client, &url, may_block, 4);
        let many = bytes_taken(&client, &url, may_block, 24);
        let each = many.saturating_sub(few) / 20;
        assert!(each < MOST_BYTES, "{each} bytes a Fragment, may_block: {may_block}");
    }
}

fn bytes_taken(client: &Client, url: &str, may_block: bool, fragments: u64) -> u64 {
    let source = Source::read_at(Zeros { may_block }, fragments * FRAGMENT);
    let mut options = UploadOptions::default();
    options.fragment_size = Some(FRAGMENT);
    let region = Region::new(ALLOCATOR);
    let upload = client.upload(source, url).options(options).start().expect("started");
    let receipt = upload.wait().expect("uploaded");
    assert_eq!(receipt.fragments, fragments);
    region.change().bytes_allocated as u64
}

/// A server that itself takes no memory for a Fragment.
fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/x", listener.local_addr().expect("bound"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || drop(answer(stream)));
        }
    });
    url
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    let (mut head, mut body) = ([0; 4096], vec![0; 256 << 10]);
    loop {
        let mut length = 0;
        while !head[..length].ends_with(b"\r\n\r\n") {
            if stream.read(&mut head[length..=length])? == 0 {
                return Ok(());
            }
            length += 1;
        }
        let text = std::str::from_utf8(&head[..length]).map_err(io::Error::other)?;
        let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        let number = |text: &str| text.parse::<u64>().map_err(io::Error::other);
        let mut left = number(value("Content-Length: ").unwrap_or("0"))?;
        let last = value("Content-Range: bytes ").and_then(|range| range.split(['-', '/']).nth(1));
        let next = last.map(number).transpose()?.map_or(0, |last| last + 1);
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(body.len());
            left -= stream.read(&mut body[..most])? as u64;
        }
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nBITS-Packet-Type: Ack\r\nBITS-Session-Id: {{1}}\r\n\
             BITS-Received-Content-Range: {next}\r\nContent-Length: 0\r\n\r\n"
        )?;
    }
}
