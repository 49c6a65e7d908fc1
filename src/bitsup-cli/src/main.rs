//! bitsup.
fn main() {}
