//! Options that are set, for a client or for uploads.

use std::collections::BTreeMap;

use super::resolve::{ClientOptions, Target};
use super::row::{OptionKind, OptionRow, OptionScope, OptionValue};
use super::table::{self, TABLE};
use super::{Header, UploadOptions};
use crate::credentials::CredentialCallback;
use crate::error::{Error, ErrorKind};

/// Any of the options of [`crate::OPTIONS`], for a client, for one upload or for many.
///
/// An option is unset, set to none, or set. An upload's options override its client's,
/// and those override the defaults. A setter's error is kept until the option is set or reset,
/// so that a caller may look at errors once, at the start.
///
/// ```no_run
/// use bitsup::{Client, OptionSet, Source};
///
/// # fn main() -> Result<(), bitsup::Error> {
/// let options = OptionSet::new().user("u").password_file("p.txt").if_exists("skip");
/// let upload = Client::new()?.upload(Source::path("disk.img")?, "https://host/incoming/");
/// upload.options(options.upload_options(None)?).start()?.wait()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct OptionSet {
    values: BTreeMap<i32, Vec<OptionValue>>,
    /// Refused values, in the order in which they were refused.
    errors: Vec<(i32, Error)>,
}

/// Who takes the options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionUse {
    /// A client, for itself and as the defaults of its uploads.
    Client,
    /// An upload, or another call that sends packets.
    Upload,
}

