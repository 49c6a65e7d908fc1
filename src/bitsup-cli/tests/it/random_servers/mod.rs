//! Uploads to random servers: each seed chooses a server's habits and faults (`bitsup_server::model`), a file
//! and options, and whatever happens, success must be true, errors truthful, and nothing may hang or leak.
//!
//! `BITSUP_RANDOM_SERVERS` sets how many (the long form is 20,000), `BITSUP_SEED` the first seed. One upload
//! is repeated with a count of 1 and its seed.

mod judge;
mod plan;
mod run;
mod tally;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use plan::{By, Plan};
use tally::Tally;

/// Most of an upload's time is waiting.
const WORKERS: usize = 24;

/// Uploads that a worker takes at a time; those of the library share a client.
const BATCH: u64 = 8;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Another host: only replies may be fetched there, and without a login.
struct Elsewhere {
    name: String,
    misled: Arc<Mutex<Vec<String>>>,
}

impl Elsewhere {
    fn start() -> Self {
        let misled = Arc::new(Mutex::new(Vec::new()));
        // Where the system has no second loopback address, no client can be misled to it either.
        let Ok(listener) = TcpListener::bind("127.0.0.2:0") else {
            return Self { name: "127.0.0.2:9".to_owned(), misled };
        };
        let name = listener.local_addr().expect("an address").to_string();
        let seen = Arc::clone(&misled);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut head = [0; 4096];
                let count = stream.read(&mut head).unwrap_or(0);
                let head = String::from_utf8_lossy(&head[..count]).into_owned();
                let answer = "HTTP/1.1 404 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                drop(stream.write_all(answer.as_bytes()));
                let shown = head.to_ascii_lowercase();
                if !head.starts_with("GET /r.bin ") || shown.contains("authorization") {
                    seen.lock().expect("not poisoned").push(head);
                }
            }
        });
        Self { name, misled }
    }
}

#[test]
fn no_server_makes_an_upload_end_in_an_untruth() {
    let (count, first) = (number("BITSUP_RANDOM_SERVERS", 300), number("BITSUP_SEED", 1));
    let elsewhere = Elsewhere::start();
    let (next, tally) = (AtomicU64::new(0), Mutex::new(Tally::default()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let begin = next.fetch_add(BATCH, Ordering::SeqCst);
                    if begin >= count {
                        break;
                    }
                    let seeds = begin..count.min(begin + BATCH);
                    let plans = seeds.map(|at| Plan::draw(first.wrapping_add(at), &elsewhere.name));
                    let (tool, library): (Vec<_>, Vec<_>) =
                        plans.partition(|plan| plan.by == By::Tool);
                    let library = run::by_library(library);
                    let tool = tool.into_iter().map(run::by_tool);
                    for upload in tool.chain(library) {
                        let problems = judge::problems(&upload);
                        tally.lock().expect("not poisoned").add(&upload, &problems);
                    }
                }
            });
        }
    });
    let tally = tally.into_inner().expect("not poisoned");
    println!("{tally}");
    assert!(tally.failures.is_empty(), "{}", tally.report());
    let misled = elsewhere.misled.lock().expect("not poisoned");
    assert!(misled.is_empty(), "another host was spoken to: {misled:?}");
}
