//! Sources in the caller's hands: memory, and a function that reads.

use std::ffi::{c_char, c_void};
use std::io;
use std::mem::offset_of;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bitsup::{ReadAt, Source};

use crate::callbacks::{Hook, Userdata, bitsup_destroy_callback};
use crate::failure::CallFailure;
use crate::faults::fault_point;
use crate::life::Life;
use crate::structure::{self, Extensible};
use crate::text;

/// Reads at most length bytes of the source from offset on into buffer, and
/// returns how many: at least one, except at the end of the source. A negative
/// value is an error number (-EIO for instance), and ends the upload. It runs
/// on a thread of the client, also where the client dispatches; never twice at
/// the same time for one upload.
pub type bitsup_read_callback = Option<
    unsafe extern "C" fn(
        userdata: *mut c_void,
        buffer: *mut c_void,
        length: usize,
        offset: u64,
    ) -> i64,
>;

/// A source that is read through a function of the program.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct bitsup_source {
    /// Set it to sizeof(bitsup_source).
    pub struct_size: usize,
    /// How many bytes there are.
    pub size: u64,
    /// Reads them.
    pub read_at: bitsup_read_callback,
    /// Goes to read_at as it is, and must be good until bitsup_upload_free
    /// returned.
    pub userdata: *mut c_void,
    /// The source's name, for a URL that ends in a slash and as the Content-Name;
    /// or NULL.
    pub name: *const c_char,
    /// Called once with userdata, after the last read_at has returned: when the
    /// upload is freed, or when the call that takes this structure fails; or
    /// NULL.
    pub destroy: bitsup_destroy_callback,
}

// SAFETY: `repr(C)`, the first field is the size, and each field may be zero.
unsafe impl Extensible for bitsup_source {
    const FIRST: usize = offset_of!(Self, destroy) + size_of::<bitsup_destroy_callback>();
}

/// A source over the caller's memory, which is not touched once `life` is closed.
///
/// # Safety
/// `data` is `length` bytes that do not change until `life` is closed, or NULL with length 0.
pub(crate) unsafe fn memory(
    data: *const c_void,
    length: usize,
    life: &Arc<Life>,
) -> Result<Source, CallFailure> {
    // SAFETY: as this function's; the reference ends here.
    let length = unsafe { text::bytes(data, length, "data") }?.len();
    let memory = Memory { data: Userdata(data.cast_mut()), length, life: Arc::clone(life) };
    Ok(Source::read_at(memory, length as u64))
}

/// The caller's function with its pointer.
pub(crate) type ReadHook = Hook<bitsup_read_callback>;

/// The caller's structure, whose pointer is in our hands.
pub(crate) struct OwnedSource {
    pub(crate) hook: Arc<ReadHook>,
    size: u64,
    name: *const c_char,
}

/// Takes the caller's structure over.
///
/// # Safety
/// `source` is NULL or a structure of the size in it.
pub(crate) unsafe fn owned(source: *const bitsup_source) -> Result<OwnedSource, CallFailure> {
    // SAFETY: as this function's.
    let source = unsafe { structure::read(source, "source") }?;
    let hook = Arc::new(Hook::new(source.read_at, source.userdata, source.destroy));
    Ok(OwnedSource { hook, size: source.size, name: source.name })
}

/// A source over the caller's function, which is not called once `life` or the client's is closed.
///
/// # Safety
/// The fields are as the header says, until `life` is closed.
pub(crate) unsafe fn callback(
    source: &OwnedSource,
    client: &Arc<Life>,
    life: &Arc<Life>,
) -> Result<Source, CallFailure> {
    let reader = reader(&source.hook, client, life)?;
    let made = Source::read_at(reader, source.size);
    if source.name.is_null() {
        return Ok(made);
    }
    // SAFETY: not NULL, so the header says that it is text.
    let name = unsafe { text::text(source.name, "source->name") }?;
    Ok(made.named(name))
}

/// What calls the caller's function. The upload's handle has the hook, so that it ends with it.
pub(crate) fn reader(
    hook: &Arc<ReadHook>,
    client: &Arc<Life>,
    life: &Arc<Life>,
) -> Result<impl ReadAt + use<>, CallFailure> {
    if hook.function.is_none() {
        return Err(CallFailure::invalid("source->read_at is NULL"));
    }
    Ok(Callback {
        hook: Arc::downgrade(hook),
        turn: Mutex::new(()),
        client: Arc::clone(client),
        life: Arc::clone(life),
    })
}

struct Memory {
    data: Userdata,
    length: usize,
    life: Arc<Life>,
}

impl ReadAt for Memory {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let _call = self.life.enter().ok_or_else(gone)?;
        let at = usize::try_from(offset).unwrap_or(usize::MAX).min(self.length);
        let count = buffer.len().min(self.length - at);
        if count > 0 {
            // SAFETY: the upload was not freed, so the caller's `length` bytes are there, and
            // `at + count` is within them. `buffer` is ours, so the two do not overlap.
            unsafe {
                let from = self.data.0.cast::<u8>().cast_const().add(at);
                from.copy_to_nonoverlapping(buffer.as_mut_ptr(), count);
            }
        }
        Ok(count)
    }

    fn may_block(&self) -> bool {
        false
    }
}

struct Callback {
    hook: Weak<ReadHook>,
    /// One call at a time.
    turn: Mutex<()>,
    client: Arc<Life>,
    life: Arc<Life>,
}

impl ReadAt for Callback {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        catch_unwind(AssertUnwindSafe(|| {
            fault_point(c"around read_at");
            let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            let _client = self.client.enter().ok_or_else(gone)?;
            let _call = self.life.enter().ok_or_else(gone)?;
            self.call(buffer, offset)
        }))
        .unwrap_or_else(|_| {
            self.life.spoil();
            Err(io::Error::other("a fault inside bitsup around read_at"))
        })
    }
}

impl Callback {
    fn call(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let hook = self.hook.upgrade();
        let Some((hook, function)) = hook.as_ref().and_then(|hook| Some((hook, hook.function?)))
        else {
            return Err(gone());
        };
        fault_point(c"before read_at");
        let (start, length) = (buffer.as_mut_ptr().cast(), buffer.len());
        // SAFETY: the caller's function for this pointer; it does not unwind, and writes at most
        // `length` bytes.
        let read = unsafe { function(hook.userdata.0, start, length, offset) };
        fault_point(c"after read_at");
        match usize::try_from(read) {
            Ok(read) if read <= length => Ok(read),
            Ok(read) => Err(io::Error::other(format!(
                "read_at returned {read}, but was asked for {length} bytes at most"
            ))),
            Err(_) => {
                let number = i32::try_from(read.unsigned_abs()).unwrap_or(0);
                let error = io::Error::from_raw_os_error(number);
                // These ask for another try, and the function's own number ends the upload.
                let tries =
                    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted);
                Err(if tries { io::Error::other(error) } else { error })
            }
        }
    }
}

fn gone() -> io::Error {
    io::Error::other("the upload was freed")
}
