//! The disk below the journal: what is on it, what of that would survive a power cut, and what
//! goes wrong with it.

use std::cell::{RefCell, RefMut};
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::rc::Rc;

use bitsup_core::journal::{Entry, File, Files, Intent, log_line, open_records};

use super::random::Random;

/// The name of the upload in a log, and that of another one.
const ID: &str = "0123456789abcdef";
const OTHER: &str = "fedcba9876543210";

/// A folder with a journal and what is noted beside it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Rc<RefCell<State>>);

#[derive(Debug, Default)]
struct State {
    /// All files that ever were, also under no name.
    files: Vec<Content>,
    names: Names,
    /// The names that a power cut leaves, and the changes since then, in order.
    kept_names: Names,
    changes: Vec<(Name, Option<usize>)>,
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

#[derive(Clone, Copy, Debug)]
enum Name {
    Journal,
    /// The log of the process.
    Log,
    /// What an earlier process has noted.
    Note,
}

#[derive(Clone, Copy, Debug, Default)]
struct Names {
    journal: Option<usize>,
    log: Option<usize>,
    note: Option<usize>,
}

impl Names {
    fn of(&mut self, name: Name) -> &mut Option<usize> {
        match name {
            Name::Journal => &mut self.journal,
            Name::Log => &mut self.log,
            Name::Note => &mut self.note,
        }
    }
}

impl Disk {
    /// A process opens and locks the files: what the log of a dead one says becomes a file, and there is a new
    /// log, in which another upload has noted something.
    pub(crate) fn open(&self) {
        let mut state = self.state();
        (state.dies_after, state.is_full) = (None, false);
        let log = state.content(Name::Log).map(|log| log.now.clone()).unwrap_or_default();
        if let Some(record) = open_records(&log).remove(ID) {
            let note = state.add(record.as_bytes());
            state.rename(Name::Note, Some(note));
            state.sync(note);
            state.sync_names();
        }
        let other = Intent::new("http://h/other".into(), "/other".into(), 1, None, 1);
        let other = other.encode().ok().and_then(|record| log_line(OTHER, Some(&record)));
        let log = state.add(other.unwrap_or_default().as_bytes());
        state.rename(Name::Log, Some(log));
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

    /// Whether the journal is there and cannot be read, whatever the pad says.
    pub(crate) fn has_torn_journal(&self) -> bool {
        let mut state = self.state();
        state.content(Name::Journal).is_some_and(|content| Entry::decode(&content.now).is_err())
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
        let name = match file {
            File::Journal => Name::Journal,
            File::Note => Name::Log,
        };
        let Some(content) = state.names.of(name).and_then(|at| state.files.get_mut(at)) else {
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

    fn rename(&mut self, name: Name, to: Option<usize>) {
        *self.names.of(name) = to;
        self.changes.push((name, to));
    }

    fn content(&mut self, name: Name) -> Option<&mut Content> {
        let at = (*self.names.of(name))?;
        self.files.get_mut(at)
    }

    fn sync(&mut self, file: usize) {
        if let Some(content) = self.files.get_mut(file) {
            content.kept.clone_from(&content.now);
        }
    }

    fn sync_names(&mut self) {
        self.kept_names = self.names;
        self.changes.clear();
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
        let name = match file {
            File::Journal => Name::Journal,
            File::Note => Name::Note,
        };
        Ok(self.state().content(name).map(|content| content.now.clone()))
    }

    fn has_journal(&self) -> bool {
        self.state().names.journal.is_some()
    }

    fn draft(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.begin(true)?;
        state.fresh.push(bytes.to_vec());
        Ok(state.add(bytes))
    }

    fn sync_draft(&self, draft: &usize) -> io::Result<()> {
        self.begin(false)?.sync(*draft);
        Ok(())
    }

    fn publish(&self, draft: usize) -> io::Result<()> {
        self.begin(false)?.rename(Name::Journal, Some(draft));
        Ok(())
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.begin(false)?.sync_names();
        Ok(())
    }

    fn note(&self, record: &str) -> io::Result<()> {
        let line = log_line(ID, Some(record)).ok_or(io::ErrorKind::InvalidInput)?;
        let was_alive = !self.is_dead();
        let begun = self.begin(true);
        if begun.is_err() && was_alive && self.is_dead() {
            // The process dies amid the write.
            let state = &mut *self.state();
            let cut = state.files.len().wrapping_mul(97) % line.len();
            let torn = line.as_bytes().iter().take(cut);
            state.content(Name::Log).into_iter().for_each(|log| log.now.extend(torn.clone()));
        }
        let mut state = begun?;
        state.fresh.push(record.into());
        state.content(Name::Log).into_iter().for_each(|log| log.now.extend(line.bytes()));
        Ok(())
    }

    fn clear(&self) -> io::Result<()> {
        if self.state().names.note.is_some() {
            self.begin(false)?.rename(Name::Note, None);
        }
        let is_open = |log: &mut Content| open_records(&log.now).contains_key(ID);
        if self.state().content(Name::Log).is_some_and(is_open) {
            let end = log_line(ID, None).unwrap_or_default();
            let mut state = self.begin(false)?;
            state.content(Name::Log).into_iter().for_each(|log| log.now.extend(end.bytes()));
        }
        Ok(())
    }

    fn unlink(&self) -> io::Result<()> {
        if self.has_journal() {
            self.begin(false)?.rename(Name::Journal, None);
        }
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
            assert!(disk.draft(b"x").is_err() && disk.note("x").is_err() && disk.is_dead());
        }
    }

    #[test]
    fn a_process_that_dies_amid_the_removal_leaves_no_note_alone() {
        for steps in 0..4 {
            let disk = Disk::default();
            disk.open();
            let intent = Intent::new("http://h/x".into(), "/x".into(), 1, None, 1);
            disk.note(&intent.encode().expect("text")).expect("noted");
            let draft = disk.draft(b"later").expect("written");
            disk.publish(draft).expect("renamed");
            disk.die_after(steps);
            let _ = disk.remove();
            disk.open();
            let read = |file| disk.read(file).expect("readable").is_some();
            assert!(read(File::Journal) || !read(File::Note), "after {steps} steps");
        }
    }
}
