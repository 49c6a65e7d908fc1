//! How many uploads the process has open files for.

use rustix::process::{Resource, getrlimit};

/// Open files of one upload at its worst: its socket twice, one that is closing, the source
/// for the network and for a hash, the journal and its new version.
const FILES_PER_UPLOAD: u64 = 7;
/// A quarter of the process's files, and at least this number, are left to the rest of the program.
const FILES_FOR_OTHERS: u64 = 32;

/// How many uploads may be active at once so that the process does not run out of open files,
/// by the limit it has now. The others wait for their turn.
pub(crate) fn most_active() -> usize {
    most_active_with(getrlimit(Resource::Nofile).current)
}

fn most_active_with(files: Option<u64>) -> usize {
    let Some(files) = files else { return usize::MAX };
    let ours = files.saturating_sub(FILES_FOR_OTHERS.max(files / 4));
    usize::try_from(ours / FILES_PER_UPLOAD).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_open_files_make_few_turns_and_never_none() {
        assert_eq!(most_active_with(Some(0)), 1);
        assert_eq!(most_active_with(Some(256)), 27);
        assert_eq!(most_active_with(Some(1024)), 109);
        assert!(most_active_with(Some(20_000)) > 1000);
        assert_eq!(most_active_with(None), usize::MAX);
    }
}
