//! Many uploads through a proxy that cuts connections at random positions.
//!
//! `BITSUP_SOAK` sets how many (the long form is 1,000), `BITSUP_SEED` which positions.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::common::cutter::Cutter;
use crate::common::payload;
use bitsup::{Client, ErrorKind, OptionSet, Source, UploadOptions};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn every_upload_through_a_cutting_proxy_is_byte_exact() {
    const SIZE: usize = 3_000_000;
    let (uploads, seed) = (number("BITSUP_SOAK", 40), number("BITSUP_SEED", 1));
    let root = tempfile::tempdir().expect("root");
    let config =
        bitsup_server::Config { root: root.path().to_owned(), ..bitsup_server::Config::default() };
    let server = bitsup_server::Server::start(config).expect("server");
    let cutter = Cutter::start(server.address(), seed, 3_000_000);
    let client =
        Client::builder().options(&OptionSet::new().uploads_per_host(8)).build().expect("client");
    let mut options = UploadOptions::default();
    options.retry_delay = Duration::from_millis(1);
    options.max_retry_delay = Duration::from_millis(20);
    options.wait_for_server = Duration::from_secs(60);
    let bytes = payload(SIZE);
    let file = tempfile::NamedTempFile::new().expect("file");
    std::fs::write(file.path(), &bytes).expect("written");
    let started: Vec<_> = (0..uploads)
        .map(|at| {
            let url = format!("http://{}/{at}.bin", cutter.address);
            // A file's bytes go past libcurl, others through it.
            let source = if at % 2 == 0 {
                Source::path(file.path()).expect("source")
            } else {
                Source::bytes(bytes.clone())
            };
            client.upload(source, &url).options(options.clone()).start().expect("started")
        })
        .collect();
    let (mut confirmed, mut unclear, mut restarts, mut unproven) = (0_u64, 0, 0, 0);
    let mut undecided = 0;
    for (at, upload) in started.into_iter().enumerate() {
        match upload.wait() {
            Ok(receipt) => {
                let published =
                    std::fs::read(root.path().join(format!("{at}.bin"))).expect("published");
                assert!(published == bytes, "upload {at} is not byte-exact");
                confirmed += u64::from(receipt.close_confirmed);
                unclear += u64::from(receipt.unconfirmed_resends);
                restarts += u64::from(receipt.restarts);
                unproven += u64::from(!receipt.verified);
            }
            // The session began in this very second, so that no HEAD decides what became of its end:
            // the file is there, or it is not, but it is no other.
            Err(error) if error.kind() == ErrorKind::VerifyFailed => {
                let published = std::fs::read(root.path().join(format!("{at}.bin")));
                assert!(published.is_ok_and(|own| own == bytes), "upload {at}: {error}");
                undecided += 1;
            }
            Err(error) => panic!("upload {at}: {error}"),
        }
    }
    let sent = cutter.forwarded.load(Ordering::Relaxed) as f64 / (uploads as f64 * SIZE as f64);
    println!(
        "{uploads} uploads of {SIZE} bytes: all byte-exact; {} cuts, {sent:.3} bytes moved for each payload byte, \
         {confirmed} closes confirmed, {unclear} unclear resends, {restarts} restarts, {unproven} unverified, \
         {undecided} undecided",
        cutter.cuts.load(Ordering::Relaxed)
    );
}
