//! A token from an untrusted source.
#![no_main]
#![forbid(unsafe_code)]

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bitsup::{Client, Source};
use libfuzzer_sys::fuzz_target;
use xxhash_rust::xxh3::xxh3_64;

static CLIENT: LazyLock<Client> = LazyLock::new(|| Client::new().expect("a client"));

// The first byte says whether the rest is a whole token or what one encodes.
fuzz_target!(|data: &[u8]| {
    let Some((kind, body)) = data.split_first() else { return };
    let token = if *kind == b'!' {
        String::from_utf8_lossy(body).into_owned()
    } else {
        let mut bytes = body.to_vec();
        bytes.extend_from_slice(&xxh3_64(body).to_le_bytes());
        format!("bitsup1.{}", URL_SAFE_NO_PAD.encode(bytes))
    };
    drop(CLIENT.import(&token, Source::bytes(vec![0; 10])));
});
