//! Handles: how they are owned, and the only casts between them and pointers.

use crate::failure::CallFailure;
use crate::life::Life;

/// What C sees as an opaque type.
pub(crate) trait Handle {
    /// How the pointer that C holds is owned.
    type Ownership;

    /// Its name in C.
    const NAME: &'static str;

    /// What its memory begins with: a pointer to another object is found by it.
    const TAG: u64 = tag(Self::NAME);

    /// The shared part; `None` for what has no threads and no state.
    fn life(&self) -> Option<&Life>;
}

/// The pointer was given with [`give`] and ends with [`take`].
pub(crate) struct Owned;

/// The pointer was given with [`lend`]: the library keeps the handle, and says until when.
pub(crate) struct Lent;

/// What a pointer of C leads to.
#[repr(C)]
pub(crate) struct Tagged<T> {
    tag: u64,
    value: T,
}

impl<T: Handle> Tagged<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { tag: T::TAG, value }
    }

    pub(crate) fn into_inner(self) -> T {
        self.value
    }
}

/// What stands behind a pointer of the caller's.
pub(crate) enum Look<'a, T> {
    Null,
    /// Another object, of this name if it is one of ours.
    Other(Option<&'static str>),
    Is(&'a T),
}

impl<T> Clone for Look<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Look<'_, T> {}

impl<T> Look<'_, T> {
    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

/// FNV-1a of a name.
const fn tag(name: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut at = 0;
    while at < name.len() {
        hash = (hash ^ name.as_bytes()[at] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        at += 1;
    }
    hash
}

/// The objects that C has pointers to.
const NAMES: [&str; 9] = [
    "bitsup_client",
    "bitsup_options",
    "bitsup_upload",
    "bitsup_session",
    "bitsup_journal",
    "bitsup_token",
    "bitsup_report",
    "bitsup_error",
    "bitsup_credential_reply",
];

/// Shows a handle to C, as long as it is there.
pub(crate) fn lend<T: Handle>(handle: &Tagged<T>) -> *mut T {
    std::ptr::from_ref(handle).cast_mut().cast()
}

/// Moves a handle to C.
pub(crate) fn give<T: Handle<Ownership = Owned>>(handle: T) -> *mut T {
    Box::into_raw(Box::new(Tagged::new(handle))).cast()
}

/// Takes a handle back from C for its end. `None` for NULL, for another object, and in the child of
/// a fork, where the handle stays in memory: its threads and locks are not there.
///
/// # Safety
/// `pointer` is NULL or comes from [`give`], and is not used again.
pub(crate) unsafe fn take<T: Handle<Ownership = Owned>>(pointer: *mut T) -> Option<T> {
    // SAFETY: as this function's.
    let Look::Is(handle) = (unsafe { look(pointer) }) else { return None };
    if handle.life().is_some_and(|life| !life.is_at_home()) {
        return None;
    }
    // SAFETY: `give` made it with `Box`, and this is its only end.
    let mut tagged = unsafe { Box::from_raw(pointer.cast::<Tagged<T>>()) };
    tagged.tag = 0;
    Some(tagged.value)
}

/// Looks at a handle, whatever its state.
///
/// # Safety
/// `pointer` is NULL, or comes from [`give`] and was not taken, or from [`lend`] and is still lent;
/// of another type than `T`, it leads to eight bytes at least.
pub(crate) unsafe fn look<'a, T: Handle>(pointer: *const T) -> Look<'a, T> {
    if pointer.is_null() {
        return Look::Null;
    }
    let tag = pointer.cast::<u64>();
    if !tag.is_aligned() {
        return Look::Other(None);
    }
    // SAFETY: not NULL and aligned, so it leads to as many bytes.
    let found = unsafe { tag.read() };
    if found != T::TAG {
        return Look::Other(NAMES.into_iter().find(|name| self::tag(name) == found));
    }
    // SAFETY: as this function's. Handles are changed behind locks and atomics only, so any
    // number of threads may hold such a reference.
    Look::Is(unsafe { &(*pointer.cast::<Tagged<T>>()).value })
}

/// The handle, if it can be used.
pub(crate) fn usable<'a, T: Handle>(handle: Look<'a, T>, name: &str) -> Result<&'a T, CallFailure> {
    let handle = match handle {
        Look::Null => return Err(CallFailure::invalid(format!("{name} is NULL"))),
        Look::Other(found) => {
            let found = found.unwrap_or("no object of this library, or was freed");
            return Err(CallFailure::invalid(format!("{name} is {found}, not {}", T::NAME)));
        }
        Look::Is(handle) => handle,
    };
    if let Some(life) = handle.life() {
        if !life.is_at_home() {
            return Err(CallFailure::invalid(format!(
                "{name} was made before a fork and its threads are not in this process: make a new one after the fork"
            )));
        }
        if life.is_spoiled() {
            return Err(CallFailure::spoiled(name));
        }
    }
    Ok(handle)
}

/// Refuses the handle from now on.
pub(crate) fn spoil<T: Handle>(handle: Look<'_, T>) {
    if let Look::Is(handle) = handle
        && let Some(life) = handle.life()
    {
        life.spoil();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_is_known_by_another_tag() {
        let mut tags: Vec<u64> = NAMES.iter().map(|name| tag(name)).collect();
        tags.sort_unstable();
        tags.dedup();
        assert_eq!(tags.len(), NAMES.len());
        let header = include_str!("../../../include/bitsup.h");
        for line in header.lines() {
            let name = line.strip_prefix("typedef struct ").and_then(|line| line.split(' ').nth(1));
            if let Some(name) = name.filter(|name| name.ends_with(';')) {
                assert!(NAMES.contains(&name.trim_end_matches(';')), "{name}");
            }
        }
    }
}
