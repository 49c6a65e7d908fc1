//! A Rust library of the program's own.

/// The name with our prefix is for the one that is made as ours is.
#[cfg_attr(localized, unsafe(export_name = "bitsup_other_catches_a_panic"))]
#[cfg_attr(not(localized), unsafe(export_name = "plain_catches_a_panic"))]
extern "C" fn catches_a_panic() -> i32 {
    std::panic::set_hook(Box::new(|_| {}));
    i32::from(std::panic::catch_unwind(|| panic!("on purpose")).is_err())
}
