//! The types and functions of RFC 2744 that a client needs.

use std::ffi::{c_int, c_void};
use std::ptr;

use libloading::Library;

/// `gss_OID_desc`
#[repr(C)]
pub(super) struct Oid {
    length: u32,
    elements: *const c_void,
}

// SAFETY: it points to bytes of the program that are never written.
unsafe impl Sync for Oid {}

impl Oid {
    pub(super) const fn new(der: &'static [u8]) -> Self {
        Self { length: der.len() as u32, elements: der.as_ptr().cast() }
    }
}

/// `gss_OID_set_desc`
#[repr(C)]
pub(super) struct OidSet {
    pub(super) count: usize,
    pub(super) elements: *const Oid,
}

/// `gss_buffer_desc`
#[repr(C)]
pub(super) struct Buffer {
    length: usize,
    value: *mut c_void,
}

impl Buffer {
    pub(super) const EMPTY: Self = Self { length: 0, value: ptr::null_mut() };

    /// For functions that read it only, and not longer than the bytes live.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self { length: bytes.len(), value: bytes.as_ptr().cast_mut().cast() }
    }

    /// The bytes.
    ///
    /// # Safety
    ///
    /// A buffer that a function filled and that was not released, or an empty one.
    pub(super) unsafe fn bytes(&self) -> &[u8] {
        if self.value.is_null() || self.length == 0 {
            return &[];
        }
        // SAFETY: the library says so, as the caller promises.
        unsafe { std::slice::from_raw_parts(self.value.cast(), self.length) }
    }
}

/// `gss_channel_bindings_struct`, without addresses: of the type that is none (RFC 2744 §3.11),
/// which is part of what both sides make their sum of.
#[repr(C)]
pub(super) struct ChannelBindings {
    initiator_address_type: u32,
    initiator_address: Buffer,
    acceptor_address_type: u32,
    acceptor_address: Buffer,
    application_data: Buffer,
}

impl ChannelBindings {
    /// For functions that read it only, and not longer than the bytes live.
    pub(super) fn of(application_data: &[u8]) -> Self {
        Self {
            initiator_address_type: 0,
            initiator_address: Buffer::EMPTY,
            acceptor_address_type: 0,
            acceptor_address: Buffer::EMPTY,
            application_data: Buffer::of(application_data),
        }
    }
}

/// What a handle of a context points to.
pub(super) enum Context {}
/// What a handle of a name points to.
pub(super) enum Name {}

type ImportName = unsafe extern "C" fn(*mut u32, *const Buffer, *const Oid, *mut *mut Name) -> u32;
type ReleaseName = unsafe extern "C" fn(*mut u32, *mut *mut Name) -> u32;
type InitSecContext = unsafe extern "C" fn(
    *mut u32,
    *mut c_void,
    *mut *mut Context,
    *mut Name,
    *const Oid,
    u32,
    u32,
    *const ChannelBindings,
    *const Buffer,
    *mut *const Oid,
    *mut Buffer,
    *mut u32,
    *mut u32,
) -> u32;
type DeleteSecContext = unsafe extern "C" fn(*mut u32, *mut *mut Context, *mut Buffer) -> u32;
type AcquireCred = unsafe extern "C" fn(
    *mut u32,
    *mut Name,
    u32,
    *const OidSet,
    c_int,
    *mut *mut c_void,
    *mut *mut OidSet,
    *mut u32,
) -> u32;
type InquireCred = unsafe extern "C" fn(
    *mut u32,
    *mut c_void,
    *mut *mut Name,
    *mut u32,
    *mut c_int,
    *mut *mut OidSet,
) -> u32;
type ReleaseCred = unsafe extern "C" fn(*mut u32, *mut *mut c_void) -> u32;
type DisplayStatus =
    unsafe extern "C" fn(*mut u32, u32, c_int, *const Oid, *mut u32, *mut Buffer) -> u32;
type ReleaseBuffer = unsafe extern "C" fn(*mut u32, *mut Buffer) -> u32;

/// The library's functions.
pub(super) struct Api {
    pub(super) import_name: ImportName,
    pub(super) release_name: ReleaseName,
    pub(super) init_sec_context: InitSecContext,
    pub(super) delete_sec_context: DeleteSecContext,
    pub(super) acquire_cred: AcquireCred,
    pub(super) inquire_cred: InquireCred,
    pub(super) release_cred: ReleaseCred,
    pub(super) display_status: DisplayStatus,
    pub(super) release_buffer: ReleaseBuffer,
    /// Unloaded last, with the value.
    _library: Library,
}

impl Api {
    /// `None` if there is no such file, or a function is missing.
    pub(super) fn load(file: &str) -> Option<Self> {
        // SAFETY: the file of this name is MIT Kerberos, which may be loaded at any time and whose
        // functions have the types of RFC 2744 above.
        unsafe {
            let library = Library::new(file).ok()?;
            Some(Self {
                import_name: *library.get::<ImportName>(c"gss_import_name").ok()?,
                release_name: *library.get::<ReleaseName>(c"gss_release_name").ok()?,
                init_sec_context: *library.get::<InitSecContext>(c"gss_init_sec_context").ok()?,
                delete_sec_context: *library
                    .get::<DeleteSecContext>(c"gss_delete_sec_context")
                    .ok()?,
                acquire_cred: *library.get::<AcquireCred>(c"gss_acquire_cred").ok()?,
                inquire_cred: *library.get::<InquireCred>(c"gss_inquire_cred").ok()?,
                release_cred: *library.get::<ReleaseCred>(c"gss_release_cred").ok()?,
                display_status: *library.get::<DisplayStatus>(c"gss_display_status").ok()?,
                release_buffer: *library.get::<ReleaseBuffer>(c"gss_release_buffer").ok()?,
                _library: library,
            })
        }
    }
}
