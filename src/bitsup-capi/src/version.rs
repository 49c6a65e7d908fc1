//! Version and features.

use std::ffi::{CString, c_char};
use std::sync::OnceLock;

/// There is TLS, so that https works.
pub const BITSUP_FEATURE_TLS: u32 = 1;
/// libcurl and the TLS library are part of this library instead of being the
/// system's.
pub const BITSUP_FEATURE_BUNDLED: u32 = 2;
/// Servers can be answered with NTLM.
pub const BITSUP_FEATURE_NTLM: u32 = 4;
/// Servers can be answered with Negotiate with a password, which is NTLM
/// inside.
pub const BITSUP_FEATURE_NEGOTIATE: u32 = 8;
/// Servers can be answered with a Kerberos ticket of the system: it has the
/// library that reads them.
pub const BITSUP_FEATURE_KERBEROS: u32 = 16;
/// Such logins are bound to the server's certificate over https (channel
/// binding, Extended Protection).
pub const BITSUP_FEATURE_CHANNEL_BINDING: u32 = 32;

/// Gives the version of the library at run time, such as "0.1.0"; compare
/// BITSUP_VERSION, that of the header. The text is static.
#[unsafe(no_mangle)]
pub extern "C" fn bitsup_version() -> *const c_char {
    boundary!(value: c"".as_ptr(), [], {
        static TEXT: OnceLock<CString> = OnceLock::new();
        TEXT.get_or_init(|| crate::text::for_c(bitsup::VERSION)).as_ptr()
    })
}

/// Gives the version of the library at run time as major * 65536 + minor * 256
/// + patch; compare BITSUP_VERSION_NUMBER.
#[unsafe(no_mangle)]
pub extern "C" fn bitsup_version_number() -> u32 {
    boundary!(value: 0, [], {
        let part = |text: Option<&str>| text.and_then(|text| text.parse().ok()).unwrap_or(0_u32);
        let mut parts = bitsup::VERSION.split(['.', '-', '+']);
        part(parts.next()) << 16 | part(parts.next()) << 8 | part(parts.next())
    })
}

/// Tells what this build has, as the libraries themselves say at run time: bits
/// of BITSUP_FEATURE_…, combined by |.
#[unsafe(no_mangle)]
pub extern "C" fn bitsup_features() -> u32 {
    boundary!(value: 0, [], {
        let features = bitsup::features();
        let present = [
            (features.tls.is_some(), BITSUP_FEATURE_TLS),
            (features.bundled, BITSUP_FEATURE_BUNDLED),
            (features.ntlm, BITSUP_FEATURE_NTLM),
            (features.negotiate, BITSUP_FEATURE_NEGOTIATE),
            (features.kerberos, BITSUP_FEATURE_KERBEROS),
            (features.channel_binding, BITSUP_FEATURE_CHANNEL_BINDING),
        ];
        present.iter().filter(|(has, _)| *has).map(|(_, bit)| bit).sum()
    })
}

/// Gives the same in words for people, with the versions of libcurl and the TLS
/// library. The text is static.
#[unsafe(no_mangle)]
pub extern "C" fn bitsup_features_text() -> *const c_char {
    boundary!(value: c"".as_ptr(), [], {
        static TEXT: OnceLock<CString> = OnceLock::new();
        TEXT.get_or_init(|| crate::text::for_c(&bitsup::features().to_string())).as_ptr()
    })
}
