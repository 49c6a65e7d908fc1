//! What is generated from the table, and that the setters reach it.

use std::ffi::{CStr, CString, c_void};
use std::fs;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use bitsup::explain::Reader;
use bitsup::{
    CALLBACKS, CHOICES, ChoiceSet, JournalKeeps, OPTIONS, OptionKind, OptionRow, OptionScope,
    OptionSet, OptionValue, UNLIMITED, option_by_name, options_named,
};

use super::callbacks::bitsup_options_set_on_progress;
use super::info::{
    bitsup_option_by_name, bitsup_option_facts, bitsup_option_info, bitsup_option_next,
};
use super::setters::{
    bitsup_options_add_text, bitsup_options_set_by_name, bitsup_options_set_bytes,
    bitsup_options_set_header, bitsup_options_set_number, bitsup_options_set_secret_header,
    bitsup_options_set_text, bitsup_options_set_text_n,
};
use super::*;
use crate::error::{bitsup_error, bitsup_error_message};
use crate::status::bitsup_status as Status;

/// Compares a committed file with what it must be, or writes it if `BITSUP_BLESS` is 1.
fn blessed(file: &str, wanted: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var("BITSUP_BLESS").as_deref() == Ok("1") {
        fs::write(&file, wanted).expect("the file can be written");
        return;
    }
    let there = fs::read_to_string(&file).unwrap_or_default();
    assert!(there == wanted, "{} is stale: bless it with BITSUP_BLESS=1", file.display());
}

/// `ca_file` is `CaFile`, of which cbindgen makes `BITSUP_OPTION_CA_FILE`.
fn variant(name: &str) -> String {
    let parts = name.split(['_', '-']).map(|part| {
        let (first, rest) = part.split_at(1);
        first.to_ascii_uppercase() + rest
    });
    parts.collect()
}

