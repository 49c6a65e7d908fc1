//! Structures of the caller that begin with their size, so that later versions can grow.

use std::mem::MaybeUninit;

use crate::failure::CallFailure;

/// A plain structure of the caller that later versions may make longer.
///
/// # Safety
/// The type is `repr(C)`, begins with its size as a `usize`, and all zeros are a value of it.
pub(crate) unsafe trait Extensible: Copy {
    /// Size of the first version that was published: programs built then give this one.
    const FIRST: usize;
}

/// No structure of ours will ever be larger; a larger number was never initialised.
const LARGEST: usize = 4096;

/// The place where the pointer to a new handle goes, set to NULL first.
///
/// # Safety
/// `place` is NULL or a place for a pointer.
pub(crate) unsafe fn out<'a, T>(
    place: *mut *mut T,
    name: &str,
) -> Result<&'a mut *mut T, CallFailure> {
    if place.is_null() {
        return Err(CallFailure::invalid(format!("{name} is NULL")));
    }
    // SAFETY: not NULL, so it is a place for a pointer; it need not be initialised, so it is
    // written before a reference is made.
    unsafe {
        place.write(std::ptr::null_mut());
        Ok(&mut *place)
    }
}

/// Reads the caller's structure; what an older program does not have is zero.
///
/// # Safety
/// `pointer` is NULL or a structure of `struct_size` bytes.
pub(crate) unsafe fn read<T: Extensible>(pointer: *const T, name: &str) -> Result<T, CallFailure> {
    // SAFETY: as this function's.
    let size = unsafe { check_size(pointer, name) }?;
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: both have `size` bytes, and are two objects. All zeros are a value, and so is what
    // the caller wrote over them.
    unsafe {
        value.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(pointer.cast(), size);
        Ok(value.assume_init())
    }
}

/// Fills the caller's structure as far as it goes, and says in its first field how far.
///
/// # Safety
/// `pointer` is NULL or a structure of `struct_size` bytes.
pub(crate) unsafe fn fill<T: Extensible>(
    pointer: *mut T,
    name: &str,
    value: &T,
) -> Result<(), CallFailure> {
    // SAFETY: as this function's. Both have `size` bytes, and are two objects.
    unsafe {
        let size = check_size(pointer, name)?;
        pointer.cast::<u8>().copy_from_nonoverlapping((&raw const *value).cast(), size);
        pointer.cast::<usize>().write(size);
    }
    Ok(())
}

/// How many bytes caller and library both know; NULL and a size that was not set are refused.
///
/// # Safety
/// `pointer` is NULL or a structure that begins with `struct_size`.
pub(crate) unsafe fn check_size<T: Extensible>(
    pointer: *const T,
    name: &str,
) -> Result<usize, CallFailure> {
    if pointer.is_null() {
        return Err(CallFailure::invalid(format!("{name} is NULL")));
    }
    // SAFETY: not NULL, so it begins with its size.
    let size = unsafe { pointer.cast::<usize>().read() };
    if (T::FIRST..=LARGEST).contains(&size) {
        return Ok(size.min(size_of::<T>()));
    }
    Err(CallFailure::invalid(format!(
        "{name}->struct_size is {size}: set it to sizeof *{name} before the call"
    )))
}
