//! Sessions that were kept, and uploads that go on with one.

use std::ffi::{CString, c_char, c_int, c_void};
use std::mem::offset_of;
use std::os::unix::ffi::OsStrExt;
use std::ptr;

use bitsup::{Error, SessionInfo, Source};

use crate::client::bitsup_client;
use crate::error::bitsup_error;
use crate::failure::CallFailure;
use crate::handle::{self, Handle, Owned};
use crate::life::Life;
use crate::options::bitsup_options;
use crate::source::{self, bitsup_source};
use crate::status::bitsup_status;
use crate::structure::Extensible;
use crate::token::bitsup_token;
use crate::upload::{Start, bitsup_upload};
use crate::{structure, text};

/// The sessions that were kept in a client's state directory, as they were when
/// the list was read.
pub struct bitsup_journal {
    life: Life,
    entries: Vec<Result<Entry, Error>>,
}

/// A session that was kept. Texts live as long as the list.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bitsup_journal_entry {
    /// Set it to sizeof(bitsup_journal_entry) before the call; afterwards the
    /// bytes that were written.
    pub struct_size: usize,
    /// Its name in the state directory.
    pub id: *const c_char,
    /// The destination, without its query.
    pub url: *const c_char,
    /// The source.
    pub path: *const c_char,
    /// Size in bytes.
    pub size: u64,
    /// Bytes that the server acknowledged.
    pub acknowledged: u64,
    /// When the upload began, in seconds since 1970.
    pub begun: u64,
    /// When it last got further, in seconds since 1970.
    pub updated: u64,
    /// BITSUP_OPTION_NOTE; NULL if it was not set.
    pub note: *const c_char,
    /// Whether (not 0) an upload is running in it.
    pub in_use: c_int,
    /// Whether (not 0) the server may hold a session that is not known here,
    /// since the answer to its Create-Session was never stored.
    pub may_be_left: c_int,
}

// SAFETY: `repr(C)`, the first field is the size, and each field may be zero.
unsafe impl Extensible for bitsup_journal_entry {
    const FIRST: usize = offset_of!(Self, may_be_left) + size_of::<c_int>();
}

impl Handle for bitsup_journal {
    type Ownership = Owned;
    const NAME: &'static str = "bitsup_journal";

    fn life(&self) -> Option<&Life> {
        Some(&self.life)
    }
}

/// An entry with the texts that C sees.
struct Entry {
    info: SessionInfo,
    id: CString,
    url: CString,
    path: CString,
    note: Option<CString>,
}

impl Entry {
    fn new(info: SessionInfo) -> Self {
        Self {
            id: text::for_c(&info.id),
            url: text::for_c(&info.url),
            path: CString::new(info.path.as_os_str().as_bytes()).unwrap_or_default(),
            note: info.note.as_deref().map(text::for_c),
            info,
        }
    }

    /// The structure for C, which points into this.
    fn for_c(&self) -> bitsup_journal_entry {
        bitsup_journal_entry {
            struct_size: size_of::<bitsup_journal_entry>(),
            id: self.id.as_ptr(),
            url: self.url.as_ptr(),
            path: self.path.as_ptr(),
            size: self.info.size,
            acknowledged: self.info.acknowledged,
            begun: self.info.begun,
            updated: self.info.updated,
            note: self.note.as_ref().map_or(ptr::null(), |note| note.as_ptr()),
            in_use: c_int::from(self.info.in_use),
            may_be_left: c_int::from(self.info.may_be_left),
        }
    }
}

/// Reads *journal, the list of the sessions that were kept, oldest first.
/// Refused if the client has no state directory (BITSUP_OPTION_STATE_DIR).
/// Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SESSION_IN_USE.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_journal_read(
    client: *mut bitsup_client,
    journal: *mut *mut bitsup_journal,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives STATE, [client], out journal, {
        let sessions = client.client.sessions()?;
        let entries = sessions.into_iter().map(|session| session.map(Entry::new)).collect();
        *journal = handle::give(bitsup_journal { life: Life::new(), entries });
        Ok(bitsup_status::Ok)
    })
}

/// Counts the sessions in the list; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_journal_count(journal: *const bitsup_journal) -> usize {
    boundary!(value: 0, [journal], { journal.entries.len() })
}

/// Tells about one session of the list: index is from 0 on, and below
/// bitsup_journal_count. Where its file cannot be read or understood, that is
/// the error. Set entry->struct_size first.
/// Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SESSION_IN_USE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_journal_get(
    journal: *const bitsup_journal,
    index: usize,
    entry: *mut bitsup_journal_entry,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives STATE, [journal], {
        // SAFETY: the caller gives NULL or a structure of the size in it.
        unsafe { structure::check_size(entry, "entry") }?;
        let count = journal.entries.len();
        let found = journal.entries.get(index).ok_or_else(|| {
            CallFailure::invalid(format!("index is {index}, and the list has {count} sessions"))
        })?;
        let known = found.as_ref().map_err(Error::clone)?;
        // SAFETY: as above.
        unsafe { structure::fill(entry, "entry", &known.for_c()) }?;
        Ok(bitsup_status::Ok)
    })
}

/// Frees the list and its texts. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_journal_free(journal: *mut bitsup_journal) {
    boundary!(value: (), [], {
        // SAFETY: the caller gives NULL or a list that it owns, and this is its last use.
        drop(unsafe { handle::take(journal) });
    });
}

