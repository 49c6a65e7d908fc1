//! Options: sizes and times.

use std::time::Duration;

use super::bitsup_upload_options;
use crate::error::{Failure, bitsup_error};
use crate::status::bitsup_status;

/// Bytes in each Fragment; 0 chooses by itself, which is the default.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_fragment_size(
    options: *mut bitsup_upload_options,
    bytes: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        let size = Some(bytes).filter(|size| *size > 0);
        options.choose(move |choices| choices.options.fragment_size = size)
    })
}

/// The most bytes in a Fragment that is chosen by itself, at least 1. Default
/// 28 MiB: IIS refuses requests above 30,000,000 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_max_fragment(
    options: *mut bitsup_upload_options,
    bytes: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        if bytes == 0 {
            return Err(Failure::invalid("bytes is 0: give at least 1"));
        }
        options.choose(move |choices| choices.options.max_fragment = bytes)
    })
}

/// The fewest bytes in a Fragment to which a server's "too large" leads, at
/// least 1. Default 5 KiB.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_min_fragment(
    options: *mut bitsup_upload_options,
    bytes: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        if bytes == 0 {
            return Err(Failure::invalid("bytes is 0: give at least 1"));
        }
        options.choose(move |choices| choices.options.min_fragment = bytes)
    })
}

/// How long connecting may take (name, TCP, TLS). Default 30 s.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_connect_timeout_ms(
    options: *mut bitsup_upload_options,
    milliseconds: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        if milliseconds == 0 {
            return Err(Failure::invalid("milliseconds is 0: give at least 1"));
        }
        let time = Duration::from_millis(milliseconds);
        options.choose(move |choices| choices.options.connect_timeout = time)
    })
}

/// How long no byte may move while a packet is sent. Default 60 s.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_stall_timeout_ms(
    options: *mut bitsup_upload_options,
    milliseconds: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        if milliseconds == 0 {
            return Err(Failure::invalid("milliseconds is 0: give at least 1"));
        }
        let time = Duration::from_millis(milliseconds);
        options.choose(move |choices| choices.options.stall_timeout = time)
    })
}

/// How long an answer may take. Default 5 min.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_ack_timeout_ms(
    options: *mut bitsup_upload_options,
    milliseconds: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        if milliseconds == 0 {
            return Err(Failure::invalid("milliseconds is 0: give at least 1"));
        }
        let time = Duration::from_millis(milliseconds);
        options.choose(move |choices| choices.options.ack_timeout = time)
    })
}

/// How long the answers to the last Fragment and to Close-Session may take.
/// Default 15 min.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_last_ack_timeout_ms(
    options: *mut bitsup_upload_options,
    milliseconds: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        if milliseconds == 0 {
            return Err(Failure::invalid("milliseconds is 0: give at least 1"));
        }
        let time = Duration::from_millis(milliseconds);
        options.choose(move |choices| choices.options.last_ack_timeout = time)
    })
}

/// How long to go on without progress once a server has answered. Default 15
/// min.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_give_up_after_ms(
    options: *mut bitsup_upload_options,
    milliseconds: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        let time = Duration::from_millis(milliseconds);
        options.choose(move |choices| choices.options.give_up_after = time)
    })
}

/// How long to wait for a server that never answered. Default 15 s, and 3
/// tries.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_wait_for_server_ms(
    options: *mut bitsup_upload_options,
    milliseconds: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        let time = Duration::from_millis(milliseconds);
        options.choose(move |choices| choices.options.wait_for_server = time)
    })
}

/// The bound of the second retry's delay, which doubles up to the longest.
/// Default 1 s.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_retry_delay_ms(
    options: *mut bitsup_upload_options,
    milliseconds: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        let time = Duration::from_millis(milliseconds);
        options.choose(move |choices| choices.options.retry_delay = time)
    })
}

/// The longest bound of a retry's delay. Default 60 s.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_max_retry_delay_ms(
    options: *mut bitsup_upload_options,
    milliseconds: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        let time = Duration::from_millis(milliseconds);
        options.choose(move |choices| choices.options.max_retry_delay = time)
    })
}

/// How many tries without progress; 0 is unlimited, which is the default.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_max_attempts(
    options: *mut bitsup_upload_options,
    attempts: u32,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        let attempts = Some(attempts).filter(|attempts| *attempts > 0);
        options.choose(move |choices| choices.options.max_attempts = attempts)
    })
}

/// How long the whole upload may take; 0 is unlimited, which is the default.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_max_time_ms(
    options: *mut bitsup_upload_options,
    milliseconds: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        let time = Some(milliseconds).filter(|time| *time > 0).map(Duration::from_millis);
        options.choose(move |choices| choices.options.max_time = time)
    })
}

/// How many bytes may be sent, repetitions included; 0 is unlimited, which is
/// the default.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_options_set_max_bytes(
    options: *mut bitsup_upload_options,
    bytes: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [options], {
        let limit = Some(bytes).filter(|limit| *limit > 0);
        options.choose(move |choices| choices.options.max_bytes = limit)
    })
}
