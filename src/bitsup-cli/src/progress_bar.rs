//! The one line on a terminal that shows how far things are.

use std::time::Duration;

use bitsup::{Progress, UploadState};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::format;

/// A terminal of fewer columns gets no bar, only numbers.
const ROOM_FOR_BAR: u16 = 70;
/// Redraws a second.
const REDRAWS: u8 = 10;

/// A progress line on standard error.
pub(crate) struct Screen {
    bar: ProgressBar,
    with_bar: Option<bool>,
}

/// What the line shows.
pub(crate) struct Snapshot<'a> {
    /// Files that ended, and all of them.
    pub(crate) files: (usize, usize),
    /// Bytes of files that ended, and of all.
    pub(crate) bytes: (u64, u64),
    /// The uploads under way.
    pub(crate) running: &'a [Progress],
}

impl Screen {
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(REDRAWS));
        Self { bar, with_bar: None }
    }

    /// Shows how far it is.
    pub(crate) fn show(&mut self, picture: &Snapshot<'_>) {
        if self.bar.is_finished() {
            self.bar.reset();
        }
        let waits = picture.running.iter().find(|progress| progress.waiting.is_some());
        let waits = waits.filter(|_| picture.running.iter().all(|one| one.waiting.is_some()));
        let width = rustix::termios::tcgetwinsize(std::io::stderr());
        let room = width.map_or(80, |size| size.ws_col);
        self.choose_style(room >= ROOM_FOR_BAR && waits.is_none());
        let sent: u64 = picture.running.iter().map(|progress| progress.sent).sum();
        self.bar.set_length(picture.bytes.1);
        self.bar.set_position(picture.bytes.0.saturating_add(sent).min(picture.bytes.1));
        self.bar.set_message(message(picture, waits));
    }

    /// Takes the line away, and lets `tell` write.
    pub(crate) fn aside(&self, tell: impl FnOnce()) {
        self.bar.suspend(tell);
    }

    /// Takes the line away until it is shown again.
    pub(crate) fn make_room(&self) {
        if !self.bar.is_finished() {
            self.bar.finish_and_clear();
        }
    }

    /// Takes the line away for good.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn choose_style(&mut self, with_bar: bool) {
        if self.with_bar == Some(with_bar) {
            return;
        }
        self.with_bar = Some(with_bar);
        let template =
            if with_bar { "{percent:>3}% {wide_bar} {msg}" } else { "{percent:>3}% {wide_msg}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.progress_chars("=> "));
        }
    }
}

fn message(picture: &Snapshot<'_>, waits: Option<&Progress>) -> String {
    let files = match picture.files {
        (_, 1) => String::new(),
        (ended, all) => format!("file {} of {all}, ", (ended + 1).min(all)),
    };
    if let Some((progress, waiting)) = waits.and_then(|one| Some((one, one.waiting.as_ref()?))) {
        return format!(
            "{files}next try in {} (try {}): {}",
            format::time_left(waiting.remaining),
            progress.attempt + 1,
            waiting.reason
        );
    }
    let sent: u64 = picture.running.iter().map(|progress| progress.sent).sum();
    let sent = picture.bytes.0.saturating_add(sent);
    let rate: u64 = picture.running.iter().map(|progress| progress.rate).sum();
    let left = picture.bytes.1.saturating_sub(sent);
    let eta = (rate > 0 && left > 0).then(|| Duration::from_secs(left / rate + 1));
    let eta = eta.map_or(String::new(), |eta| format!(", {} left", format::time(eta)));
    let rate = if rate > 0 { format!(", {}/s", format::size(rate)) } else { String::new() };
    let state = picture.running.first().map_or("", |progress| state(progress.state));
    format!("{files}{} of {}{rate}{eta}{state}", format::size(sent), format::size(picture.bytes.1))
}

/// States that a person should know about.
fn state(state: UploadState) -> &'static str {
    match state {
        UploadState::Queued => ", queued",
        UploadState::Connecting => ", connecting",
        UploadState::Authenticating => ", logging in",
        UploadState::WaitingRetry => ", trying again",
        UploadState::Suspended => ", paused",
        UploadState::Checking => ", checking",
        UploadState::Reply => ", fetching the reply",
        UploadState::Closing => ", closing",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_files_bytes_and_state() {
        let mut progress = Progress::default();
        progress.sent = 512 * 1024;
        progress.rate = 256 * 1024;
        progress.state = UploadState::Sending;
        let running = [progress];
        let picture = Snapshot { files: (2, 5), bytes: (512 * 1024, 2 << 20), running: &running };
        assert_eq!(
            message(&picture, None),
            "file 3 of 5, 1.0 MiB of 2.0 MiB, 256.0 KiB/s, 5.0 s left"
        );
    }
}
