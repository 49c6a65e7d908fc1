//! Status numbers.

use bitsup::ErrorKind;

/// What became of a call. Numbers never change their meaning; a program built
/// today may see numbers above those it knows, and treats them like
/// BITSUP_STATUS_INTERNAL.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum bitsup_status {
    /// Done.
    Ok = 0,
    /// Not done yet: the upload still runs, or more events wait. No error is set.
    Pending = 1,
    /// A fault inside bitsup was caught. The handle can only be freed.
    Panic = 2,
    /// An argument cannot be used.
    InvalidArgument = 3,
    /// The source cannot be read.
    LocalFile = 4,
    /// The source is not what it was when the upload began.
    SourceChanged = 5,
    /// Another process or upload holds the session.
    SessionInUse = 6,
    /// The server requires credentials, or refused those it got.
    Auth = 7,
    /// The proxy requires credentials, or refused those it got.
    ProxyAuth = 8,
    /// The TLS connection could not be made as it must be.
    Tls = 9,
    /// The server cannot be reached, or the connection is lost again and again.
    Network = 10,
    /// A limit of time passed: no answer, no byte, or the server kept answering
    /// "later".
    Timeout = 11,
    /// The server understood and said no.
    Refused = 12,
    /// The server names another host that is not trusted.
    HostIdUntrusted = 13,
    /// The answer is none that the protocol allows.
    Protocol = 14,
    /// All was sent, and the file on the server is not proven to be right.
    VerifyFailed = 15,
    /// A limit that the caller set was reached.
    LimitReached = 16,
    /// The upload was cancelled.
    Cancelled = 17,
    /// This build or this server lacks what was asked for.
    Unsupported = 18,
    /// A fault of bitsup.
    Internal = 19,
}

use bitsup_status as Status;

