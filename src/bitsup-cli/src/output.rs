//! What the tool writes: text for people on standard error, text for programs on standard
//! output or into files.
//!
//! A reader that stops must not keep the tool from ending when a signal asks for it, and what a
//! program did not get is a failure of the whole.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bitsup::{OutputFile, write_waiting};
use rustix::stdio::{stderr, stdout};

use crate::failure::CommandFailure;
use crate::{format, signals};

/// The exit code where a program did not get all that was for it, and nothing else went wrong.
pub(crate) const NOT_WRITTEN: u8 = 12;
/// After a signal a reader gets so long: the rest of the second is for the end.
const PATIENCE: Duration = Duration::from_millis(300);

/// Some output for programs is missing.
static INCOMPLETE: AtomicBool = AtomicBool::new(false);
/// The stream was not read in time after a signal: no more is written.
static GIVEN_UP: [AtomicBool; 2] = [AtomicBool::new(false), AtomicBool::new(false)];

/// Writes a line to standard error. A closed one is no reason to stop.
pub(crate) fn say(line: &str) {
    let _ = write(stderr(), &GIVEN_UP[0], format!("{line}\n").as_bytes());
}

/// Writes a line to standard output; `false` if no more is to be written there.
pub(crate) fn print(line: &str) -> bool {
    print_bytes(format!("{line}\n").as_bytes())
}

/// [`print`] for text that has its line ends.
pub(crate) fn print_bytes(bytes: &[u8]) -> bool {
    check("standard output", write(stdout(), &GIVEN_UP[1], bytes))
}

/// The exit code of the program, given that of the command.
pub(crate) fn exit_code(code: u8) -> u8 {
    if code == 0 && INCOMPLETE.load(Ordering::Relaxed) { NOT_WRITTEN } else { code }
}

/// Notes the end of a write; says what is wrong, once. A reader that has left is content.
fn check(what: &str, written: io::Result<()>) -> bool {
    match written {
        Ok(()) => return true,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(error) => {
            if !INCOMPLETE.swap(true, Ordering::Relaxed) {
                say(&format!("bitsup: cannot write to {what}: {}", format::io_error(&error)));
            }
        }
    }
    false
}

fn write(to: impl AsFd, given_up: &AtomicBool, bytes: &[u8]) -> io::Result<()> {
    let is_over = || signals::since_first().is_some_and(|time| time >= PATIENCE);
    if given_up.load(Ordering::Relaxed) {
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    let written = write_waiting(to, bytes, &is_over);
    if written.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::TimedOut) {
        given_up.store(true, Ordering::Relaxed);
    }
    written
}

/// A file, or standard output, that gets lines for programs while uploads run.
pub(crate) struct Lines {
    what: String,
    to: Option<Arc<File>>,
    given_up: AtomicBool,
    ended: bool,
}

impl Lines {
    /// Opens and empties it; `-` is standard output.
    pub(crate) fn open(path: &Path) -> Result<Self, CommandFailure> {
        if is_stdout(path) {
            return Ok(Self::new("standard output".into(), None));
        }
        let opened = OutputFile::open(path).and_then(|place| place.stream());
        let file = opened.map_err(|error| cannot_write(path, &error))?;
        Ok(Self::new(path.display().to_string(), Some(file)))
    }

    fn new(what: String, to: Option<Arc<File>>) -> Self {
        Self { what, to, given_up: AtomicBool::new(false), ended: false }
    }

    /// Writes this; after a failure nothing more, so that no line is missing in the middle.
    pub(crate) fn write(&mut self, text: &str) {
        if self.ended {
            return;
        }
        self.ended = !match &self.to {
            None => print_bytes(text.as_bytes()),
            Some(file) => check(&self.what, write(&**file, &self.given_up, text.as_bytes())),
        };
    }
}

/// A file that takes its place when all of it is there, where that is a regular one.
pub(crate) enum Whole {
    Lines(Lines),
    Spool { path: String, place: OutputFile, spool: tempfile::NamedTempFile, ended: bool },
}

impl Whole {
    /// Finds it usable; `-` is standard output.
    pub(crate) fn open(path: &Path, what: &str) -> Result<Self, CommandFailure> {
        if is_stdout(path) {
            return Ok(Self::Lines(Lines::open(path)?));
        }
        let problem = |error| cannot_write(path, &error);
        let place = OutputFile::open(path).map_err(problem)?;
        let path_text = path.display().to_string();
        if !place.is_regular() {
            return Ok(Self::Lines(Lines::new(path_text, Some(place.stream().map_err(problem)?))));
        }
        let spool = place.spool(what).map_err(problem)?;
        Ok(Self::Spool { path: path_text, place, spool, ended: false })
    }

    pub(crate) fn write(&mut self, text: &str) {
        match self {
            Self::Lines(lines) => lines.write(text),
            Self::Spool { path, spool, ended, .. } if !*ended => {
                *ended = !check(path, io::Write::write_all(spool, text.as_bytes()));
            }
            Self::Spool { .. } => {}
        }
    }

    /// All is written.
    pub(crate) fn finish(self) {
        if let Self::Spool { path, place, spool, ended: false } = self {
            check(&path, place.put(spool, &|| false));
        }
    }
}

/// Whether the path is the word for standard output.
pub(crate) fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

fn cannot_write(path: &Path, error: &io::Error) -> CommandFailure {
    CommandFailure::local(format_args!("cannot write {}", path.display()), error)
}
