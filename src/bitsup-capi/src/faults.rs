//! Faults that a test asks for, in builds with debug assertions only: a test program defines
//! `int bitsup_fault_at(const char *point)`, which is called at each point that can fail, and
//! returns 1 for a panic there.

#[cfg(not(debug_assertions))]
pub(crate) const fn fault_point(_: &std::ffi::CStr) {}

#[cfg(debug_assertions)]
pub(crate) use asked::fault_point;

#[cfg(debug_assertions)]
mod asked {
    use std::ffi::{CStr, c_char, c_int};
    use std::sync::OnceLock;

    type Hook = unsafe extern "C" fn(*const c_char) -> c_int;

    /// Panics if the program asks for it.
    pub(crate) fn fault_point(point: &CStr) {
        static HOOK: OnceLock<Option<Hook>> = OnceLock::new();
        let hook = HOOK.get_or_init(find);
        // SAFETY: a program that defines this function defines it so, for tests.
        let asked = hook.is_some_and(|hook| unsafe { hook(point.as_ptr()) } == 1);
        assert!(!asked, "injected at {}", point.to_string_lossy());
    }

    fn find() -> Option<Hook> {
        // SAFETY: the name ends with a zero byte; all libraries and the program are searched.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"bitsup_fault_at".as_ptr()) };
        if found.is_null() {
            return None;
        }
        // SAFETY: not NULL, so it is the program's function; its type is as above.
        Some(unsafe { std::mem::transmute::<*mut libc::c_void, Hook>(found) })
    }
}
