//! Tells the crate how it is optimised, and refuses a bundled build whose OpenSSL is older than the table allows.
//!
//! The workspace's `[patch.crates-io]` brings a supported OpenSSL, and cargo takes patches from the top
//! workspace only: one that merely depends on bitsup would get an old OpenSSL and hear nothing of it.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=bundled.tsv");
    println!("cargo::rustc-check-cfg=cfg(optimised)");
    if env::var("OPT_LEVEL").is_ok_and(|level| level != "0" && level != "1") {
        println!("cargo::rustc-cfg=optimised");
    }
    // openssl-sys tells whether it built OpenSSL (a system's is the system's to keep up), and the version,
    // 4.0.3 as 40000030.
    let number = env::var("DEP_OPENSSL_VERSION_NUMBER").ok();
    let number = number.and_then(|number| u32::from_str_radix(&number, 16).ok());
    let (Ok(_), Some(number)) = (env::var("DEP_OPENSSL_VENDORED"), number) else { return };
    let built = [number >> 28, number >> 20 & 0xff, number >> 4 & 0xffff];
    let table = include_str!("bundled.tsv");
    let row = table.lines().find(|line| line.starts_with("OpenSSL\t")).expect("a row for OpenSSL");
    let least = row.split('\t').nth(2).expect("a least version");
    if built.to_vec() < least.split('.').map(|part| part.parse().expect("a number")).collect() {
        let [major, minor, patch] = built;
        println!(
            "cargo::error=bitsup's feature `bundled` needs OpenSSL {least} or newer, and {major}.{minor}.{patch} was built. Add \
             bitsup's crate `openssl-src` to the [patch.crates-io] of your workspace (its docs/rust.md says how), or turn \
             default features off and link the system's libcurl."
        );
    }
}
