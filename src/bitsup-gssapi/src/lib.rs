//! Logins with the Kerberos tickets of the system, by Negotiate (SPNEGO, RFC 4178).
//!
//! Tickets are read by the system's own library, MIT Kerberos' `libgssapi_krb5.so.2`: its
//! configuration, its kinds of ticket caches and its way to the key distribution centre are what
//! every other program of that machine uses. The library is loaded when it is first asked for, so that
//! one build runs with and without it.
//!
//! A step may ask the key distribution centre over the network and wait for it: call it where
//! waiting does no harm.

use std::fmt;

#[cfg(all(unix, not(target_vendor = "apple")))]
mod mit;
#[cfg(all(unix, not(target_vendor = "apple")))]
use mit as system;

#[cfg(not(all(unix, not(target_vendor = "apple"))))]
mod none;
#[cfg(not(all(unix, not(target_vendor = "apple"))))]
use none as system;

/// Whether the system has a library that this crate knows.
#[must_use]
pub fn is_available() -> bool {
    system::is_available()
}

/// A login at one server under way.
pub struct Login(system::Context);

impl Login {
    /// Begins a login at the service `HTTP` of `host`, the name as it stands in the URL. With
    /// `binding`, the application data of channel bindings (RFC 2743 §1.1.6), it is of no use
    /// over another channel.
    pub fn new(host: &str, binding: Option<Vec<u8>>) -> Result<Self, Error> {
        system::Context::new(host, binding).map(Self)
    }

    /// What to say next, after the server has said `token`; first nothing. An empty answer says
    /// that there is nothing more to say. An error after the server's last word means that the
    /// server could not show who it is.
    pub fn step(&mut self, token: &[u8]) -> Result<Vec<u8>, Error> {
        self.0.step(token)
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Login(…)")
    }
}

/// Why there is no login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What a program can do about it.
    pub kind: ErrorKind,
    /// One line in the library's words.
    pub message: String,
}

/// Causes of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no library.
    Unavailable,
    /// There is no ticket.
    NoTicket,
    /// There is one, and its time is over.
    Expired,
    /// Anything else: the server is unknown to Kerberos, the key distribution centre cannot be
    /// reached, clocks differ.
    Other,
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
