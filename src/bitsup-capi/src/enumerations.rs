//! Enumerations that go in: as numbers, which are checked.

use std::ffi::c_int;

use bitsup::{AuthChoice, HostPolicy, IfExists, LostAckPolicy, ResumeCheck, VerifyPolicy};

use crate::error::Failure;

/// With which scheme to answer a server's challenge.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum bitsup_auth {
    /// The strongest that the server offers and this build has: Negotiate, NTLM,
    /// Digest, then Basic, which goes over verified TLS only. The default.
    Any = 0,
    /// Basic.
    Basic = 1,
    /// Digest.
    Digest = 2,
    /// NTLM, if bitsup_features has it.
    Ntlm = 3,
    /// Negotiate; at servers with NTLM inside, or, without user, token and
    /// credential callback, with the Kerberos ticket of the system.
    Negotiate = 4,
}

/// What to do about a file that already exists at the destination.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum bitsup_if_exists {
    /// Upload, and let the server decide. The default.
    Try = 0,
    /// Ask first; upload nothing if it exists.
    Skip = 1,
    /// Ask first; fail if it exists.
    Fail = 2,
}

/// Which other host to go on with, where the server names one (BITS-Host-Id).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum bitsup_host_policy {
    /// One of the same registrable domain, and trusted ones. The default.
    SameSite = 0,
    /// Any.
    Any = 1,
    /// None: all packets go to the host of the URL.
    Ignore = 2,
}

/// When to ask for the destination's size afterwards.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum bitsup_verify {
    /// Where it is unclear what the server did. The default.
    Auto = 0,
    /// Always; an answer that tells nothing is an error.
    Always = 1,
    /// Never.
    Never = 2,
}

/// What to do when the answer to a part of the file, or to its end, is lost.
/// The server is always asked first, with one byte that it has already
/// acknowledged.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum bitsup_on_lost_ack {
    /// Start over in a new session if the server does not prove its offset. The
    /// default.
    Auto = 0,
    /// As AUTO, and also if only the answer to Close-Session is missing and
    /// cannot be decided.
    Restart = 1,
    /// Continue where the server says, without proof; the upload is not verified.
    Resend = 2,
    /// As AUTO, but an undecided Close-Session counts as acknowledged.
    Accept = 3,
}

/// How much of a source is compared before an upload is continued.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum bitsup_resume_check {
    /// All that was acknowledged, beside the sending. The default.
    Full = 0,
    /// The last block.
    Tail = 1,
}

pub(crate) fn auth(number: c_int) -> Result<AuthChoice, Failure> {
    use bitsup_auth as C;
    let known = [
        (C::Any as c_int, AuthChoice::Any),
        (C::Basic as c_int, AuthChoice::Basic),
        (C::Digest as c_int, AuthChoice::Digest),
        (C::Ntlm as c_int, AuthChoice::Ntlm),
        (C::Negotiate as c_int, AuthChoice::Negotiate),
    ];
    choose(&known, number, "bitsup_auth")
}

pub(crate) fn if_exists(number: c_int) -> Result<IfExists, Failure> {
    use bitsup_if_exists as C;
    let known = [
        (C::Try as c_int, IfExists::Try),
        (C::Skip as c_int, IfExists::Skip),
        (C::Fail as c_int, IfExists::Fail),
    ];
    choose(&known, number, "bitsup_if_exists")
}

pub(crate) fn host_policy(number: c_int) -> Result<HostPolicy, Failure> {
    use bitsup_host_policy as C;
    let known = [
        (C::SameSite as c_int, HostPolicy::SameSite),
        (C::Any as c_int, HostPolicy::Any),
        (C::Ignore as c_int, HostPolicy::Ignore),
    ];
    choose(&known, number, "bitsup_host_policy")
}

pub(crate) fn verify(number: c_int) -> Result<VerifyPolicy, Failure> {
    use bitsup_verify as C;
    let known = [
        (C::Auto as c_int, VerifyPolicy::Auto),
        (C::Always as c_int, VerifyPolicy::Always),
        (C::Never as c_int, VerifyPolicy::Never),
    ];
    choose(&known, number, "bitsup_verify")
}

pub(crate) fn on_lost_ack(number: c_int) -> Result<LostAckPolicy, Failure> {
    use bitsup_on_lost_ack as C;
    let known = [
        (C::Auto as c_int, LostAckPolicy::Auto),
        (C::Resend as c_int, LostAckPolicy::Resend),
        (C::Restart as c_int, LostAckPolicy::Restart),
        (C::Accept as c_int, LostAckPolicy::Accept),
    ];
    choose(&known, number, "bitsup_on_lost_ack")
}

pub(crate) fn resume_check(number: c_int) -> Result<ResumeCheck, Failure> {
    use bitsup_resume_check as C;
    let known = [(C::Full as c_int, ResumeCheck::Full), (C::Tail as c_int, ResumeCheck::Tail)];
    choose(&known, number, "bitsup_resume_check")
}

/// What the number of an enumerator stands for.
fn choose<T: Copy>(known: &[(c_int, T)], number: c_int, name: &str) -> Result<T, Failure> {
    let found = known.iter().find(|(known, _)| *known == number);
    let none = || Failure::invalid(format!("{number} is no number of {name}"));
    found.map(|(_, value)| *value).ok_or_else(none)
}