impl Status {
    pub(crate) const ALL: [(Self, &'static std::ffi::CStr); 20] = [
        (Self::Ok, c"OK"),
        (Self::Pending, c"PENDING"),
        (Self::Panic, c"PANIC"),
        (Self::InvalidArgument, c"INVALID_ARGUMENT"),
        (Self::LocalFile, c"LOCAL_FILE"),
        (Self::SourceChanged, c"SOURCE_CHANGED"),
        (Self::SessionInUse, c"SESSION_IN_USE"),
        (Self::Auth, c"AUTH"),
        (Self::ProxyAuth, c"PROXY_AUTH"),
        (Self::Tls, c"TLS"),
        (Self::Network, c"NETWORK"),
        (Self::Timeout, c"TIMEOUT"),
        (Self::Refused, c"REFUSED"),
        (Self::HostIdUntrusted, c"HOST_ID_UNTRUSTED"),
        (Self::Protocol, c"PROTOCOL"),
        (Self::VerifyFailed, c"VERIFY_FAILED"),
        (Self::LimitReached, c"LIMIT_REACHED"),
        (Self::Cancelled, c"CANCELLED"),
        (Self::Unsupported, c"UNSUPPORTED"),
        (Self::Internal, c"INTERNAL"),
    ];
}

/// Statuses that a function can give, besides those of a fault in bitsup: OK is always one.
pub(crate) type Statuses = &'static [Status];

/// Of functions that only look at their arguments.
pub(crate) const ARGUMENT: Statuses = &[Status::InvalidArgument];
/// Of functions that set or name an option.
pub(crate) const OPTION: Statuses = &[Status::InvalidArgument, Status::Unsupported];
/// Of functions that a program's loop calls.
pub(crate) const TURN: Statuses = &[Status::Pending, Status::InvalidArgument];
/// Of functions that use options and open the files that they name.
pub(crate) const CLIENT: Statuses =
    &[Status::InvalidArgument, Status::LocalFile, Status::Cancelled, Status::Unsupported];
/// Of functions that start an upload, and do not wait for its end.
pub(crate) const START: Statuses = &[
    Status::InvalidArgument,
    Status::LocalFile,
    Status::SourceChanged,
    Status::SessionInUse,
    Status::Cancelled,
    Status::Unsupported,
];
/// Of functions that look at the state directory.
pub(crate) const STATE: Statuses =
    &[Status::InvalidArgument, Status::LocalFile, Status::SessionInUse];
/// Of functions that send one packet and wait for the answer.
pub(crate) const PACKET: Statuses = &[
    Status::InvalidArgument,
    Status::LocalFile,
    Status::SessionInUse,
    Status::Auth,
    Status::ProxyAuth,
    Status::Tls,
    Status::Network,
    Status::Timeout,
    Status::Refused,
    Status::HostIdUntrusted,
    Status::Protocol,
    Status::LimitReached,
    Status::Cancelled,
    Status::Unsupported,
];
/// Of functions that tell how an upload ended.
pub(crate) const END: Statuses = &[];

/// Whether a function of these statuses can give this one.
pub(crate) fn allows(statuses: Statuses, status: Status) -> bool {
    let fault = matches!(status, Status::Panic | Status::Internal);
    status == Status::Ok || fault || statuses.is_empty() || statuses.contains(&status)
}

impl From<ErrorKind> for Status {
    /// By the number in the table that all languages share; kinds that are new fall to `Internal`.
    fn from(kind: ErrorKind) -> Self {
        let number = kind.row().status;
        let known = Self::ALL.iter().find(|(status, _)| *status as u32 == number);
        known.map_or(Self::Internal, |(status, _)| *status)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn numbers_and_names_are_those_of_the_shared_table() {
        assert_eq!(Status::ALL.len(), bitsup::KINDS.len() + 3);
        for row in bitsup::KINDS {
            let status = Status::from(row.kind);
            assert_eq!(status as u32, row.status);
            assert_eq!(format!("{status:?}"), row.name);
            let (_, name) = Status::ALL[row.status as usize];
            let plain = name.to_str().expect("ASCII").replace('_', "");
            assert_eq!(plain, row.name.to_ascii_uppercase());
        }
    }
    /// The documentation of a function and what `boundary!` lets it give are one list.
    #[test]
    fn each_function_names_the_statuses_that_it_can_give() {
        let lists = [
            ("ARGUMENT", ARGUMENT),
            ("OPTION", OPTION),
            ("TURN", TURN),
            ("CLIENT", CLIENT),
            ("START", START),
            ("STATE", STATE),
            ("PACKET", PACKET),
            ("END", END),
        ];
        let name = |status: &Status| Status::ALL[*status as usize].1.to_str().expect("ASCII");
        let mut functions = 0;
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let files = [folder.clone(), folder.join("options")]
            .into_iter()
            .flat_map(|folder| fs::read_dir(folder).expect("the sources are there"))
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
        for path in files.filter(|path| !path.ends_with("status.rs")) {
            let (file, text) = (path.display(), fs::read_to_string(&path).expect("UTF-8"));
            let mut documented = String::new();
            for line in text.lines() {
                if let Some(words) = line.strip_prefix("///") {
                    documented += words;
                } else if let Some((_, rest)) = line.split_once("boundary!(error: ") {
                    let list = rest.split_once("gives ").and_then(|(_, list)| list.split_once(','));
                    let (list, _) = list.expect("a list");
                    let (_, statuses) =
                        lists.iter().find(|(known, _)| *known == list).expect("a list");
                    let statuses: Vec<_> = statuses.iter().map(name).collect();
                    let told = match &*statuses {
                        [] => "any".to_owned(),
                        statuses => format!("OK, {}", statuses.join(", ")),
                    };
                    let ending = format!(" Statuses: {told}.");
                    assert!(documented.ends_with(&ending), "{file}: {documented}, and not{ending}");
                    functions += 1;
                } else if line == "}" {
                    documented.clear();
                }
            }
        }
        assert!(functions > 50, "{functions}");
    }
}
