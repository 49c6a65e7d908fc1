//! The disk below the journal: what is on it, what of that would survive a power cut, and what
//! goes wrong with it.

use std::cell::{RefCell, RefMut};
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::rc::Rc;

use bitsup_core::journal::{Entry, File, Files};

use super::random::Random;

/// A folder with a journal and its lock file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Rc<RefCell<State>>);

#[derive(Debug, Default)]
struct State {
    /// All files that ever were, also under no name.
    files: Vec<Content>,
    names: Names,
    /// The names that a power cut leaves, and the changes since then, in order.
    kept_names: Names,
    changes: Vec<(File, Option<usize>)>,
    /// The process dies after this number of further operations; those it tries then do nothing.
    dies_after: Option<u32>,
    is_full: bool,
    /// What was written since the last look, and hashes of all before.
    fresh: Vec<Vec<u8>>,
    written: BTreeSet<u64>,
}

#[derive(Clone, Debug, Default)]
struct Content {
    now: Vec<u8>,
    kept: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Names {
    journal: Option<usize>,
    pad: Option<usize>,
}

impl Names {
    fn of(&mut self, file: File) -> &mut Option<usize> {
        match file {
            File::Journal => &mut self.journal,
            File::Pad => &mut self.pad,
        }
    }
}

impl Disk {
    /// A process opens and locks the files: from here on there is a lock file.
    pub(crate) fn open(&self) {
        let mut state = self.state();
        (state.dies_after, state.is_full) = (None, false);
        if state.names.pad.is_none() {
            let empty = state.add(&[]);
            state.rename(File::Pad, Some(empty));
        }
    }

    /// The process dies after `operations` further operations.
    pub(crate) fn die_after(&self, operations: u32) {
        self.state().dies_after = Some(operations);
    }

    /// Whether the process has died.
    pub(crate) fn is_dead(&self) -> bool {
        self.state().dies_after == Some(0)
    }

    /// Whether nothing can be written.
    pub(crate) fn set_full(&self, is_full: bool) {
        self.state().is_full = is_full;
    }

    /// What was written since the last look.
    pub(crate) fn look(&self) -> Vec<Vec<u8>> {
        let mut state = self.state();
        let fresh = std::mem::take(&mut state.fresh);
        state.written.extend(fresh.iter().map(|bytes| hash(bytes)));
        fresh
    }

    /// Whether something was ever written so.
    pub(crate) fn has_written(&self, bytes: &[u8]) -> bool {
        self.state().written.contains(&hash(bytes))
    }

    /// Whether the journal is there.
    pub(crate) fn has_journal(&self) -> bool {
        self.state().names.journal.is_some()
    }

    /// Whether the journal is there and cannot be read, whatever the pad says.
    pub(crate) fn has_torn_journal(&self) -> bool {
        let mut state = self.state();
        state.content(File::Journal).is_some_and(|content| Entry::decode(&content.now).is_err())
    }

    /// Whether a power cut leaves the journal as it is.
    pub(crate) fn has_synced_journal(&self) -> bool {
        let state = self.state();
        let journal = state.names.journal.filter(|_| state.changes.is_empty());
        let content = journal.and_then(|at| state.files.get(at));
        content.is_some_and(|content| content.now == content.kept)
    }

    /// The power fails. Of the names the first changes are kept, of each file that was not
    /// synced what may be left: the old or the new content, a part of it, or zeros.
    pub(crate) fn lose_power(&self, random: &mut Random) {
        let state = &mut *self.state();
        let count = usize::try_from(random.below(state.changes.len() as u64 + 1)).unwrap_or(0);
        for (file, to) in state.changes.drain(..).take(count) {
            *state.kept_names.of(file) = to;
        }
        state.names = state.kept_names;
        for content in &mut state.files {
            if content.now != content.kept {
                content.now = content.torn(random);
                content.kept.clone_from(&content.now);
            }
        }
    }

    /// A byte of a file is another one afterwards, or the file ends before it.
    pub(crate) fn damage(&self, file: File, random: &mut Random) {
        let state = &mut *self.state();
        let Some(content) = state.names.of(file).and_then(|at| state.files.get_mut(at)) else {
            return;
        };
        let at = usize::try_from(random.below(content.now.len() as u64)).unwrap_or(0);
        if random.chance(300) {
            content.now.truncate(at);
        } else if let Some(byte) = content.now.get_mut(at) {
            *byte ^= 1 << random.below(8);
        }
        content.kept.clone_from(&content.now);
    }