/// Starts to upload the rest of a file whose session was kept. id is that of a
/// bitsup_journal_entry, as in the functions below. options may be NULL: the
/// journal holds no password and no other option.
/// Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SOURCE_CHANGED, SESSION_IN_USE,
/// CANCELLED, UNSUPPORTED.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_journal_resume(
    client: *mut bitsup_client,
    id: *const c_char,
    options: *const bitsup_options,
    upload: *mut *mut bitsup_upload,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives START, [client], or_null [options], out upload, text [id], {
        let builder = client.client.resume(id)?;
        *upload = Start::new(client, options).start(builder)?;
        Ok(bitsup_status::Ok)
    })
}

/// Tells the server to delete what it has of a kept session, waits for the
/// answer, and forgets the session. options may be NULL.
/// Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SESSION_IN_USE, AUTH,
/// PROXY_AUTH, TLS, NETWORK, TIMEOUT, REFUSED, HOST_ID_UNTRUSTED, PROTOCOL,
/// LIMIT_REACHED, CANCELLED, UNSUPPORTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_journal_cancel(
    client: *mut bitsup_client,
    id: *const c_char,
    options: *const bitsup_options,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives PACKET, [client], or_null [options], text [id], {
        let choice = client.choose(options)?;
        // The caller may free the client where it is asked for a login.
        let client = client.client.clone();
        client.cancel_session(id, &choice.options)?;
        Ok(bitsup_status::Ok)
    })
}

/// Forgets a kept session without telling the server, which keeps what it has
/// until it forgets that too.
/// Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SESSION_IN_USE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_journal_forget(
    client: *mut bitsup_client,
    id: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives STATE, [client], text [id], {
        client.client.forget_session(id)?;
        Ok(bitsup_status::Ok)
    })
}

/// Makes a token of a kept session, to go on with it here or elsewhere: see
/// bitsup_upload_import.
/// Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SESSION_IN_USE.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_journal_export(
    client: *mut bitsup_client,
    id: *const c_char,
    token: *mut *mut bitsup_token,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives STATE, [client], out token, text [id], {
        *token = handle::give(bitsup_token::new(&client.client.export(id)?));
        Ok(bitsup_status::Ok)
    })
}

/// Starts to upload the rest of a file in a session from elsewhere: token is
/// the text of bitsup_error_token or bitsup_token_text, and names the
/// destination. The file must hold the same bytes, which is checked before its
/// last part goes out. options may be NULL.
/// Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SOURCE_CHANGED, SESSION_IN_USE,
/// CANCELLED, UNSUPPORTED.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_import(
    client: *mut bitsup_client,
    token: *const c_char,
    path: *const c_char,
    options: *const bitsup_options,
    upload: *mut *mut bitsup_upload,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives START, [client], or_null [options], out upload, {
        // SAFETY: the caller gives NULL or text, twice.
        let (token, path) = unsafe { (text::text(token, "token")?, text::path(path, "path")?) };
        let builder = client.client.import(token, Source::path(path)?)?;
        *upload = Start::new(client, options).start(builder)?;
        Ok(bitsup_status::Ok)
    })
}

/// Starts as bitsup_upload_import does, with a path of path_length bytes, in
/// any encoding.
/// Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SOURCE_CHANGED, SESSION_IN_USE,
/// CANCELLED, UNSUPPORTED.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_import_bytes(
    client: *mut bitsup_client,
    token: *const c_char,
    path: *const c_char,
    path_length: usize,
    options: *const bitsup_options,
    upload: *mut *mut bitsup_upload,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives START, [client], or_null [options], out upload, {
        // SAFETY: the caller gives NULL or text, and NULL or as many bytes as it says.
        let (token, path) = unsafe {
            (text::text(token, "token")?, text::path_bytes(path, path_length, "path")?)
        };
        let builder = client.client.import(token, Source::path(path)?)?;
        *upload = Start::new(client, options).start(builder)?;
        Ok(bitsup_status::Ok)
    })
}

/// Starts as bitsup_upload_import does, with length bytes in memory, as for
/// bitsup_upload_start_memory.
/// Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SOURCE_CHANGED, SESSION_IN_USE,
/// CANCELLED, UNSUPPORTED.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_import_memory(
    client: *mut bitsup_client,
    token: *const c_char,
    data: *const c_void,
    length: usize,
    options: *const bitsup_options,
    upload: *mut *mut bitsup_upload,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives START, [client], or_null [options], out upload, text [token], {
        let start = Start::new(client, options);
        // SAFETY: the caller gives NULL or as many bytes as it says, until the upload is freed,
        // which closes the start's life.
        let source = unsafe { source::memory(data, length, &start.life) }?;
        *upload = start.start(client.client.import(token, source)?)?;
        Ok(bitsup_status::Ok)
    })
}

/// Starts as bitsup_upload_import does, with what a function of the program
/// reads, as for bitsup_upload_start_callbacks. A part of it is read before
/// this returns.
/// Statuses: OK, INVALID_ARGUMENT, LOCAL_FILE, SOURCE_CHANGED, SESSION_IN_USE,
/// CANCELLED, UNSUPPORTED.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_upload_import_callbacks(
    client: *mut bitsup_client,
    token: *const c_char,
    source: *const bitsup_source,
    options: *const bitsup_options,
    upload: *mut *mut bitsup_upload,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    // SAFETY: the caller gives NULL or a structure of the size in it.
    boundary!(error: error, gives START, [client], or_null [options], owns source = unsafe { source::owned(source) }, out upload, {
        let source = source?;
        // SAFETY: the caller gives NULL or text.
        let token = unsafe { text::text(token, "token") }?;
        let mut start = Start::new(client, options);
        // SAFETY: the caller's function and pointer are good until the upload is freed, which
        // closes the start's life.
        let read = unsafe { source::callback(&source, &client.life, &start.life) }?;
        start.source = Some(source.hook);
        *upload = start.start(client.client.import(token, read)?)?;
        Ok(bitsup_status::Ok)
    })
}
