//! Asks the caller for logins.

use std::cell::Cell;
use std::ffi::{CString, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bitsup::{CredentialCallback, CredentialRequest, Credentials, Login, Secret};

use crate::callbacks::{Borrowed, Hook};
use crate::error::bitsup_error;
use crate::failure::CallFailure;
use crate::faults::fault_point;
use crate::handle::{self, Handle, Lent, Tagged};
use crate::life::Life;
use crate::status::bitsup_status;
use crate::text;
use crate::upload::bitsup_upload;

/// Why a login is wanted.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum bitsup_credential_reason {
    /// There is none, or none that can answer what is offered.
    Missing = 0,
    /// The login that was used so far was refused. No upload of the client
    /// sends it there again.
    Refused = 1,
    /// Nothing was refused; the token that was used so far is about to expire.
    Expiring = 2,
}

/// What a login is wanted for.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bitsup_credential_request {
    /// Bytes that the library wrote.
    pub struct_size: usize,
    /// The server as "https://host:port", the port only if it is not the
    /// scheme's own; or the proxy's URL, without a login.
    pub site: *const c_char,
    /// Whether (not 0) it is the proxy that asks.
    pub proxy: c_int,
    /// Why.
    pub reason: bitsup_credential_reason,
    /// Which time in a row this upload asks, from 1. There is no fourth.
    pub attempt: u32,
    /// The realm that the server names; NULL if it names none.
    pub realm: *const c_char,
    /// The schemes that the server offers, in its order, with a blank between
    /// them: negotiate, ntlm, digest, basic, bearer or others. "" when a token
    /// is about to expire.
    pub schemes: *const c_char,
    /// The user of the login that was used so far; NULL if it has none.
    pub user: *const c_char,
}

/// Takes the answer of a bitsup_credential_callback, and lives until that
/// function returns.
pub struct bitsup_credential_reply {
    answer: Mutex<Option<Login>>,
}

impl Handle for bitsup_credential_reply {
    type Ownership = Lent;
    const NAME: &'static str = "bitsup_credential_reply";

    fn life(&self) -> Option<&Life> {
        None
    }
}

/// Asked for a login when a server or a proxy wants one and the options have
/// none that it takes, and before a token expires. upload is the one that asks,
/// NULL in calls that send packets themselves. It answers through one of the
/// functions for reply, which lives until it returns, as request does.
/// Without an answer the upload ends with BITSUP_STATUS_AUTH or _PROXY_AUTH,
/// and can be continued.
///
/// For uploads it runs where other callbacks do; in bitsup_ping and the
/// bitsup_session functions, which ask for the server only, on the thread that
/// called. Uploads that need the answer wait for it, others go on: where the
/// client dispatches, wait for them on another thread than the one that
/// dispatches, or in steps. The function itself can wait for no upload of its
/// client.
///
/// Uploads of one client that have it from the same call of the setter share
/// it: it is asked by one of them at a time for a site, and the answer holds
/// for all.
pub type bitsup_credential_callback = Option<
    unsafe extern "C" fn(
        userdata: *mut c_void,
        upload: *mut bitsup_upload,
        request: *const bitsup_credential_request,
        reply: *mut bitsup_credential_reply,
    ),
>;

type AskHook = Hook<bitsup_credential_callback>;

/// A credential callback. Uploads that have it from the same setter share questions and answers.
pub(crate) struct CredentialHook {
    hook: Arc<AskHook>,
    /// `None` where the caller has set none. It does not keep the hook: those who hold this do.
    callback: Option<CredentialCallback>,
}

thread_local! {
    /// The upload that asks on this thread.
    static ASKING: Cell<*mut bitsup_upload> = const { Cell::new(ptr::null_mut()) };
}

impl CredentialHook {
    pub(crate) fn new(hook: AskHook) -> Self {
        let hook = Arc::new(hook);
        let weak: Weak<AskHook> = Arc::downgrade(&hook);
        let callback = hook
            .function
            .map(|_| CredentialCallback::new(move |request| weak.upgrade()?.ask(request)));
        Self { hook, callback }
    }

    /// What asks the caller; `None` where the caller has set none.
    pub(crate) fn callback(&self) -> Option<&CredentialCallback> {
        debug_assert_eq!(self.hook.function.is_some(), self.callback.is_some());
        self.callback.as_ref()
    }
}

