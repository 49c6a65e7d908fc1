//! What systems call it.

#[cfg(target_os = "linux")]
pub(crate) use libc::{explicit_bzero as overwrite, malloc_usable_size as usable_size};

#[cfg(not(target_os = "linux"))]
pub(crate) use other::overwrite;

/// Whether [`usable_size`] tells.
pub(crate) const TELLS_SIZES: bool = cfg!(any(target_os = "linux", target_vendor = "apple"));

#[cfg(target_vendor = "apple")]
unsafe extern "C" {
    #[link_name = "malloc_size"]
    pub(crate) fn usable_size(block: *mut std::ffi::c_void) -> usize;
}

/// Never called.
#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
pub(crate) unsafe fn usable_size(_: *mut std::ffi::c_void) -> usize {
    0
}

#[cfg(not(target_os = "linux"))]
mod other {
    use std::ffi::c_void;
    use std::hint::black_box;
    use std::sync::atomic::{Ordering, compiler_fence};

    /// # Safety
    ///
    /// `length` bytes can be written at `block`.
    pub(crate) unsafe fn overwrite(block: *mut c_void, length: usize) {
        // SAFETY: by the caller's promise.
        unsafe { block.write_bytes(0, length) };
        // Else a compiler that knows what is freed next would leave the writing out.
        black_box(block);
        compiler_fence(Ordering::SeqCst);
    }
}