/// The methods of `builder.rs`: the kind of an option says what its method takes.
macro_rules! setters {
    ($($(#[$doc:meta])+ $name:ident: $kind:ident,)+) => {
        impl $crate::OptionSet { $(setters! { $kind $name [$(#[$doc])+] })+ }
    };
    (Text $name:ident $doc:tt) => {
        setters! { $name $doc (value: impl Into<String>)
            |_| Ok($crate::OptionValue::Text(value.into()))
        }
    };
    (Path $name:ident $doc:tt) => {
        setters! { $name $doc (value: impl Into<std::path::PathBuf>)
            |_| Ok($crate::OptionValue::Path(value.into()))
        }
    };
    (Secret $name:ident $doc:tt) => {
        setters! { $name $doc (value: impl Into<String>)
            |_| Ok($crate::OptionValue::Secret($crate::Secret::new(value)))
        }
    };
    (Size $name:ident $doc:tt) => {
        setters! { $name $doc (value: i64) |_| Ok($crate::OptionValue::Number(value)) }
    };
    (Count $name:ident $doc:tt) => { setters! { Size $name $doc } };
    (Duration $name:ident $doc:tt) => {
        setters! { $name $doc (value: std::time::Duration)
            |_| Ok($crate::options::row::milliseconds(value))
        }
    };
    (Flag $name:ident $doc:tt) => {
        setters! { $name $doc (value: bool) |_| Ok($crate::OptionValue::Number(value.into())) }
    };
    (Choice $name:ident $doc:tt) => {
        setters! { $name $doc (value: &str) |option| option.parse(value) }
    };
    (Rate $name:ident $doc:tt) => { setters! { Choice $name $doc } };
    (Header $name:ident $doc:tt) => {
        setters! { $name $doc (name: &str, value: &str)
            |_| $crate::Header::new(name, value).map($crate::OptionValue::Header)
        }
    };
    ($name:ident [$($doc:tt)+] ($($parameters:tt)+) $value:expr) => {
        $($doc)+
        #[must_use]
        pub fn $name(self, $($parameters)+) -> Self {
            self.with(stringify!($name), $value)
        }
    };
}
pub(super) use setters;

impl OptionSet {
    /// Options of which none is set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets an option; a list's only value.
    pub fn set(&mut self, option: &OptionRow, value: OptionValue) -> Result<(), Error> {
        if let Err(error) = option.check(&value) {
            return Err(self.refuse(option.id, error));
        }
        self.forgive(option.id);
        if let OptionValue::Header(header) = &value {
            self.drop_header(header.name());
        }
        // A list without values is set as well.
        let none = option.list && value == OptionValue::None;
        self.values.insert(option.id, if none { Vec::new() } else { vec![value] });
        Ok(())
    }

    /// Adds a value to a list. A header takes the place of one of the same name.
    pub fn add(&mut self, option: &OptionRow, value: OptionValue) -> Result<(), Error> {
        let refused = if option.list {
            option.check(&value).err()
        } else {
            Some(option.refusal("has one value, which is set: nothing can be added"))
        };
        if let Some(error) = refused {
            return Err(self.refuse(option.id, error));
        }
        if let OptionValue::Header(header) = &value {
            self.drop_header(header.name());
        }
        self.values.entry(option.id).or_default().push(value);
        Ok(())
    }

    /// Sets an option by its name and a text as the tool takes it; adds to a list.
    pub fn set_by_name(&mut self, name: &str, text: &str) -> Result<(), Error> {
        let Some(option) = table::by_name(name) else {
            return Err(self.refuse(UNKNOWN, unknown(name)));
        };
        match option.parse(text) {
            Ok(value) if option.list => self.add(option, value),
            Ok(value) => self.set(option, value),
            Err(error) => Err(self.refuse(option.id, error)),
        }
    }

    /// Sets an option, or adds to a list; what is refused is kept.
    pub(super) fn with(
        mut self,
        name: &str,
        value: impl FnOnce(&OptionRow) -> Result<OptionValue, Error>,
    ) -> Self {
        let option = table::by_name(name).expect("made from the table");
        match value(option) {
            Ok(value) if option.list => drop(self.add(option, value)),
            Ok(value) => drop(self.set(option, value)),
            Err(error) => drop(self.refuse(option.id, error)),
        }
        self
    }

    /// Unsets an option, and forgets that its value was refused.
    pub fn reset(&mut self, option: &OptionRow) {
        self.reset_id(option.id);
    }

    /// The same by number, also one that no option has.
    pub fn reset_id(&mut self, id: i32) {
        self.values.remove(&id);
        self.forgive(id);
    }

    /// Sets all that `from` has set, and takes over its errors.
    pub fn merge(&mut self, from: &Self) {
        for (id, values) in &from.values {
            self.forgive(*id);
            for value in values {
                if let OptionValue::Header(header) = value {
                    self.drop_header(header.name());
                }
            }
            self.values.insert(*id, values.clone());
        }
        for (id, error) in &from.errors {
            self.refuse(*id, error.clone());
        }
    }

    /// The first value that was refused.
    pub fn check(&self) -> Result<(), Error> {
        match self.errors.first() {
            Some((_, error)) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// Keeps an error that a front end found in a value for the option of this number.
    pub fn refuse(&mut self, id: i32, error: Error) -> Error {
        if !self.errors.iter().any(|(known, _)| *known == id) {
            self.errors.push((id, error.clone()));
        }
        error
    }

    /// The values of an option; `None` where it is unset.
    #[must_use]
    pub fn get(&self, option: &OptionRow) -> Option<&[OptionValue]> {
        self.values.get(&option.id).map(Vec::as_slice)
    }

    /// What these options come to for an upload, or another call that sends packets: see
    /// [`OptionSet::for_upload`]. `callback` is asked for logins, if there is one. Files are looked
    /// at, and those of secrets are read.
    pub fn upload_options(
        &self,
        callback: Option<CredentialCallback>,
    ) -> Result<UploadOptions, Error> {
        self.target(OptionUse::Upload)?.finish(callback)
    }

    /// What these options come to for a client itself.
    pub fn client_options(&self) -> Result<ClientOptions, Error> {
        Ok(self.target(OptionUse::Client)?.client)
    }

    fn target(&self, with: OptionUse) -> Result<Target, Error> {
        self.check_use(with)?;
        let mut target = Target::default();
        for option in TABLE {
            for value in self.get(option).unwrap_or_default() {
                (option.apply)(value, &mut target)?;
            }
        }
        Ok(target)
    }

    /// Refuses values that were refused before, and options that have no meaning there.
    pub fn check_use(&self, with: OptionUse) -> Result<(), Error> {
        self.check()?;
        let (wrong, what) = match with {
            OptionUse::Client => {
                (OptionScope::Upload, "is an option of uploads: set it where one starts")
            }
            OptionUse::Upload => {
                (OptionScope::Client, "is an option of the client: set it where that is made")
            }
        };
        let stray = TABLE.iter().find(|option| option.scope == wrong && self.get(option).is_some());
        stray.map_or(Ok(()), |option| Err(option.refusal(what)))
    }

    /// The options of an upload: those that its client has set for uploads, and its own, which win.
    #[must_use]
    pub fn for_upload(client: &Self, own: &Self) -> Self {
        let mut all = client.clone();
        all.values.retain(|id, _| {
            table::by_id(*id).is_some_and(|option| option.scope != OptionScope::Client)
        });
        all.merge(own);
        all
    }

    fn forgive(&mut self, id: i32) {
        self.errors.retain(|(known, _)| *known != id);
    }

    /// Drops a header of this name, plain or secret.
    fn drop_header(&mut self, name: &str) {
        let lists = TABLE.iter().filter(|option| option.kind == OptionKind::Header);
        for option in lists {
            if let Some(values) = self.values.get_mut(&option.id) {
                values.retain(|value| {
                    !matches!(value, OptionValue::Header(old) if Header::name(old).eq_ignore_ascii_case(name))
                });
            }
        }
    }
}

/// What errors of names that no option has are kept under.
const UNKNOWN: i32 = 0;

/// The error for an option that this library does not have, with the name that was likely meant.
#[must_use]
pub fn unknown(what: &str) -> Error {
    let version = env!("CARGO_PKG_VERSION");
    let near = near(what).map(|name| format!(": did you mean {name}?")).unwrap_or_default();
    let what = what.escape_debug();
    Error::new(ErrorKind::Unsupported, format!("bitsup {version} has no option {what}{near}"))
}

/// The name that differs least, in a third of its letters at most.
fn near(what: &str) -> Option<&'static str> {
    let (edits, name) = TABLE.iter().map(|row| (edits(what, row.name), row.name)).min()?;
    (edits <= name.len() / 3).then_some(name)
}

/// How many letters must be changed, added or removed to make the one text of the other.
fn edits(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    // The result is at least the difference of the lengths, so a longer text is none of our names.
    for (at, letter) in from.bytes().take(2 * to.len()).enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, wanted) in to.bytes().enumerate() {
            let replaced = diagonal + usize::from(letter != wanted);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}
