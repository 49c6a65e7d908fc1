//! Makes the library a good shared library: a name by ABI version, and never unloaded.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=abi/number");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") {
        return;
    }
    // Threads of the library may still run when the program calls dlclose.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    // cargo-c gives the same name: a second one would hide a mistake in either.
    if std::env::var_os("CARGO_FEATURE_CAPI").is_none() {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libbitsup.so.{}", ABI.trim());
    }
}

/// Number of the ABI, in the file name of the library: see `docs/abi.md`.
const ABI: &str = include_str!("abi/number");