    fn state(&self) -> RefMut<'_, State> {
        self.0.borrow_mut()
    }

    /// An operation begins.
    fn begin(&self, writes: bool) -> io::Result<RefMut<'_, State>> {
        let mut state = self.state();
        if let Some(left) = &mut state.dies_after {
            *left = left.saturating_sub(1);
            if *left == 0 {
                return Err(io::Error::other("the process is dead"));
            }
        }
        if writes && state.is_full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(state)
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

impl State {
    fn add(&mut self, bytes: &[u8]) -> usize {
        self.files.push(Content { now: bytes.to_vec(), kept: Vec::new() });
        self.files.len() - 1
    }

    fn rename(&mut self, file: File, to: Option<usize>) {
        *self.names.of(file) = to;
        self.changes.push((file, to));
    }

    fn content(&mut self, file: File) -> Option<&mut Content> {
        let at = (*self.names.of(file))?;
        self.files.get_mut(at)
    }
}

impl Content {
    fn torn(&self, random: &mut Random) -> Vec<u8> {
        let cut = usize::try_from(random.below(self.now.len() as u64 + 1)).unwrap_or(0);
        let (new, rest) = self.now.split_at(cut.min(self.now.len()));
        match random.below(5) {
            0 => self.now.clone(),
            1 => self.kept.clone(),
            2 => new.to_vec(),
            3 => new.iter().copied().chain(rest.iter().map(|_| 0)).collect(),
            _ => new.iter().chain(self.kept.get(cut..).unwrap_or_default()).copied().collect(),
        }
    }
}

impl Files for Disk {
    type Draft = usize;

    fn read(&self, file: File) -> io::Result<Option<Vec<u8>>> {
        Ok(self.state().content(file).map(|content| content.now.clone()))
    }

    fn draft(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.begin(true)?;
        state.fresh.push(bytes.to_vec());
        Ok(state.add(bytes))
    }

    fn sync_draft(&self, draft: &usize) -> io::Result<()> {
        let mut state = self.begin(false)?;
        if let Some(content) = state.files.get_mut(*draft) {
            content.kept.clone_from(&content.now);
        }
        Ok(())
    }

    fn publish(&self, draft: usize) -> io::Result<()> {
        self.begin(false)?.rename(File::Journal, Some(draft));
        Ok(())
    }

    fn sync_folder(&self) -> io::Result<()> {
        let state = &mut *self.begin(false)?;
        state.kept_names = state.names;
        state.changes.clear();
        Ok(())
    }

    fn note(&self, bytes: &[u8]) -> io::Result<()> {
        let state = &mut *self.begin(true)?;
        state.fresh.push(bytes.to_vec());
        if let Some(content) = state.content(File::Pad) {
            let covered = bytes.len().min(content.now.len());
            content.now.splice(..covered, bytes.iter().copied());
        }
        Ok(())
    }

    fn clear(&self) -> io::Result<()> {
        if let Some(content) = self.begin(false)?.content(File::Pad) {
            content.now.clear();
        }
        Ok(())
    }

    fn remove(&self, file: File) -> io::Result<()> {
        self.begin(false)?.rename(file, None);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_cut_spares_what_was_synced_and_a_dead_process_writes_no_more() {
        let mut random = Random::new(1);
        for _ in 0..200 {
            let disk = Disk::default();
            disk.open();
            let draft = disk.draft(b"synced").expect("written");
            disk.sync_draft(&draft).expect("synced");
            disk.publish(draft).expect("renamed");
            disk.sync_folder().expect("synced");
            let later = disk.draft(b"not synced").expect("written");
            let renamed = random.chance(500);
            if renamed {
                disk.publish(later).expect("renamed");
            }
            disk.lose_power(&mut random);
            let left = disk.read(File::Journal).expect("readable").expect("there");
            assert!(renamed || left == b"synced");
            disk.die_after(1);
            assert!(disk.draft(b"x").is_err() && disk.note(b"x").is_err() && disk.is_dead());
        }
    }
}
