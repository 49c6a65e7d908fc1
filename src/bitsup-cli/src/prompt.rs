//! Passwords that a person types on the terminal.

use std::fs::File;
use std::io::IsTerminal;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bitsup::{CredentialCallback, Credentials, Login, Secret};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// So often a person may type a password, the first time included: a handful of wrong ones locks an
/// account.
const TRIES: u32 = 3;
/// The display goes within a tick, where there is one.
const ROOM_WITHIN: Duration = Duration::from_millis(500);

/// Whose terminal it is at the moment.
static TURN: Mutex<Turn> = Mutex::new(Turn { asking: false, room: false });
static CHANGED: Condvar = Condvar::new();

struct Turn {
    /// A prompt is shown or about to be.
    asking: bool,
    /// The display is gone.
    room: bool,
}

/// Asks for the password of `user`; `None` where there is no terminal or no answer.
pub(crate) fn password(user: &str) -> Option<Secret> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    let _silence = Silence::begin();
    rpassword::prompt_password(format!("Password for {user}: ")).ok().map(Secret::new)
}

/// The terminal shows nothing of what is typed, from before the question on: a quick typist's words would
/// be shown that come between the question and its silence.
struct Silence {
    terminal: File,
    before: Termios,
}

impl Silence {
    fn begin() -> Option<Self> {
        let terminal = File::options().read(true).write(true).open("/dev/tty").ok()?;
        let before = tcgetattr(&terminal).ok()?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&terminal, OptionalActions::Now, &silent).ok()?;
        Some(Self { terminal, before })
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing any more.
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

/// Asks again where a password was refused that was typed before: the server's for the one user, the
/// proxy's for the other.
pub(crate) fn again(server: Option<String>, proxy: Option<String>) -> CredentialCallback {
    CredentialCallback::new(move |request| {
        let user = if request.proxy { &proxy } else { &server }.clone()?;
        if !request.refused || request.attempt >= TRIES {
            return None;
        }
        let _turn = Asking::begin();
        eprintln!("The password was refused.");
        let password = password(&user)?;
        Some(Login::Password(Credentials { user, password }))
    })
}

/// Whether a prompt is shown or about to be. A display on the terminal is removed then, reports that with
/// [`room_made`], and stays hidden until this is false again.
pub(crate) fn is_asking() -> bool {
    lock().asking
}

/// The display is gone.
pub(crate) fn room_made() {
    lock().room = true;
    CHANGED.notify_all();
}

/// Holds the terminal as long as it lives.
struct Asking;

impl Asking {
    fn begin() -> Self {
        let mut turn = lock();
        turn.asking = true;
        let no_room = |turn: &mut Turn| !turn.room;
        // Without a display there is no answer.
        drop(CHANGED.wait_timeout_while(turn, ROOM_WITHIN, no_room));
        Self
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        *lock() = Turn { asking: false, room: false };
    }
}

fn lock() -> MutexGuard<'static, Turn> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