impl AskHook {
    fn ask(&self, request: &CredentialRequest) -> Option<Login> {
        let function = self.function?;
        let optional = |text: &Option<String>| text.as_deref().map(text::for_c);
        let pointer =
            |text: &Option<CString>| text.as_ref().map_or(ptr::null(), |text| text.as_ptr());
        let (site, schemes) = (text::for_c(&request.site), text::for_c(&request.schemes.join(" ")));
        let (realm, user) = (optional(&request.realm), optional(&request.user));
        let request = bitsup_credential_request {
            struct_size: size_of::<bitsup_credential_request>(),
            site: site.as_ptr(),
            proxy: c_int::from(request.proxy),
            reason: match (request.expiring, request.refused) {
                (true, _) => bitsup_credential_reason::Expiring,
                (false, true) => bitsup_credential_reason::Refused,
                (false, false) => bitsup_credential_reason::Missing,
            },
            attempt: request.attempt,
            realm: pointer(&realm),
            schemes: schemes.as_ptr(),
            user: pointer(&user),
        };
        let reply = Tagged::new(bitsup_credential_reply { answer: Mutex::default() });
        fault_point(c"before credential");
        // SAFETY: the caller's function for this pointer; it does not unwind. Request and reply
        // live until it returns.
        unsafe {
            function(self.userdata.0, ASKING.get(), &raw const request, handle::lend(&reply));
        }
        fault_point(c"after credential");
        reply.into_inner().answer.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets nothing be asked once the client's questions are closed.
pub(crate) fn for_client(
    callback: &CredentialCallback,
    questions: &Arc<Life>,
) -> CredentialCallback {
    let questions = Arc::clone(questions);
    callback.around(move |ask| {
        // Packets that the function sends itself ask it no further question.
        if questions.is_calling_here() {
            return None;
        }
        let _question = questions.enter()?;
        ask()
    })
}

/// Lets nothing be asked for an upload once it is closed. A panic of ours
/// spoils it; what becomes of the question is then left to the client, as with
/// any function that panics.
pub(crate) fn for_upload(
    callback: &CredentialCallback,
    life: &Arc<Life>,
    upload: Borrowed,
) -> CredentialCallback {
    let life = Arc::clone(life);
    callback.around(move |ask| {
        let _question = life.enter()?;
        // All of it, since its pointer alone may not go to another thread.
        let asking = upload;
        let outer = ASKING.replace(asking.0);
        let answer = catch_unwind(AssertUnwindSafe(ask));
        ASKING.set(outer);
        answer.unwrap_or_else(|panic| {
            life.spoil();
            resume_unwind(panic)
        })
    })
}

/// Lets nothing be asked for a session once it is freed.
pub(crate) fn for_session(callback: &CredentialCallback, life: &Arc<Life>) -> CredentialCallback {
    let life = Arc::clone(life);
    callback.around(move |ask| {
        let _question = life.enter()?;
        ask()
    })
}

impl bitsup_credential_reply {
    #[expect(clippy::unnecessary_wraps, reason = "the last expression of an entry point")]
    fn give(&self, login: Login) -> Result<bitsup_status, CallFailure> {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(login);
        Ok(bitsup_status::Ok)
    }
}

/// Answers with user and password, which are copied; the copy of the password
/// is overwritten when it is not needed any more. The last answer counts.
/// Statuses: OK, INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_credential_reply_password(
    reply: *mut bitsup_credential_reply,
    user: *const c_char,
    password: *const c_char,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives ARGUMENT, [reply], {
        // SAFETY: the caller gives NULL or text, twice.
        let (user, password) = unsafe {
            (text::text(user, "user")?, text::text(password, "password")?)
        };
        let password = Secret::new(password);
        reply.give(Login::Password(Credentials { user: user.to_owned(), password }))
    })
}

/// Answers with a bearer token, which is copied and overwritten as a password
/// is; not for proxies. valid_for_ms says for how many milliseconds the server
/// takes it: shortly before their end a new one is asked for. 0 if that is not
/// known.
/// Statuses: OK, INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_credential_reply_token(
    reply: *mut bitsup_credential_reply,
    token: *const c_char,
    valid_for_ms: u64,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives ARGUMENT, [reply], {
        // SAFETY: the caller gives NULL or text.
        let token = Secret::new(unsafe { text::text(token, "token") }?);
        let valid_for = Some(valid_for_ms).filter(|time| *time > 0).map(Duration::from_millis);
        reply.give(Login::Token { token, valid_for })
    })
}
