//! Packet by packet: Ping, and sessions that the program drives itself.

use std::ffi::{CString, c_char, c_void};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bitsup::PacketSession;

use crate::callbacks::Hooks;
use crate::client::{Choice, bitsup_client};
use crate::error::bitsup_error;
use crate::failure::CallFailure;
use crate::handle::{self, Handle, Owned};
use crate::life::Life;
use crate::options::bitsup_options;
use crate::status::bitsup_status;
use crate::{credential, text};

/// An upload session whose packets the program sends one by one. Nothing is
/// tried again. Packets from several threads wait for each other; a credential
/// callback that is asked for a session can send none of its packets.
///
/// A packet whose answer is lost may have been carried out: its error says that
/// this is unclear. Bytes that are sent again then stand in the file twice on a
/// server that writes them behind what it has, and no answer tells. Once a
/// server acknowledges bytes that were not sent in the session, it can only be
/// cancelled.
pub struct bitsup_session {
    life: Arc<Life>,
    id: CString,
    size: u64,
    /// A call that sends has it too: the caller may free the handle where it is asked for a login.
    packets: Arc<Packets>,
    /// The caller's functions, which end with the handle.
    #[expect(dead_code, reason = "held for what the engine has of it")]
    hooks: Hooks,
}

impl Handle for bitsup_session {
    type Ownership = Owned;
    const NAME: &'static str = "bitsup_session";

    fn life(&self) -> Option<&Life> {
        Some(&self.life)
    }
}

struct Packets {
    session: Mutex<PacketSession>,
    /// That of the session, to be read while a packet is under way.
    offset: AtomicU64,
}

impl Packets {
    fn send<T>(
        &self,
        work: impl FnOnce(&mut PacketSession) -> Result<T, CallFailure>,
    ) -> Result<T, CallFailure> {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let result = work(&mut session);
        self.offset.store(session.offset(), Ordering::Release);
        result
    }
}

impl bitsup_session {
    /// What sends, unless this thread is asked for a login by a packet under way.
    fn packets(&self) -> Result<Arc<Packets>, CallFailure> {
        if self.life.is_calling_here() {
            return Err(CallFailure::invalid(
                "a credential callback of a session cannot send its packets",
            ));
        }
        Ok(Arc::clone(&self.packets))
    }
}

/// Sends Ping, and waits for the answer: whether a BITS server is there and
/// takes the login. options may be NULL.
/// Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SESSION_IN_USE, AUTH,
/// PROXY_AUTH, TLS, NETWORK, TIMEOUT, REFUSED, HOST_ID_UNTRUSTED, PROTOCOL,
/// LIMIT_REACHED, CANCELLED, UNSUPPORTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_ping(
    client: *mut bitsup_client,
    url: *const c_char,
    options: *const bitsup_options,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives PACKET, [client], or_null [options], text [url], {
        let choice = client.choose(options)?;
        // The caller may free the client where it is asked for a login.
        let client = client.client.clone();
        client.ping(url, &choice.options)?;
        Ok(bitsup_status::Ok)
    })
}

/// Sends Create-Session for a file of size bytes, waits for the answer, and
/// makes *session. name is the Content-Name, or NULL for none; options may be
/// NULL.
/// Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SESSION_IN_USE, AUTH,
/// PROXY_AUTH, TLS, NETWORK, TIMEOUT, REFUSED, HOST_ID_UNTRUSTED, PROTOCOL,
/// LIMIT_REACHED, CANCELLED, UNSUPPORTED.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_session_create(
    client: *mut bitsup_client,
    url: *const c_char,
    size: u64,
    name: *const c_char,
    options: *const bitsup_options,
    session: *mut *mut bitsup_session,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives PACKET, [client], or_null [options], out session, text [url], {
        let name = if name.is_null() {
            ""
        } else {
            // SAFETY: not NULL, so it is text.
            unsafe { text::text(name, "name") }?
        };
        let Choice { mut options, hooks } = client.choose(options)?;
        let life = Arc::new(Life::new());
        let asked = options.credential_callback.take();
        options.credential_callback = asked.map(|asked| credential::for_session(&asked, &life));
        // As in bitsup_ping.
        let client = client.client.clone();
        let made = client.session(url, size, name, &options)?;
        let id = text::for_c(made.id());
        let packets = Packets { session: Mutex::new(made), offset: AtomicU64::new(0) };
        let packets = Arc::new(packets);
        *session = handle::give(bitsup_session { life, id, size, packets, hooks });
        Ok(bitsup_status::Ok)
    })
}

