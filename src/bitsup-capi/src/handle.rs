//! Handles: how they are owned, and the only casts between them and pointers.

use crate::error::Failure;
use crate::life::Life;

/// What C sees as an opaque type.
pub(crate) trait Handle {
    /// How the pointer that C holds is owned.
    type Ownership;

    /// The shared part; `None` for what has no threads and no state.
    fn life(&self) -> Option<&Life>;
}

/// The pointer was given with [`give`] and ends with [`take`].
pub(crate) struct Owned;

/// The pointer was given with [`lend`]: the library keeps the handle, and says until when.
pub(crate) struct Lent;

/// Shows a handle to C, as long as it is there.
pub(crate) fn lend<T: Handle<Ownership = Lent>>(handle: &T) -> *mut T {
    std::ptr::from_ref(handle).cast_mut()
}

/// Moves a handle to C.
pub(crate) fn give<T: Handle<Ownership = Owned>>(handle: T) -> *mut T {
    Box::into_raw(Box::new(handle))
}

/// Takes a handle back from C for its end. `None` for NULL, and in the child of a fork, where the
/// handle stays in memory: its threads and locks are not there.
///
/// # Safety
/// `pointer` is NULL or comes from [`give`], and is not used again.
pub(crate) unsafe fn take<T: Handle<Ownership = Owned>>(pointer: *mut T) -> Option<Box<T>> {
    // SAFETY: as this function's.
    let handle = unsafe { look(pointer) }?;
    if handle.life().is_some_and(|life| !life.is_at_home()) {
        return None;
    }
    // SAFETY: `give` made it with `Box`, and this is its only end.
    Some(unsafe { Box::from_raw(pointer) })
}

/// Looks at a handle, whatever its state.
///
/// # Safety
/// `pointer` is NULL, or comes from [`give`] and was not taken, or from [`lend`] and is still lent.
pub(crate) unsafe fn look<'a, T: Handle>(pointer: *const T) -> Option<&'a T> {
    // SAFETY: as this function's. Handles are changed behind locks and atomics only, so any
    // number of threads may hold such a reference.
    unsafe { pointer.as_ref() }
}

/// The handle, if it can be used.
pub(crate) fn usable<'a, T: Handle>(handle: Option<&'a T>, name: &str) -> Result<&'a T, Failure> {
    let handle = handle.ok_or_else(|| Failure::invalid(format!("{name} is NULL")))?;
    if let Some(life) = handle.life() {
        if !life.is_at_home() {
            return Err(Failure::invalid(format!(
                "{name} was made before a fork and its threads are not in this process: make a new one after the fork"
            )));
        }
        if life.is_spoiled() {
            return Err(Failure::spoiled(name));
        }
    }
    Ok(handle)
}

/// Refuses the handle from now on.
pub(crate) fn spoil<T: Handle>(handle: Option<&T>) {
    if let Some(life) = handle.and_then(Handle::life) {
        life.spoil();
    }
}
