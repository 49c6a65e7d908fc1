//! Where a panic happened: a part of its error, since the host's standard error is not ours to write to.

use std::cell::RefCell;
use std::panic;
use std::sync::Once;

thread_local! {
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Notes places from now on instead of printing them. The standard library is private to this one,
/// so that its hook is too.
pub(crate) fn note_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(|of| format!("{}:{}", of.file(), of.line()));
            // A thread that ends has none any more.
            let _ = LAST.try_with(|last| last.replace(place));
        }));
    });
}

/// The place of this thread's last panic, once.
pub(crate) fn take() -> Option<String> {
    LAST.try_with(RefCell::take).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_has_one_place() {
        note_panics();
        panic::catch_unwind(|| panic!("on purpose")).expect_err("it panics");
        let place = take().expect("it was noted");
        assert!(place.contains("place.rs:"), "{place}");
        assert_eq!(take(), None);
    }
}
