//! Rust's memory.

use std::alloc::{GlobalAlloc, Layout, System};

use crate::os;

/// The system's allocator, which overwrites what is freed.
///
/// For programs in whose memory no password shall be left: those of libraries that do not overwrite their
/// copies, and the program's own. `docs/security.md` says what stays without it.
///
/// ```
/// # use bitsup_wipe as bitsup;
/// #[global_allocator]
/// static MEMORY: bitsup::Wiping = bitsup::Wiping;
/// # fn main() {}
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Wiping;

// SAFETY: all is the system's allocator. Growing, which the trait does by `alloc`, copying and
// `dealloc`, overwrites the old place too.
unsafe impl GlobalAlloc for Wiping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: by the caller's promise, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: by the caller's promise, which is the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block has that size, and is not used any more.
        unsafe {
            os::overwrite(block.cast(), layout.size());
            System.dealloc(block, layout);
        }
    }
}
