//! Error codes (HRESULT) and error contexts as they travel in Acks.

use core::fmt;

/// An HRESULT as a BITS server sends it in `BITS-Error-Code` or `BITS-Error`
/// (MC-BUP §2.2.1.2), or as the client forms it from an HTTP status.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hresult(pub u32);

impl Hresult {
    /// No error: servers send it in the headers of an error too.
    pub const OK: Self = Self(0);
    /// No right on the URL, overwrite refused, or uploads disabled.
    pub const ACCESS_DENIED: Self = Self(0x8007_0005);
    /// A malformed or inconsistent request.
    pub const INVALID_ARGUMENT: Self = Self(0x8007_0057);
    /// The server's disk is full (Win32 error 112).
    pub const DISK_FULL: Self = Self(0x8007_0070);
    /// 112 written as if it were hexadecimal, as MC-BUP prints it: disk full, and
    /// with status 408 and context 7 a time-out of the server application.
    pub const DISK_FULL_AS_PRINTED: Self = Self(0x8007_0112);
    /// `BG_E_INVALID_SERVER_RESPONSE`
    pub const INVALID_SERVER_RESPONSE: Self = Self(0x8020_001B);
    /// `BG_E_LOCAL_FILE_CHANGED`
    pub const LOCAL_FILE_CHANGED: Self = Self(0x8020_001D);
    /// `BG_E_SESSION_NOT_FOUND`
    pub const SESSION_NOT_FOUND: Self = Self(0x8020_001F);
    /// `BG_E_TOO_LARGE`
    pub const TOO_LARGE: Self = Self(0x8020_0020);
    /// `BG_E_CLIENT_SERVER_PROTOCOL_MISMATCH`
    pub const PROTOCOL_MISMATCH: Self = Self(0x8020_0022);
    /// `BG_E_NO_PROGRESS`
    pub const NO_PROGRESS: Self = Self(0x8020_0024);

    /// The HRESULT that stands for an HTTP status: `0x80190000 + status`.
    #[must_use]
    pub const fn from_status(status: u16) -> Self {
        Self(0x8019_0000 + status as u32)
    }

    /// The HTTP status that this code stands for, if it is one.
    #[must_use]
    pub const fn status(self) -> Option<u16> {
        match self.0 {
            0x8019_0064..=0x8019_0257 => Some((self.0 & 0xFFFF) as u16),
            _ => None,
        }
    }

    /// Whether a rule of the client says what to do about this code.
    #[must_use]
    pub const fn is_named_by_a_rule(self) -> bool {
        matches!(
            self,
            Self::ACCESS_DENIED
                | Self::INVALID_ARGUMENT
                | Self::DISK_FULL
                | Self::DISK_FULL_AS_PRINTED
                | Self::SESSION_NOT_FOUND
                | Self::TOO_LARGE
        )
    }

    /// The code's name in the Windows headers, if it has one.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        NAMES.iter().find(|(code, _)| *code == self.0).map(|(_, name)| *name)
    }

    /// The code of that name, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        NAMES
            .iter()
            .find(|(_, known)| known.eq_ignore_ascii_case(name))
            .map(|(code, _)| Self(*code))
    }

    /// Reads the value of an error header.
    ///
    /// Servers write `0x80070057`, `x80070057`, `80070057` or `0x80070057L`, in any
    /// case; a leading `-` makes it a signed decimal number. Anything else, more than
    /// eight hexadecimal digits included, is `None` and counts as absent.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim_matches([' ', '\t']);
        if text.starts_with('-') {
            return text.parse::<i32>().ok().map(|code| Self(code.cast_unsigned()));
        }
        parse_hexadecimal(text).map(Self)
    }
}

/// Reads a number in any of the hexadecimal forms servers use: `0x7`, `x7`, `7`, `7L`.
#[must_use]
pub fn parse_hexadecimal(text: &str) -> Option<u32> {
    let text = text.trim_matches([' ', '\t']);
    let digits = text
        .strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))
        .or_else(|| text.strip_prefix(['x', 'X']))
        .unwrap_or(text);
    let digits = digits.strip_suffix(['L', 'l']).unwrap_or(digits);
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(digits, 16).ok()
}