/// Gives the session's id, which lives as long as the handle; NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_session_id(session: *const bitsup_session) -> *const c_char {
    boundary!(value: std::ptr::null(), [session], { session.id.as_ptr() })
}

/// Tells where in the file the next Fragment is to start, in bytes; never
/// waits: while a packet is under way, what was known before. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_session_offset(session: *const bitsup_session) -> u64 {
    boundary!(value: 0, [session], { session.packets.offset.load(Ordering::Acquire) })
}

/// Sends length bytes, at least one, as a Fragment from bitsup_session_offset
/// on, and waits for the answer. *next_offset, if next_offset is not NULL, is
/// then where the server wants to continue: normally behind what was sent, but
/// it may be anywhere in what has gone out. It is not written on failure.
/// Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SESSION_IN_USE, AUTH,
/// PROXY_AUTH, TLS, NETWORK, TIMEOUT, REFUSED, HOST_ID_UNTRUSTED, PROTOCOL,
/// LIMIT_REACHED, CANCELLED, UNSUPPORTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_session_send(
    session: *mut bitsup_session,
    data: *const c_void,
    length: usize,
    next_offset: *mut u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives PACKET, [session], {
        let size = session.size;
        let offset = session.packets()?.send(|packets| {
            let left = size.saturating_sub(packets.offset());
            // Before the bytes are looked at: a wrong length must not read beyond them.
            if length == 0 || length as u64 > left {
                return Err(CallFailure::invalid(format!(
                    "length is {length}; a fragment here can have 1 to {left} bytes"
                )));
            }
            // SAFETY: the caller gives NULL or as many bytes as it says.
            let data = unsafe { text::bytes(data, length, "data") }?;
            Ok(packets.send(data)?)
        })?;
        if !next_offset.is_null() {
            // SAFETY: not NULL, so it is a place for a number.
            unsafe { next_offset.write(offset) };
        }
        Ok(bitsup_status::Ok)
    })
}

/// Sends Close-Session, and waits for the answer. BITSUP_STATUS_OK: the server
/// acknowledged it. Refused, and nothing sent, before the server has all bytes.
/// An upload also asks a server whose connection ended in between whether it
/// still has all bytes, and a HEAD for the file where that is unclear; here
/// nothing does.
/// Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SESSION_IN_USE, AUTH,
/// PROXY_AUTH, TLS, NETWORK, TIMEOUT, REFUSED, HOST_ID_UNTRUSTED, PROTOCOL,
/// LIMIT_REACHED, CANCELLED, UNSUPPORTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_session_close(
    session: *mut bitsup_session,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives PACKET, [session], {
        session.packets()?.send(|packets| Ok(packets.close()?))?;
        Ok(bitsup_status::Ok)
    })
}

/// Sends Cancel-Session, and waits for the answer: the server deletes what it
/// has.
/// Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SESSION_IN_USE, AUTH,
/// PROXY_AUTH, TLS, NETWORK, TIMEOUT, REFUSED, HOST_ID_UNTRUSTED, PROTOCOL,
/// LIMIT_REACHED, CANCELLED, UNSUPPORTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_session_cancel(
    session: *mut bitsup_session,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives PACKET, [session], {
        session.packets()?.send(|packets| Ok(packets.cancel()?))?;
        Ok(bitsup_status::Ok)
    })
}

/// Frees the handle and sends nothing: a session that was neither closed nor
/// cancelled stays on the server until the server forgets it. In a credential
/// callback that one of its packets asks, the packet ends without an answer to
/// the question. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_session_free(session: *mut bitsup_session) {
    boundary!(value: (), [], {
        // SAFETY: the caller gives NULL or a session that it owns, and this is its last use.
        let Some(session) = (unsafe { handle::take(session) }) else { return };
        session.life.close();
    });
}
