//! What stands between C and everything else.

use std::any::Any;

use crate::error::bitsup_error;
use crate::failure::CallFailure;
use crate::status::bitsup_status;

/// The whole body of an entry point.
///
/// `boundary!(error: place, gives LIST, [handles], or_null [handles], owns name = value, out name, text [names], { … })`
/// gives a status of a list in `crate::status`: the body is a `Result<bitsup_status, CallFailure>`.
/// `boundary!(value: fallback, [handles], { … })` gives a value, and `fallback` where there is none. In the body each
/// handle's name is a reference: NULL, another object, a handle from before a fork and one that met a panic never get
/// there; `out` is the place for a pointer, which is NULL until the body sets it, and each `text` is a `&str`. A panic
/// becomes a status, and the handles are refused from then on. What the call `owns` ends with it, also where the body is
/// not reached.
macro_rules! boundary {
    (error: $error:expr, gives $list:ident, [$($handle:ident),*] $(, or_null [$($maybe:ident),*])? $(, owns $owned:ident = $value:expr)? $(, out $place:ident)? $(, text [$($text:ident),*])?, $body:block) => {{
        $(
            // SAFETY: the caller gives NULL, or a handle that `_free` was not called for.
            let $handle = unsafe { crate::handle::look($handle) };
        )*
        $($(
            // SAFETY: as above.
            let $maybe = unsafe { crate::handle::look($maybe) };
        )*)?
        crate::place::note_panics();
        $( let $owned = $value; )?
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(
            || -> Result<crate::status::bitsup_status, crate::failure::CallFailure> {
                $( let $owned = $owned; )?
                crate::faults::fault_point(c"entry");
                $(
                    let $handle = crate::handle::usable($handle, stringify!($handle))?;
                )*
                $($(
                    let $maybe = if $maybe.is_null() {
                        None
                    } else {
                        Some(crate::handle::usable($maybe, stringify!($maybe))?)
                    };
                )*)?
                $(
                    // SAFETY: the caller gives NULL or a place for a pointer.
                    let $place = unsafe { crate::structure::out($place, stringify!($place)) }?;
                )?
                $($(
                    // SAFETY: the caller gives NULL or text.
                    let $text = unsafe { crate::text::text($text, stringify!($text)) }?;
                )*)?
                $body
            },
        ));
        if outcome.is_err() {
            $( crate::handle::spoil($handle); )*
        }
        // SAFETY: the caller gives NULL, or a place for the pointer to an error.
        let status = unsafe { crate::boundary::status(outcome, $error) };
        debug_assert!(crate::status::allows(crate::status::$list, status), "{status:?} of {}", stringify!($list));
        status
    }};
    (value: $fallback:expr, [$($handle:ident),*], $body:block) => {{
        $(
            // SAFETY: the caller gives NULL, or a handle that `_free` was not called for.
            let $handle = unsafe { crate::handle::look($handle) };
        )*
        crate::place::note_panics();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            crate::faults::fault_point(c"entry");
            $(
                let Ok($handle) = crate::handle::usable($handle, stringify!($handle)) else {
                    return $fallback;
                };
            )*
            $body
        }));
        if outcome.is_err() {
            $( crate::handle::spoil($handle); )*
        }
        outcome.unwrap_or($fallback)
    }};
}

/// Gives the caller the error, or takes an old value away from its variable.
///
/// # Safety
/// `error` is NULL or a place for a pointer.
pub(crate) unsafe fn status(
    outcome: Result<Result<bitsup_status, CallFailure>, Box<dyn Any + Send>>,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    let (status, made) = match outcome {
        Ok(Ok(status)) => (status, None),
        Ok(Err(failure)) => (failure.status(), Some(failure)),
        Err(panic) => (bitsup_status::Panic, Some(CallFailure::panic(panic.as_ref()))),
    };
    if !error.is_null() {
        let give = |failure: CallFailure| crate::handle::give(failure.into_error());
        let made = made.map_or(std::ptr::null_mut(), give);
        // SAFETY: not NULL, so it is a place for a pointer.
        unsafe { error.write(made) };
    }
    status
}