impl fmt::Display for Hresult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:08X}", self.0)?;
        match self.name() {
            Some(name) => write!(f, " {name}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Hresult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The error came from the BITS server itself (`BG_ERROR_CONTEXT_REMOTE_FILE`).
pub const CONTEXT_SERVER: u32 = 5;
/// The error came from the application behind the server (`BG_ERROR_CONTEXT_REMOTE_APPLICATION`).
pub const CONTEXT_REMOTE_APPLICATION: u32 = 7;

const NAMES: &[(u32, &str)] = &[
    (0x0000_0000, "S_OK"),
    (0x0020_0017, "BG_S_PARTIAL_COMPLETE"),
    (0x0020_001A, "BG_S_UNABLE_TO_DELETE_FILES"),
    (0x8007_0005, "E_ACCESSDENIED"),
    (0x8007_0057, "E_INVALIDARG"),
    (0x8007_0070, "ERROR_DISK_FULL"),
    (0x8007_0112, "ERROR_DISK_FULL"),
    (0x8007_2EE2, "ERROR_WINHTTP_TIMEOUT"),
    (0x8007_2EE7, "ERROR_WINHTTP_NAME_NOT_RESOLVED"),
    (0x8007_2EFD, "ERROR_WINHTTP_CANNOT_CONNECT"),
    (0x8007_2EFE, "ERROR_WINHTTP_CONNECTION_ERROR"),
    (0x8007_2F0C, "ERROR_WINHTTP_CLIENT_AUTH_CERT_NEEDED"),
    (0x8020_0001, "BG_E_NOT_FOUND"),
    (0x8020_0002, "BG_E_INVALID_STATE"),
    (0x8020_0003, "BG_E_EMPTY"),
    (0x8020_0004, "BG_E_FILE_NOT_AVAILABLE"),
    (0x8020_0005, "BG_E_PROTOCOL_NOT_AVAILABLE"),
    (0x8020_000D, "BG_E_DESTINATION_LOCKED"),
    (0x8020_000E, "BG_E_VOLUME_CHANGED"),
    (0x8020_000F, "BG_E_ERROR_INFORMATION_UNAVAILABLE"),
    (0x8020_0010, "BG_E_NETWORK_DISCONNECTED"),
    (0x8020_0011, "BG_E_MISSING_FILE_SIZE"),
    (0x8020_0012, "BG_E_INSUFFICIENT_HTTP_SUPPORT"),
    (0x8020_0013, "BG_E_INSUFFICIENT_RANGE_SUPPORT"),
    (0x8020_0014, "BG_E_REMOTE_NOT_SUPPORTED"),
    (0x8020_0018, "BG_E_PROXY_LIST_TOO_LARGE"),
    (0x8020_0019, "BG_E_PROXY_BYPASS_LIST_TOO_LARGE"),
    (0x8020_001B, "BG_E_INVALID_SERVER_RESPONSE"),
    (0x8020_001C, "BG_E_TOO_MANY_FILES"),
    (0x8020_001D, "BG_E_LOCAL_FILE_CHANGED"),
    (0x8020_001E, "BG_E_ERROR_CONTEXT_REMOTE_APPLICATION"),
    (0x8020_001F, "BG_E_SESSION_NOT_FOUND"),
    (0x8020_0020, "BG_E_TOO_LARGE"),
    (0x8020_0021, "BG_E_STRING_TOO_LONG"),
    (0x8020_0022, "BG_E_CLIENT_SERVER_PROTOCOL_MISMATCH"),
    (0x8020_0023, "BG_E_SERVER_EXECUTE_ENABLE"),
    (0x8020_0024, "BG_E_NO_PROGRESS"),
    (0x8020_0025, "BG_E_USERNAME_TOO_LARGE"),
    (0x8020_0026, "BG_E_PASSWORD_TOO_LARGE"),
    (0x8020_0027, "BG_E_INVALID_AUTH_TARGET"),
    (0x8020_0028, "BG_E_INVALID_AUTH_SCHEME"),
    (0x8020_0029, "BG_E_FILE_NOT_FOUND"),
    (0x8020_002B, "BG_E_INVALID_RANGE"),
    (0x8020_002C, "BG_E_OVERLAPPING_RANGES"),
    (0x8020_002D, "BG_E_CONNECT_FAILURE"),
    (0x8020_002E, "BG_E_CONNECTION_CLOSED"),
    (0x8020_003E, "BG_E_BLOCKED_BY_POLICY"),
    (0x8020_003F, "BG_E_INVALID_PROXY_INFO"),
    (0x8020_0040, "BG_E_INVALID_CREDENTIALS"),
    (0x8020_0071, "BG_E_NOT_SUPPORTED_WITH_CUSTOM_HTTP_METHOD"),
    (0x8020_0073, "BG_E_REMOTE_FILE_CHANGED"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn codes_are_read_in_every_form_servers_use() {
        for text in [
            "0x80070057",
            "0X80070057",
            "x80070057",
            "80070057",
            "0x80070057L",
            " 0x80070057 ",
            "0X80070057l",
            "-2147024809",
        ] {
            assert_eq!(Hresult::parse(text), Some(Hresult::INVALID_ARGUMENT), "{text}");
        }
        assert_eq!(Hresult::parse("57"), Some(Hresult(0x57)));
        assert_eq!(Hresult::parse("1"), Some(Hresult(1)));
        for context in ["0x5", "x5", "5"] {
            assert_eq!(parse_hexadecimal(context), Some(CONTEXT_SERVER), "{context}");
        }
    }

    #[test]
    fn what_is_no_code_counts_as_absent() {
        for text in ["zz", "", " ", "0x", "0x123456789", "-", "-0x5", "-2147483649", "0x8007 0057"]
        {
            assert_eq!(Hresult::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_status_and_its_code_lead_to_each_other() {
        assert_eq!(Hresult::from_status(404), Hresult(0x8019_0194));
        assert_eq!(Hresult::from_status(416).status(), Some(416));
        assert_eq!(Hresult::TOO_LARGE.status(), None);
    }

    #[test]
    fn a_code_is_shown_with_its_name() {
        assert_eq!(Hresult::TOO_LARGE.to_string(), "0x80200020 BG_E_TOO_LARGE");
        assert_eq!(Hresult(0xA000_1234).to_string(), "0xA0001234");
        assert_eq!(Hresult::from_name("bg_e_too_large"), Some(Hresult::TOO_LARGE));
    }
}
