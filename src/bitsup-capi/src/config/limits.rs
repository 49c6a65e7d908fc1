//! The setters of `options/limits.rs` for all uploads of a client: made from that file, never edited.

use std::time::Duration;

use super::bitsup_config;
use crate::error::{Failure, bitsup_error};
use crate::status::bitsup_status;

/// For all uploads of the client:
/// bitsup_upload_options_set_fragment_size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_fragment_size(
    config: *mut bitsup_config,
    bytes: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        let size = Some(bytes).filter(|size| *size > 0);
        config.choose(move |choices| choices.options.fragment_size = size)
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_max_fragment.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_max_fragment(
    config: *mut bitsup_config,
    bytes: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        if bytes == 0 {
            return Err(Failure::invalid("bytes is 0: give at least 1"));
        }
        config.choose(move |choices| choices.options.max_fragment = bytes)
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_min_fragment.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_min_fragment(
    config: *mut bitsup_config,
    bytes: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        if bytes == 0 {
            return Err(Failure::invalid("bytes is 0: give at least 1"));
        }
        config.choose(move |choices| choices.options.min_fragment = bytes)
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_connect_timeout_ms.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_connect_timeout_ms(
    config: *mut bitsup_config,
    milliseconds: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        if milliseconds == 0 {
            return Err(Failure::invalid("milliseconds is 0: give at least 1"));
        }
        let time = Duration::from_millis(milliseconds);
        config.choose(move |choices| choices.options.connect_timeout = time)
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_stall_timeout_ms.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_stall_timeout_ms(
    config: *mut bitsup_config,
    milliseconds: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        if milliseconds == 0 {
            return Err(Failure::invalid("milliseconds is 0: give at least 1"));
        }
        let time = Duration::from_millis(milliseconds);
        config.choose(move |choices| choices.options.stall_timeout = time)
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_ack_timeout_ms.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_ack_timeout_ms(
    config: *mut bitsup_config,
    milliseconds: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        if milliseconds == 0 {
            return Err(Failure::invalid("milliseconds is 0: give at least 1"));
        }
        let time = Duration::from_millis(milliseconds);
        config.choose(move |choices| choices.options.ack_timeout = time)
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_last_ack_timeout_ms.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_last_ack_timeout_ms(
    config: *mut bitsup_config,
    milliseconds: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        if milliseconds == 0 {
            return Err(Failure::invalid("milliseconds is 0: give at least 1"));
        }
        let time = Duration::from_millis(milliseconds);
        config.choose(move |choices| choices.options.last_ack_timeout = time)
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_give_up_after_ms.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_give_up_after_ms(
    config: *mut bitsup_config,
    milliseconds: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        let time = Duration::from_millis(milliseconds);
        config.choose(move |choices| choices.options.give_up_after = time)
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_wait_for_server_ms.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_wait_for_server_ms(
    config: *mut bitsup_config,
    milliseconds: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        let time = Duration::from_millis(milliseconds);
        config.choose(move |choices| choices.options.wait_for_server = time)
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_retry_delay_ms.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_retry_delay_ms(
    config: *mut bitsup_config,
    milliseconds: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        let time = Duration::from_millis(milliseconds);
        config.choose(move |choices| choices.options.retry_delay = time)
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_max_retry_delay_ms.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_max_retry_delay_ms(
    config: *mut bitsup_config,
    milliseconds: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        let time = Duration::from_millis(milliseconds);
        config.choose(move |choices| choices.options.max_retry_delay = time)
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_max_attempts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_max_attempts(
    config: *mut bitsup_config,
    attempts: u32,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        let attempts = Some(attempts).filter(|attempts| *attempts > 0);
        config.choose(move |choices| choices.options.max_attempts = attempts)
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_max_time_ms.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_max_time_ms(
    config: *mut bitsup_config,
    milliseconds: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        let time = Some(milliseconds).filter(|time| *time > 0).map(Duration::from_millis);
        config.choose(move |choices| choices.options.max_time = time)
    })
}

/// For all uploads of the client:
/// bitsup_upload_options_set_max_bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_config_set_max_bytes(
    config: *mut bitsup_config,
    bytes: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, [config], {
        let limit = Some(bytes).filter(|limit| *limit > 0);
        config.choose(move |choices| choices.options.max_bytes = limit)
    })
}
