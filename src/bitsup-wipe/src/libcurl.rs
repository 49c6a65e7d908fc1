//! libcurl's memory functions.
//!
//! Blocks are the C library's own with nothing added, so that a block which another part of the program
//! gives to plain `free`, or which libcurl has from elsewhere, is as good as before.
//!
//! All blocks are overwritten, whatever their size, for request heads go through the buffers of bodies too.
//! It is little: an upload of 256 MiB frees about 5,000 blocks, those of Rust included, with 4 to 6 MB
//! together, by http and by https.

use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use curl::easy::List;

use crate::os;

/// Comes before the curl crate, which initialises libcurl before `main` by an entry of `.init_array`: libcurl
/// takes its functions with its first initialisation only. Entries with a number come before those
/// without, and low numbers first; numbers up to 100 belong to the C library and the compiler.
///
/// Nothing may name this static: `cargo xtask install` removes both entries from the C library, whose host
/// decides what runs before its `main`.
#[cfg(any(feature = "private-libcurl", feature = "whole-program"))]
#[used]
#[cfg_attr(all(unix, not(target_vendor = "apple")), unsafe(link_section = ".init_array.00101"))]
// Here the linker's order decides.
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
static BEFORE_MAIN: extern "C" fn() = before_main;

/// Whether libcurl has ever called one of the functions.
static CALLED: AtomicBool = AtomicBool::new(false);

#[cfg(any(feature = "private-libcurl", feature = "whole-program"))]
extern "C" fn before_main() {
    init();
}

/// Whether the memory functions of libcurl are ours to choose: it is a copy of our own, or this code is a part of
/// the program itself, which said so by a feature. A module that a program loads says nothing for the program.
fn is_ours() -> bool {
    cfg!(feature = "private-libcurl")
        || cfg!(feature = "whole-program") && os::is_in_the_program(is_ours as *const ())
}

/// Initialises libcurl with functions that overwrite what is freed, if they are ours to choose. If the program has
/// initialised libcurl before, it stays as it is.
pub fn init() {
    static ONCE: Once = Once::new();
    if !os::TELLS_SIZES || !is_ours() {
        return;
    }
    ONCE.call_once(|| {
        // SAFETY: the functions do what libcurl wants of them (`curl_global_init_mem(3)`), and stay
        // loaded: the documents want that of a program that unloads libraries. libcurl guards it against other
        // threads, older ones against none: then, as with the curl crate, it happens before `main`.
        let code = unsafe {
            curl_sys::curl_global_init_mem(
                curl_sys::CURL_GLOBAL_ALL,
                allocate,
                release,
                resize,
                duplicate,
                allocate_zeroed,
            )
        };
        // After an error the curl crate tries again, and tells.
        let _ = code;
    });
}

/// Whether libcurl uses these functions: not if they are not ours to choose, or the program initialised it before.
#[must_use]
pub fn is_active() -> bool {
    init();
    // It makes libcurl copy a text.
    List::new().append("x").is_ok() && CALLED.load(Ordering::Relaxed)
}

extern "C" fn allocate(size: usize) -> *mut c_void {
    // SAFETY: any size may be asked for.
    unsafe { libc::malloc(size) }
}

extern "C" fn allocate_zeroed(count: usize, size: usize) -> *mut c_void {
    // SAFETY: any product may be asked for; one that is too large gives null.
    unsafe { libc::calloc(count, size) }
}

extern "C" fn duplicate(text: *const c_char) -> *mut c_char {
    CALLED.store(true, Ordering::Relaxed);
    // SAFETY: libcurl gives a text that ends with a zero.
    unsafe { libc::strdup(text) }
}

extern "C" fn release(block: *mut c_void) {
    if block.is_null() {
        return;
    }
    // SAFETY: the block is one of the C library's that is not used any more; all that it tells as its
    // size may be written.
    unsafe {
        os::overwrite(block, os::usable_size(block));
        libc::free(block);
    }
}

/// A block that is large enough stays where it is, for libcurl makes them larger only.
extern "C" fn resize(block: *mut c_void, size: usize) -> *mut c_void {
    if block.is_null() {
        return allocate(size);
    }
    // SAFETY: the block is one of the C library's.
    let had = unsafe { os::usable_size(block) };
    if size <= had {
        return block;
    }
    let larger = allocate(size);
    if !larger.is_null() {
        // SAFETY: one has `had` bytes and the other more, and they are two.
        unsafe { ptr::copy_nonoverlapping(block.cast::<u8>(), larger.cast::<u8>(), had) };
        release(block);
    }
    larger
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(any(feature = "private-libcurl", feature = "whole-program"))]
    #[test]
    fn libcurl_uses_the_functions() {
        assert!(is_active());
        // The curl crate comes second, and nothing changes.
        curl::init();
        assert!(is_active());
    }

    /// A block of that size full of `byte`, of the kind that libcurl gets.
    fn full(size: usize, byte: u8) -> *mut c_void {
        let block = allocate(size);
        // SAFETY: the block has that size.
        unsafe { block.write_bytes(byte, size) };
        block
    }

    #[test]
    fn a_block_keeps_its_content_when_it_grows() {
        for (from, to) in [(1, 2), (1, 100_000), (100, 10), (5_000, 5_001), (300_000, 900_000)] {
            let block = resize(full(from, 7), to);
            // SAFETY: the smaller of both sizes was written, and is there.
            let kept = unsafe { std::slice::from_raw_parts(block.cast::<u8>(), from.min(to)) };
            assert!(kept.iter().all(|byte| *byte == 7), "{from} {to}");
            // SAFETY: all of it may be written.
            unsafe { block.write_bytes(8, to) };
            release(block);
        }
        release(resize(ptr::null_mut(), 10));
        release(ptr::null_mut());
    }

    #[test]
    fn zeroed_blocks_are_zero_and_texts_are_copied() {
        release(full(1000, 7));
        let block = allocate_zeroed(10, 100);
        // SAFETY: it has 10 × 100 bytes.
        let bytes = unsafe { std::slice::from_raw_parts(block.cast::<u8>(), 1000) };
        assert!(bytes.iter().all(|byte| *byte == 0));
        release(block);
        assert!(allocate_zeroed(usize::MAX, 2).is_null());
        let copy = duplicate(c"text".as_ptr());
        // SAFETY: it is a copy of a text.
        assert_eq!(unsafe { std::ffi::CStr::from_ptr(copy) }, c"text");
        release(copy.cast());
    }
}
