//! Options of a transfer, shared by `upload` and `resume`.

use std::path::Path;

use bitsup::{LimitRate, OptionSet, UploadOptions};
use clap::Parser;

use crate::connection::ConnectionArgs;
use crate::failure::CommandFailure;
use crate::format::Words;
use crate::table::{STDOUT, TableArgs, Transfer};

/// What is kept in the journal for `resume`, as the words of a command line.
#[derive(Clone, Debug, Default, Parser)]
#[command(no_binary_name = true, args_override_self = true)]
pub(crate) struct KeptArgs {
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) transfer: TableArgs<Transfer>,
}

impl KeptArgs {
    /// What the choices come to.
    pub(crate) fn options(&self) -> Result<UploadOptions, CommandFailure> {
        self.options_with(OptionSet::new())
    }

    /// What they come to with others, which are not kept.
    pub(crate) fn options_with(&self, others: OptionSet) -> Result<UploadOptions, CommandFailure> {
        self.connection.options_with(Some(&self.transfer), others)
    }

    /// The limit of all uploads together.
    pub(crate) fn limit_rate(&self) -> Option<LimitRate> {
        self.limit().client_options().ok()?.limit_rate
    }

    /// The same as an option of a client.
    pub(crate) fn limit(&self) -> OptionSet {
        let limit = self.transfer.text("limit_rate");
        limit.map_or_else(OptionSet::new, |limit| OptionSet::new().limit_rate(&limit))
    }

    /// Whether a reply is asked for.
    pub(crate) fn wants_reply(&self) -> bool {
        self.transfer.path("reply").is_some()
    }

    /// Whether standard output gets the reply.
    pub(crate) fn replies_to_stdout(&self) -> bool {
        self.transfer.path("reply").as_deref() == Some(Path::new(STDOUT))
    }

    /// As one line that a shell would read; without secrets.
    pub(crate) fn note(&self) -> String {
        let mut words = Words::default();
        self.connection.words(false, &mut words);
        self.transfer.words(&mut words);
        words.joined()
    }

    /// What `note` says, where `own` does not say otherwise.
    pub(crate) fn from_note(note: Option<&str>, own: &Self) -> Result<Self, CommandFailure> {
        let broken = || {
            CommandFailure::usage(
                "the options kept with the session cannot be read: start the upload itself again",
            )
        };
        let kept = shlex::split(note.unwrap_or_default()).ok_or_else(broken)?;
        let mut kept = Self::try_parse_from(kept).map_err(|_| broken())?;
        // A list replaces the one that was kept.
        for list in own.connection.table.lists() {
            kept.connection.table.forget(list);
        }
        for list in own.transfer.lists() {
            kept.transfer.forget(list);
        }
        let mut words = Words::default();
        for args in [&kept, own] {
            args.connection.words(true, &mut words);
            args.transfer.words(&mut words);
        }
        Self::try_parse_from(words.into_inner()).map_err(|_| broken())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bitsup::{ReplyTo, VerifyPolicy};

    use super::*;

    fn parse(words: &[&str]) -> KeptArgs {
        KeptArgs::try_parse_from(words).expect("legal")
    }

    #[test]
    fn options_survive_the_journal_and_the_command_line_wins() {
        let first = parse(&[
            "-HX-Case: it's",
            "--limit-rate=2M",
            "-k",
            "--verify=always",
            "--max-time=1.5h",
            "--trusted-host=a",
            "-o/tmp/a b",
            "--fragment-size=auto",
            "--polite",
        ]);
        let own = parse(&["--limit-rate=5", "--verify", "never"]);
        let merged = KeptArgs::from_note(Some(&first.note()), &own).expect("readable");
        assert_eq!(merged.limit_rate(), Some(LimitRate::Always(5)));
        let options = merged.options().expect("good");
        assert_eq!(options.verify, VerifyPolicy::Never);
        assert!(options.polite);
        assert_eq!(options.max_time, Some(Duration::from_secs(5400)));
        assert_eq!(options.reply_to, ReplyTo::File("/tmp/a b".into()));
        assert_eq!(options.give_up_after, Duration::from_hours(24), "the tool's default");
        assert_eq!(format!("{:?}", options.headers), "[X-Case: it's]");
    }

    #[test]
    fn a_timetable_survives_the_journal() {
        let first = parse(&["--limit-rate", "08:00-18:00=1M 18:00-08:00=off"]);
        let merged = KeptArgs::from_note(Some(&first.note()), &KeptArgs::default());
        assert_eq!(merged.expect("readable").limit_rate(), first.limit_rate());
        assert!(matches!(first.limit_rate(), Some(LimitRate::Timetable(_))));
    }

    #[test]
    fn a_note_that_is_none_is_refused() {
        for note in ["'", "--no-such-option", "stray"] {
            assert!(KeptArgs::from_note(Some(note), &KeptArgs::default()).is_err(), "{note}");
        }
    }
}
