//! The shared rate limit: who gets how much of it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::common::Setup;
use bitsup::{Client, OptionSet, ReadAt, Source, Upload, UploadOptions, Wake};

/// No test waits longer.
const GENEROUS: Duration = Duration::from_secs(60);
const SIZE: u64 = 64 << 20;

/// Zeros that need no waiting, or nothing ever while `stalled`.
struct Zeros {
    stalled: Arc<AtomicBool>,
}

impl ReadAt for Zeros {
    fn read_at(&self, buffer: &mut [u8], _: u64) -> io::Result<usize> {
        if self.stalled.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        buffer.fill(0);
        Ok(buffer.len())
    }

    fn may_block(&self) -> bool {
        self.stalled.load(Ordering::Relaxed)
    }

    fn when_ready(&self, _: u64, wake: Wake) {
        // Kept for ever: there never are bytes.
        std::mem::forget(wake);
    }
}

fn start(client: &Client, setup: &Setup, number: usize, stalled: bool) -> Upload {
    let source = Source::read_at(Zeros { stalled: Arc::new(stalled.into()) }, SIZE);
    let mut options = UploadOptions::default();
    options.fragment_size = Some(4 << 20);
    client
        .upload(source, &setup.url(&number.to_string()))
        .options(options)
        .start()
        .expect("started")
}

/// Waits until all together have sent so much; each one's share.
fn sent(uploads: &[Upload], total: u64) -> Vec<u64> {
    let end = Instant::now() + GENEROUS;
    loop {
        let sent: Vec<u64> = uploads.iter().map(|upload| upload.progress().sent).collect();
        if sent.iter().sum::<u64>() >= total {
            return sent;
        }
        assert!(Instant::now() < end, "{sent:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Jain's index: 1 where all have the same, 1 divided by their number where one has all.
fn jain(shares: &[u64]) -> f64 {
    let sum: f64 = shares.iter().map(|share| *share as f64).sum();
    let squares: f64 = shares.iter().map(|share| (*share as f64).powi(2)).sum();
    sum * sum / (shares.len() as f64 * squares)
}

#[test]
fn twenty_uploads_share_the_limit_fairly() {
    let setup = Setup::new(b"");
    let client = Client::builder().options(&OptionSet::new().limit_rate("4M").uploads_per_host(20));
    let client = client.build().expect("client");
    let uploads: Vec<Upload> =
        (0..20).map(|number| start(&client, &setup, number, false)).collect();
    let shares = sent(&uploads, 12 << 20);
    let index = jain(&shares);
    assert!(index >= 0.95, "{index}: {shares:?}");
}

#[test]
fn a_stalled_upload_takes_nothing_of_the_limit() {
    let setup = Setup::new(b"");
    let client = Client::builder().options(&OptionSet::new().limit_rate("1M").uploads_per_host(8));
    let client = client.build().expect("client");
    let stalled: Vec<Upload> = (0..4).map(|number| start(&client, &setup, number, true)).collect();
    let runs = [start(&client, &setup, 9, false)];
    sent(&runs, 1 << 16);
    let (begun, before) = (Instant::now(), runs[0].progress().sent);
    sent(&runs, before + (3 << 20));
    // Three seconds' worth; a fifth of the limit would take fifteen.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(stalled.iter().all(|upload| upload.progress().sent == 0));
}

#[test]
fn another_limit_acts_at_once() {
    let setup = Setup::new(b"");
    let client =
        Client::builder().options(&OptionSet::new().limit_rate("2000")).build().expect("client");
    let uploads = [start(&client, &setup, 1, false)];
    sent(&uploads, 1);
    client.set_rate_limit(None);
    // At the old limit these would take half an hour.
    sent(&uploads, 4 << 20);
    client.set_rate_limit(Some(2000));
    client.set_rate_timetable("00:00-24:00=100G".parse().expect("legal"));
    uploads[0].wait_for(GENEROUS).expect("in time").expect("uploaded");
}