/// A doc comment whose lines fit into the header.
fn comment(indent: &str, text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is one");
        if !line.is_empty() && line.chars().count() + word.chars().count() > 70 {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.iter().map(|line| format!("{indent}/// {line}\n")).collect::<Vec<_>>().concat()
}

/// What kind of value an option takes, and its default.
fn facts(row: &OptionRow) -> String {
    let mut text = match (row.kind, row.choices) {
        (_, Some(set)) => format!("A bitsup_{}", set.name),
        (OptionKind::Text, _) if row.list => "A list of texts".into(),
        (OptionKind::Text, _) => "A text".into(),
        (OptionKind::Path, _) => "A path".into(),
        (OptionKind::Secret, _) => "A secret".into(),
        (OptionKind::Size, _) => "In bytes".into(),
        (OptionKind::Duration, _) => "In milliseconds".into(),
        (OptionKind::Flag, _) => "0 or 1".into(),
        (OptionKind::Header, _) if row.secret => "By bitsup_options_set_secret_header".into(),
        (OptionKind::Header, _) => "By bitsup_options_set_header".into(),
        (OptionKind::Rate, _) => "In bytes a second, or a text".into(),
        _ => "A number".into(),
    };
    if row.minimum > 0 {
        text.extend([", at least ", &row.minimum.to_string()]);
    }
    if row.unlimited {
        text += ", or BITSUP_UNLIMITED";
    }
    match (row.default, row.default_number(), row.choices) {
        (Some(word), _, Some(set)) => {
            let word = word.replace('-', "_").to_ascii_uppercase();
            text.extend(["; default ", set.prefix, &word]);
        }
        (Some(_), Some(UNLIMITED), _) => text += ", which is the default",
        (Some(word), Some(number), _) => {
            text.extend(["; default ", &number.to_string()]);
            if word.ends_with(|last: char| last.is_ascii_alphabetic())
                && word.starts_with(|first: char| first.is_ascii_digit())
            {
                text.extend([" (", word, ")"]);
            }
        }
        _ => {}
    }
    text += match row.scope {
        OptionScope::Client => ". Of the client.",
        OptionScope::Upload => ". Of uploads.",
        _ => ".",
    };
    text
}

fn enumeration(name: &str, doc: &str, variants: &str) -> String {
    format!(
        "{}#[repr(C)]\n#[derive(Clone, Copy, Debug)]\n#[expect(dead_code, reason = \"numbers come in as integers\")]\npub enum bitsup_{name} {{\n{variants}}}\n",
        comment("", doc)
    )
}

fn choices(set: &ChoiceSet) -> String {
    let variants: Vec<String> = set
        .choices
        .iter()
        .map(|choice| {
            let doc = options_named(choice.doc, Reader::C);
            format!("{}    {} = {},\n", comment("    ", &doc), variant(choice.word), choice.number)
        })
        .collect();
    enumeration(set.name, set.doc, &variants.concat())
}

#[test]
fn the_constants_are_those_of_the_table() {
    let rows: Vec<String> = OPTIONS
        .iter()
        .map(|row| {
            let doc = format!("{} {}", row.doc_for(Reader::C), facts(row));
            format!("{}    {} = {},\n", comment("    ", &doc), variant(row.name), row.id)
        })
        .collect();
    let mut text = String::from(
        "//! The numbers of options and of their choices: made from the table of `bitsup`, never edited.\n\n",
    );
    text += &enumeration(
        "option",
        "The options. A function's parameter for one is an int.",
        &rows.concat(),
    );
    for set in CHOICES {
        text += "\n";
        text += &choices(set);
    }
    blessed("src/options/constants.rs", &text);
}

/// For those who make bindings: installed beside the header.
#[test]
fn the_list_for_bindings_is_that_of_the_table() {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let optional = |text: Option<&str>| text.map_or("null".to_owned(), quoted);
    let rows = OPTIONS.iter().map(|row| {
        let choices = row.choices.map(|set| set.choices).unwrap_or_default();
        let choices: Vec<String> = choices
            .iter()
            .map(|choice| format!("{}: {}", quoted(choice.word), choice.number))
            .collect();
        let numbers = row.kind.takes_numbers() && row.choices.is_none();
        let number = |number: i64| {
            if numbers && number < UNLIMITED - 1 { number.to_string() } else { "null".to_owned() }
        };
        [
            ("id", row.id.to_string()),
            ("name", quoted(row.name)),
            ("kind", quoted(row.kind.name())),
            ("unit", quoted(row.kind.unit())),
            ("scope", quoted(row.scope.name())),
            ("list", row.list.to_string()),
            ("secret", row.secret.to_string()),
            ("relaxation", row.relaxation.to_string()),
            ("minimum", number(row.minimum)),
            ("maximum", number(row.maximum)),
            ("unlimited", row.unlimited.to_string()),
            ("default", optional(row.default)),
            ("choices", format!("{{{}}}", choices.join(", "))),
            ("journal", quoted(row.journal.name())),
            ("since", quoted(row.since)),
            ("documentation", quoted(row.doc)),
        ]
        .map(|(key, value)| format!("{}: {value}", quoted(key)))
        .join(", ")
    });
    let rows: Vec<String> = rows.map(|row| format!("  {{{row}}}")).collect();
    blessed("options.json", &format!("[\n{}\n]\n", rows.join(",\n")));
    assert!(OPTIONS.iter().any(|row| row.journal == JournalKeeps::Source));
}

/// Options that are set by C functions.
struct Set(*mut bitsup_options);

impl Set {
    fn new() -> Self {
        Self(bitsup_options_new())
    }

    fn get(&self) -> OptionSet {
        // SAFETY: it was not freed.
        let Ok(options) = handle::usable(unsafe { handle::look(self.0) }, "options") else {
            panic!("options can be used");
        };
        options.snapshot().set
    }
}

impl Drop for Set {
    fn drop(&mut self) {
        // SAFETY: the last use.
        unsafe { bitsup_options_free(self.0) };
    }
}

/// What an error says; it is freed.
fn message(error: *mut bitsup_error) -> String {
    // SAFETY: NULL, or an error that is ours.
    let text =
        unsafe { CStr::from_ptr(bitsup_error_message(error)) }.to_string_lossy().into_owned();
    // SAFETY: as above.
    drop(unsafe { handle::take(error) });
    text
}

/// Every row can be set by the function of its kind, and the others name it.
#[test]
fn every_option_has_a_setter_and_the_wrong_one_names_it() {
    for row in OPTIONS {
        let set = Set::new();
        let mut error: *mut bitsup_error = ptr::null_mut();
        let place = &raw mut error;
        let (numbers, header) = (row.kind.takes_numbers(), row.kind == OptionKind::Header);
        let number = row.choices.map_or(1, |choices| choices.choices[0].number);
        let text = match row.name {
            "resolve" => c"a.example:80:127.0.0.1",
            "limit_rate" => c"00:00-24:00=off",
            "pinned_public_key" => c"sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            _ => c"text",
        };
        // SAFETY: as the header asks.
        let status = unsafe { bitsup_options_set_number(set.0, row.id, number, place) };
        assert_eq!(status == Status::Ok, numbers, "{}", row.name);
        let told = message(error);
        assert!(numbers || told.contains(row.name) && told.contains("sets it"), "{told}");
        // SAFETY: as the header asks.
        let status = unsafe { bitsup_options_set_text(set.0, row.id, text.as_ptr(), place) };
        let takes = !numbers && !header || row.kind == OptionKind::Rate;
        assert_eq!(status == Status::Ok, takes, "{}", row.name);
        let told = message(error);
        assert!(takes || told.contains("bitsup_options_set_"), "{told}");
        // SAFETY: as the header asks.
        let status = unsafe { bitsup_options_set_text(set.0, row.id, ptr::null(), place) };
        assert_eq!(status == Status::Ok, takes, "{}: none", row.name);
        message(error);
        // SAFETY: as the header asks.
        let status = unsafe { bitsup_options_add_text(set.0, row.id, text.as_ptr(), place) };
        assert_eq!(status == Status::Ok, takes && row.list, "{}", row.name);
        message(error);
        let name = CString::new(row.name).expect("no zero byte");
        let value = row.choices.map_or(
            if header {
                "X: y"
            } else if numbers {
                "1"
            } else {
                text.to_str().expect("ASCII")
            },
            |choices| choices.choices[0].word,
        );
        let value = CString::new(value).expect("no zero byte");
        let set = Set::new();
        // SAFETY: as the header asks.
        let status =
            unsafe { bitsup_options_set_by_name(set.0, name.as_ptr(), value.as_ptr(), place) };
        assert_eq!(status, Status::Ok, "{}: {}", row.name, message(error));
        assert_eq!(set.get().get(row).map(<[OptionValue]>::len), Some(1), "{}", row.name);
        // SAFETY: as the header asks.
        let status = unsafe { bitsup_options_reset(set.0, row.id, place) };
        assert_eq!(status, Status::Ok);
        assert_eq!(set.get().get(row), None);
    }
}

#[test]
fn bytes_are_paths_and_secrets_and_lengths_count() {
    let set = Set::new();
    let row = |name: &str| option_by_name(name).expect(name);
    let mut error: *mut bitsup_error = ptr::null_mut();
    let place = &raw mut error;
    let bytes = b"\xff/x\0";
    let data = bytes.as_ptr().cast();
    let (path, user) = (row("ca_file").id, row("user").id);
    // SAFETY: as the header asks, in this and the next calls.
    unsafe {
        assert_eq!(bitsup_options_set_bytes(set.0, path, data, 3, place), Status::Ok);
        assert_eq!(bitsup_options_set_bytes(set.0, path, data, 4, place), Status::InvalidArgument);
        assert!(message(error).contains("zero byte"));
        assert_eq!(bitsup_options_set_bytes(set.0, user, data, 3, place), Status::InvalidArgument);
        assert!(message(error).contains("bitsup_options_set_text"));
        let text = bytes.as_ptr().cast();
        assert_eq!(bitsup_options_set_text_n(set.0, path, text, 3, place), Status::InvalidArgument);
        message(error);
        assert_eq!(bitsup_options_set_text_n(set.0, user, text, 3, place), Status::InvalidArgument);
        message(error);
        assert_eq!(bitsup_options_set_text_n(set.0, user, c"names".as_ptr(), 4, place), Status::Ok);
        assert_eq!(set.get().get(row("user")), Some(&[OptionValue::Text("name".into())][..]));
        assert_eq!(bitsup_options_set_bytes(set.0, path, ptr::null(), 0, place), Status::Ok);
        assert_eq!(set.get().get(row("ca_file")), Some(&[OptionValue::None][..]));
        let endless = usize::MAX;
        assert_eq!(
            bitsup_options_set_bytes(set.0, path, data, endless, place),
            Status::InvalidArgument
        );
        message(error);
        let (name, old, new) = (c"X-A".as_ptr(), c"old".as_ptr(), c"new".as_ptr());
        assert_eq!(bitsup_options_set_header(set.0, name, old, place), Status::Ok);
        assert_eq!(bitsup_options_set_secret_header(set.0, name, new, place), Status::Ok);
        assert_eq!(set.get().get(row("headers")).map(<[OptionValue]>::len), Some(0));
        assert_eq!(
            bitsup_options_set_header(set.0, c"Host".as_ptr(), old, place),
            Status::InvalidArgument
        );
        message(error);
        assert_eq!(
            bitsup_options_set_header(set.0, ptr::null(), old, place),
            Status::InvalidArgument
        );
        assert!(message(error).contains("NULL"));
        assert_eq!(bitsup_options_check(set.0, place), Status::InvalidArgument);
        message(error);
    }
}

#[test]
fn what_a_setter_refuses_is_kept_until_it_is_set_or_reset() {
    let set = Set::new();
    let row = |name: &str| option_by_name(name).expect(name).id;
    let mut error: *mut bitsup_error = ptr::null_mut();
    let place = &raw mut error;
    // SAFETY: as the header asks, in this and the next calls.
    unsafe {
        assert_eq!(
            bitsup_options_set_number(set.0, row("max_bytes"), -1, ptr::null_mut()),
            Status::InvalidArgument
        );
        assert_eq!(
            bitsup_options_set_text(set.0, row("proxy"), c"::::".as_ptr(), ptr::null_mut()),
            Status::InvalidArgument
        );
        assert_eq!(bitsup_options_check(set.0, place), Status::InvalidArgument);
        assert!(message(error).contains("max_bytes"));
        let mut copy = ptr::null_mut();
        assert_eq!(bitsup_options_copy(set.0, &raw mut copy, place), Status::Ok);
        assert_eq!(bitsup_options_set_number(set.0, row("max_bytes"), 1, place), Status::Ok);
        assert_eq!(bitsup_options_check(set.0, place), Status::InvalidArgument);
        assert!(message(error).contains("proxy"));
        assert_eq!(bitsup_options_reset(set.0, row("proxy"), place), Status::Ok);
        assert_eq!(bitsup_options_check(set.0, place), Status::Ok);
        assert_eq!(bitsup_options_merge(set.0, copy, place), Status::Ok);
        assert_eq!(bitsup_options_check(set.0, place), Status::InvalidArgument);
        message(error);
        bitsup_options_free(copy);
        assert_eq!(bitsup_options_set_number(set.0, 99, 1, place), Status::Unsupported);
        assert!(message(error).contains("99"));
        assert_eq!(bitsup_options_reset(set.0, 99, place), Status::Unsupported);
        message(error);
        assert_eq!(
            bitsup_options_set_by_name(set.0, c"nothing".as_ptr(), c"x".as_ptr(), place),
            Status::Unsupported
        );
        message(error);
    }
}

#[test]
fn options_tell_about_themselves() {
    let mut error: *mut bitsup_error = ptr::null_mut();
    let (mut id, mut seen) = (0, 0);
    loop {
        id = bitsup_option_next(id);
        if id == 0 {
            break;
        }
        seen += 1;
        let mut facts = std::mem::MaybeUninit::<bitsup_option_facts>::zeroed();
        // SAFETY: a structure of its size, which is then filled; the texts are static.
        let (facts, name) = unsafe {
            facts.as_mut_ptr().cast::<usize>().write(size_of::<bitsup_option_facts>());
            let status = bitsup_option_info(id, facts.as_mut_ptr(), &raw mut error);
            assert_eq!(status, Status::Ok);
            let facts = facts.assume_init();
            (facts, CStr::from_ptr(facts.name))
        };
        let row = option_by_id(id).expect("it is in the table");
        assert_eq!(name.to_str(), Ok(row.name));
        // SAFETY: text.
        assert_eq!(unsafe { bitsup_option_by_name(facts.name) }, id);
    }
    assert_eq!(seen, OPTIONS.len());
    // SAFETY: text, and NULL.
    unsafe {
        assert_eq!(bitsup_option_by_name(c"nothing".as_ptr()), 0);
        assert_eq!(bitsup_option_by_name(ptr::null()), 0);
    }
}

static DESTROYED: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn destroy(userdata: *mut c_void) {
    DESTROYED.fetch_add(userdata.addr(), Ordering::SeqCst);
}

/// The pointer of a callback ends once, with the last that has it; also where the setter fails.
#[test]
fn a_callbacks_pointer_ends_once() {
    assert_eq!(CALLBACKS.len(), 6);
    let ended = || DESTROYED.swap(0, Ordering::SeqCst);
    let place = ptr::null_mut();
    let pointer = |number: usize| ptr::without_provenance_mut(number);
    let set = |options, number| {
        // SAFETY: as the header asks; NULL is tried too.
        unsafe {
            bitsup_options_set_on_progress(options, None, pointer(number), Some(destroy), place)
        }
    };
    assert_eq!(set(ptr::null_mut(), 1), Status::InvalidArgument);
    assert_eq!(ended(), 1);
    let first = Set::new();
    assert_eq!(set(first.0, 10), Status::Ok);
    let mut copy = ptr::null_mut();
    // SAFETY: as the header asks.
    unsafe { assert_eq!(bitsup_options_copy(first.0, &raw mut copy, place), Status::Ok) };
    assert_eq!(set(first.0, 100), Status::Ok);
    assert_eq!(ended(), 0, "the copy has it");
    // SAFETY: as the header asks.
    unsafe { bitsup_options_free(copy) };
    assert_eq!(ended(), 10);
    let mut client = ptr::null_mut();
    // SAFETY: as the header asks.
    unsafe {
        let made = crate::client::bitsup_client_new(first.0, &raw mut client, place);
        assert_eq!(made, Status::Ok);
    }
    drop(first);
    assert_eq!(ended(), 0, "the client has it");
    // SAFETY: as the header asks.
    unsafe { crate::client::bitsup_client_free(client) };
    assert_eq!(ended(), 100);
}
