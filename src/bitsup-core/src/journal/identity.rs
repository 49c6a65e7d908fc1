//! What the file system tells of a source, and what two such accounts of it mean.

use serde::{Deserialize, Serialize};

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Size in bytes.
    pub size: u64,
    /// When it was modified: whole seconds since 1970.
    pub modified_s: i64,
    /// The rest of that time in nanoseconds.
    pub modified_ns: i64,
    /// The number of its file system.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// Its change time, in seconds and nanoseconds, which cannot be set back. Unknown in what
    /// earlier versions kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<(i64, i64)>,
    /// What else moves the change time; of interest while the file is sent only.
    #[serde(skip)]
    pub attributes: Attributes,
}

/// Properties of a file that have nothing to do with its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Type and permissions.
    pub mode: u32,
    /// User.
    pub owner: u32,
    /// Group.
    pub group: u32,
    /// Number of names.
    pub links: u64,
}

/// What two looks at a source say of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// They are the same.
    None,
    /// They are others, in words.
    Content(&'static str),
    /// They may be others: only the bytes tell.
    Unclear {
        /// Whether a chmod, chown or link of the same file explains it.
        is_explained: bool,
    },
}

impl Identity {
    /// What `now` says of a source that was `self`. Size and time stamp decide at once. A remount
    /// alters device and inode, a copy inode and change time, a chmod the change time; but so does
    /// a process that writes to the file and sets its time stamp back.
    #[must_use]
    pub fn compare(&self, now: &Self) -> Difference {
        if self.size != now.size {
            return Difference::Content("its size changed");
        }
        if (self.modified_s, self.modified_ns) != (now.modified_s, now.modified_ns) {
            return Difference::Content("its time stamp changed");
        }
        let is_same_file = (self.device, self.inode) == (now.device, now.inode);
        if is_same_file && self.changed.is_some() && self.changed == now.changed {
            return Difference::None;
        }
        let is_explained = is_same_file && self.attributes != now.attributes;
        Difference::Unclear { is_explained }
    }
}
