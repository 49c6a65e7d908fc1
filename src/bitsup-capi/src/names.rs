//! Names of what enumerations say.

use std::ffi::{CStr, c_char};

use crate::progress::STATES;
use crate::status::bitsup_status;

/// Gives the name of a status without its prefix, such as "SOURCE_CHANGED";
/// "UNKNOWN" for a number that is none. The text is static.
#[unsafe(no_mangle)]
pub extern "C" fn bitsup_status_name(status: u32) -> *const c_char {
    boundary!(value: c"UNKNOWN".as_ptr(), [], {
        let known = bitsup_status::ALL.iter().find(|(known, _)| *known as u32 == status);
        known.map_or(c"UNKNOWN", |(_, name)| name).as_ptr()
    })
}

/// Gives the name of a state, such as "waiting_ack"; "unknown" for a number
/// that is none. The text is static.
#[unsafe(no_mangle)]
pub extern "C" fn bitsup_state_name(state: u32) -> *const c_char {
    boundary!(value: c"unknown".as_ptr(), [], {
        STATES.get(state as usize).map_or(c"unknown".as_ptr(), |name| name.as_ptr())
    })
}

/// Gives the name of a level, such as "WARNING"; "UNKNOWN" for a number that is
/// none. The text is static.
#[unsafe(no_mangle)]
pub extern "C" fn bitsup_log_level_name(level: u32) -> *const c_char {
    boundary!(value: c"UNKNOWN".as_ptr(), [], {
        const NAMES: [&CStr; 4] = [c"ERROR", c"WARNING", c"INFO", c"DEBUG"];
        let at = (level as usize).wrapping_sub(1);
        NAMES.get(at).map_or(c"UNKNOWN".as_ptr(), |name| name.as_ptr())
    })
}
