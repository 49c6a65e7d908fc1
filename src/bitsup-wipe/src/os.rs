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

/// Whether the address is in the program's own file, and not in a library's.
#[cfg(target_os = "linux")]
pub(crate) fn is_in_the_program(address: *const ()) -> bool {
    struct Asked(usize, bool);

    /// Looks at the first of the process's objects, which is the program.
    unsafe extern "C" fn look(
        object: *mut libc::dl_phdr_info,
        _: libc::size_t,
        asked: *mut std::ffi::c_void,
    ) -> libc::c_int {
        // SAFETY: the C library gives an object, and what it was given.
        let (object, asked) = unsafe { (&*object, &mut *asked.cast::<Asked>()) };
        // SAFETY: the object has that number of headers there.
        let headers =
            unsafe { std::slice::from_raw_parts(object.dlpi_phdr, object.dlpi_phnum.into()) };
        asked.1 = headers.iter().any(|header| {
            let start = (object.dlpi_addr as usize).wrapping_add(header.p_vaddr as usize);
            header.p_type == libc::PT_LOAD && asked.0.wrapping_sub(start) < header.p_memsz as usize
        });
        1
    }

    let mut asked = Asked(address.addr(), false);
    // SAFETY: the function reads what it is given, while this waits.
    unsafe { libc::dl_iterate_phdr(Some(look), (&raw mut asked).cast()) };
    asked.1
}

/// Other systems are not asked: a library never takes libcurl from its host there.
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_in_the_program(_: *const ()) -> bool {
    false
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
