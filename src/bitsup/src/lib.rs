//! Uploads files with the BITS Upload Protocol ([MC-BUP]).
//!
//! ```no_run
//! # fn main() -> Result<(), bitsup::Error> {
//! let client = bitsup::Client::new()?;
//! let source = bitsup::Source::path("disk.img")?;
//! let receipt = client.upload(source, "https://host/incoming/disk.img").start()?.wait()?;
//! println!("{} bytes in {:?}", receipt.size, receipt.duration);
//! # Ok(())
//! # }
//! ```
//!
//! A [`Client`] has one thread that moves all bytes. An [`Upload`] is a handle that any
//! thread may use. A [`Receipt`] exists only if the server confirmed the file; everything
//! else is an [`Error`] that says what happened and what to do.
//!
//! Where to start reading: [`Client`], then the private module `engine`, which drives the
//! state machine of the crate `bitsup-proto` over libcurl.
//!
//! [MC-BUP]: https://learn.microsoft.com/openspecs/windows_protocols/mc-bup
#![forbid(unsafe_code)]

#[cfg(doctest)]
#[doc = include_str!("../../../docs/authentication.md")]
struct AuthenticationGuide;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/rust.md")]
struct RustGuide;

mod callbacks;
mod client;
mod credentials;
mod descriptors;
mod destination;
mod diagnosis;
mod doctor;
mod engine;
mod error;
mod features;
mod journal;
mod netrc;
mod options;
mod output_file;
mod packets;
mod progress;
mod sessions;
mod source;
mod timetable;
mod transcript;
mod transport;
mod upload;

pub use bitsup_proto::error::{KINDS, KindRow};
pub use bitsup_proto::explain;
pub use bitsup_proto::text;
pub use bitsup_proto::{ErrorKind, Hresult, PacketType};
pub use bitsup_wipe::Wiping;
pub use client::{Client, ClientBuilder, UploadBuilder};
#[doc(hidden)]
pub use credentials::secret_text;
pub use credentials::{CredentialCallback, CredentialRequest, Credentials, Login, Secret};
pub use doctor::{Check, DoctorReport, Finding, Verdict};
pub use error::{Error, Left};
pub use features::{Features, VERSION, features};
pub use netrc::Netrc;
#[doc(hidden)]
pub use options::{
    AuthChoice, HostPolicy, IfExists, LostAckPolicy, ProxyChoice, ReplyTo, Resolve, ResumeCheck,
    TlsOptions, VerifyPolicy, units,
};
pub use options::{
    CALLBACKS, CHOICES, CallbackRow, Choice, ChoiceSet, ClientOptions, Header, JournalKeeps,
    LimitRate, OPTIONS, OptionKind, OptionRow, OptionScope, OptionSet, OptionUse, OptionValue,
    RetryDecision, UNLIMITED, UploadOptions, option_by_id, option_by_name, options_named,
    unknown_option,
};
#[doc(hidden)]
pub use output_file::{OutputFile, write_waiting};
pub use packets::{PacketSession, PingReport};
pub use progress::{
    AckEvent, Event, EventFilter, Flow, PacketEvent, Progress, Receipt, UploadState, Waiting,
};
pub use sessions::SessionInfo;
pub use source::{ReadAt, Seekable, Source, Wake};
pub use timetable::RateTimetable;
pub use transcript::TRANSCRIPT_HEAD;
pub use upload::{CancelMode, Upload};
