//! What options there are, for those who make bindings.

use std::ffi::{CString, c_char, c_int};
use std::mem::offset_of;
use std::ptr;
use std::sync::OnceLock;

use bitsup::explain::Reader;
use bitsup::{
    OPTIONS, OptionKind, OptionRow, OptionScope, option_by_id, option_by_name, unknown_option,
};

use crate::error::bitsup_error;
use crate::status::bitsup_status;
use crate::structure::{self, Extensible};
use crate::text;

/// What values an option takes, and by which function.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum bitsup_option_kind {
    /// Text in UTF-8: bitsup_options_set_text, for a list _add_text.
    Text = 1,
    /// A path: bitsup_options_set_text or _set_bytes.
    Path = 2,
    /// A password, token or passphrase: bitsup_options_set_text or _set_bytes.
    Secret = 3,
    /// Bytes: bitsup_options_set_number, as with those below.
    Size = 4,
    /// Milliseconds.
    Duration = 5,
    /// A number of something.
    Count = 6,
    /// 0 or 1.
    Flag = 7,
    /// One of the constants of an enumeration.
    Choice = 8,
    /// A header: bitsup_options_set_header or _set_secret_header.
    Header = 9,
    /// Bytes a second: bitsup_options_set_number, or a timetable:
    /// bitsup_options_set_text.
    Rate = 10,
}

/// Where an option has a meaning.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum bitsup_option_scope {
    /// In bitsup_client_new only.
    Client = 1,
    /// In calls that start uploads or send packets only.
    Upload = 2,
    /// In both: what a client has is the default of its uploads.
    Both = 3,
}

/// What bitsup_option_info tells about an option. Its texts are static.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bitsup_option_facts {
    /// Set it to sizeof(bitsup_option_facts), or to that of a declaration that
    /// ends after kind or later, before the call; afterwards the bytes that
    /// were written.
    pub struct_size: usize,
    /// The number, a BITSUP_OPTION_….
    pub id: c_int,
    /// What values it takes.
    pub kind: bitsup_option_kind,
    /// Where it has a meaning.
    pub scope: bitsup_option_scope,
    /// Whether (not 0) it has any number of values.
    pub list: c_int,
    /// Whether (not 0) its values are secret.
    pub secret: c_int,
    /// Whether (not 0) it takes a protection away.
    pub relaxation: c_int,
    /// The smallest number.
    pub minimum: i64,
    /// The largest number.
    pub maximum: i64,
    /// Whether (not 0) BITSUP_UNLIMITED is a value.
    pub unlimited: c_int,
    /// The name, such as "ca_file".
    pub name: *const c_char,
    /// The unit of its numbers, such as "bytes"; "" if there is none.
    pub unit: *const c_char,
    /// The default as bitsup_options_set_by_name takes it; NULL if there is none.
    pub default_text: *const c_char,
    /// The choices with their numbers: "any=2001 basic=2002"; "" if there are
    /// none.
    pub choices: *const c_char,
    /// The version of bitsup that has it first.
    pub since: *const c_char,
    /// What it does.
    pub documentation: *const c_char,
}

// SAFETY: `repr(C)`, the first field is the size, and a structure of it is only ever filled.
unsafe impl Extensible for bitsup_option_facts {
    /// A wrapper may declare no more than the kind, which tells it how to set the option.
    const FIRST: usize = offset_of!(Self, scope);
}

/// The texts of an option as C sees them.
struct Texts {
    name: CString,
    unit: CString,
    default: Option<CString>,
    choices: CString,
    since: CString,
    documentation: CString,
}

fn texts(row: &OptionRow) -> Option<&'static Texts> {
    static TEXTS: OnceLock<Vec<Texts>> = OnceLock::new();
    let all = TEXTS.get_or_init(|| OPTIONS.iter().map(Texts::new).collect());
    all.get(OPTIONS.iter().position(|known| known == row)?)
}

impl Texts {
    fn new(row: &OptionRow) -> Self {
        let choices = row.choices.map(|set| set.choices).unwrap_or_default();
        let choices: Vec<String> =
            choices.iter().map(|choice| format!("{}={}", choice.word, choice.number)).collect();
        Self {
            name: text::for_c(row.name),
            unit: text::for_c(row.kind.unit()),
            default: row.default.map(text::for_c),
            choices: text::for_c(&choices.join(" ")),
            since: text::for_c(row.since),
            documentation: text::for_c(&row.doc_for(Reader::C)),
        }
    }
}

impl From<OptionKind> for bitsup_option_kind {
    fn from(kind: OptionKind) -> Self {
        match kind {
            OptionKind::Path => Self::Path,
            OptionKind::Secret => Self::Secret,
            OptionKind::Size => Self::Size,
            OptionKind::Duration => Self::Duration,
            OptionKind::Count => Self::Count,
            OptionKind::Flag => Self::Flag,
            OptionKind::Choice => Self::Choice,
            OptionKind::Header => Self::Header,
            OptionKind::Rate => Self::Rate,
            _ => Self::Text,
        }
    }
}

fn facts(row: &OptionRow, texts: &Texts) -> bitsup_option_facts {
    bitsup_option_facts {
        struct_size: size_of::<bitsup_option_facts>(),
        id: row.id,
        kind: row.kind.into(),
        scope: match row.scope {
            OptionScope::Client => bitsup_option_scope::Client,
            OptionScope::Upload => bitsup_option_scope::Upload,
            _ => bitsup_option_scope::Both,
        },
        list: c_int::from(row.list),
        secret: c_int::from(row.secret),
        relaxation: c_int::from(row.relaxation),
        minimum: row.minimum,
        maximum: row.maximum,
        unlimited: c_int::from(row.unlimited),
        name: texts.name.as_ptr(),
        unit: texts.unit.as_ptr(),
        default_text: texts.default.as_ref().map_or(ptr::null(), |text| text.as_ptr()),
        choices: texts.choices.as_ptr(),
        since: texts.since.as_ptr(),
        documentation: texts.documentation.as_ptr(),
    }
}

/// Tells about an option, a BITSUP_OPTION_…. Set facts->struct_size first.
/// BITSUP_STATUS_UNSUPPORTED: this library has no such option.
/// Statuses: OK, INVALID_ARGUMENT, UNSUPPORTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_option_info(
    option: c_int,
    facts: *mut bitsup_option_facts,
    error: *mut *mut bitsup_error,
) -> bitsup_status {
    boundary!(error: error, gives OPTION, [], {
        // SAFETY: the caller gives NULL or a structure of the size in it.
        unsafe { structure::check_size(facts, "facts") }?;
        let row = option_by_id(option);
        let Some((row, texts)) = row.and_then(|row| Some((row, texts(row)?))) else {
            return Err(unknown_option(&option.to_string()).into());
        };
        // SAFETY: as above.
        unsafe { structure::fill(facts, "facts", &self::facts(row, texts)) }?;
        Ok(bitsup_status::Ok)
    })
}

/// Gives the number of the option of a name, such as "ca_file"; 0 if this
/// library has none, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bitsup_option_by_name(name: *const c_char) -> c_int {
    boundary!(value: 0, [], {
        // SAFETY: the caller gives NULL or text.
        let name = unsafe { text::text(name, "name") };
        name.ok().and_then(option_by_name).map_or(0, |row| row.id)
    })
}

/// Gives the number of the next option after one, from 0 on; 0 after the last.
#[unsafe(no_mangle)]
pub extern "C" fn bitsup_option_next(option: c_int) -> c_int {
    boundary!(value: 0, [], {
        OPTIONS.iter().find(|row| row.id > option).map_or(0, |row| row.id)
    })
}
