//! The header is the generated one, and compilers take it alone.

use std::collections::BTreeSet;
use std::process::Command;

use crate::support::{self, capi, workspace};
use bitsup::OptionKind;

use crate::{build, entry_points};

/// As cbindgen makes it from the sources.
fn generate() -> String {
    let mut version = env!("CARGO_PKG_VERSION").split('.').map(str::parse::<u32>);
    let mut part = || version.next().expect("three parts").expect("a number");
    let (major, minor, patch) = (part(), part(), part());
    let macros = format!(
        "
/** The version of this header; compare bitsup_version. */
#define BITSUP_VERSION \"{major}.{minor}.{patch}\"
/** The same as a number; compare bitsup_version_number. */
#define BITSUP_VERSION_NUMBER ({major} * 65536 + {minor} * 256 + {patch})
{MACROS}"
    );
    // Enumerations that go in, and so are no parameter's type.
    let include = [
        "bitsup_option",
        "bitsup_auth",
        "bitsup_if_exists",
        "bitsup_host_id",
        "bitsup_verify",
        "bitsup_on_lost_ack",
        "bitsup_resume_check",
    ];
    let config = cbindgen::Config {
        language: cbindgen::Language::C,
        header: Some(include_str!("../../src/head.h").trim_end().replace("@ABI@", support::abi())),
        include_guard: Some("BITSUP_H".to_owned()),
        after_includes: Some(macros),
        sys_includes: ["stddef.h", "stdint.h"].map(str::to_owned).to_vec(),
        no_includes: true,
        cpp_compat: true,
        style: cbindgen::Style::Type,
        usize_is_size_t: true,
        documentation_style: cbindgen::DocumentationStyle::Doxy,
        line_length: 79,
        tab_width: 2,
        export: cbindgen::ExportConfig {
            include: include.map(str::to_owned).to_vec(),
            ..Default::default()
        },
        enumeration: cbindgen::EnumConfig {
            rename_variants: cbindgen::RenameRule::QualifiedScreamingSnakeCase,
            ..Default::default()
        },
        function: cbindgen::FunctionConfig {
            args: cbindgen::Layout::Vertical,
            prefix: Some("BITSUP_API".to_owned()),
            must_use: Some("BITSUP_NODISCARD".to_owned()),
            ..Default::default()
        },
        ..Default::default()
    };
    let bindings = cbindgen::Builder::new()
        .with_crate(capi())
        .with_config(config)
        .generate()
        .expect("cbindgen understands the crate");
    let mut text = Vec::new();
    bindings.write(&mut text);
    let text = String::from_utf8(text).expect("UTF-8");
    let text = text
        .replace("\nBITSUP_API\n", "\nBITSUP_API ")
        .replace("BITSUP_API BITSUP_NODISCARD\n", "BITSUP_API BITSUP_NODISCARD ");
    let text = fold(&text);
    in_order(&text.replace("typedef int bitsup_event_source;", EVENT_SOURCE))
}

/// What stands at the head of the header beside its version.
const MACROS: &str = "
/** No limit, for options that have that. */
#define BITSUP_UNLIMITED INT64_MAX
/** What bitsup_client_event_fd gives where there is nothing to poll. */
#define BITSUP_EVENT_SOURCE_NONE ((bitsup_event_source)-1)

/* Before every function. With the static library on Windows, define
   BITSUP_STATIC. */
#if !defined(BITSUP_API)
#if defined(_WIN32) && !defined(BITSUP_STATIC)
#define BITSUP_API __declspec(dllimport)
#else
#define BITSUP_API
#endif
#endif

/* Before functions that give an object or an upload's outcome. A program that
   wants no warnings there defines BITSUP_NO_NODISCARD. */
#if !defined(BITSUP_NODISCARD)
#if defined(BITSUP_NO_NODISCARD)
#define BITSUP_NODISCARD
#elif defined(__cplusplus) && __cplusplus >= 201703L
#define BITSUP_NODISCARD [[nodiscard]]
#elif defined(__GNUC__)
#define BITSUP_NODISCARD __attribute__((warn_unused_result))
#else
#define BITSUP_NODISCARD
#endif
#endif";

/// The type by system.
const EVENT_SOURCE: &str = "#if defined(_WIN32)
typedef uintptr_t bitsup_event_source;
#else
typedef int bitsup_event_source;
#endif";

/// The functions, in the order in which they are used, by the files that have them.
const SECTIONS: [(&str, &[&str]); 10] = [
    ("VERSION AND FEATURES", &["version.rs"]),
    (
        "OPTIONS",
        &["options/mod.rs", "options/setters.rs", "options/callbacks.rs", "options/info.rs"],
    ),
    ("CLIENTS", &["client.rs"]),
    ("UPLOADS", &["upload.rs"]),
    ("EVENTS, for programs with a loop of their own, AND LOGINS", &["events.rs", "credential.rs"]),
    ("ERRORS", &["error.rs"]),
    ("KEPT SESSIONS", &["journal.rs", "token.rs"]),
    ("PACKET BY PACKET", &["session.rs"]),
    ("DOCTOR", &["report.rs"]),
    ("NAMES OF ENUMERATORS", &["names.rs"]),
];

/// Puts the functions into their sections.
fn in_order(text: &str) -> String {
    let functions = entry_points::with_files();
    let blocks: Vec<&str> = text.split("\n\n").collect();
    // A comment has empty lines, and goes with what follows it.
    let mut whole: Vec<String> = Vec::new();
    for block in blocks {
        match whole.last_mut() {
            Some(last) if last.rfind("/**") > last.rfind("*/") => {
                last.push_str("\n\n");
                last.push_str(block);
            }
            _ => whole.push(block.to_owned()),
        }
    }
    let place = |block: &str| -> Option<(usize, usize)> {
        let line = block.lines().find(|line| line.starts_with("BITSUP_API"))?;
        let name = line.split_once('(')?.0.rsplit([' ', '*']).next()?;
        let at = functions.iter().position(|(_, of)| entry_points::name(of) == name)?;
        let file = functions[at].0.to_str().expect("UTF-8");
        let section = SECTIONS
            .iter()
            .position(|(_, files)| {
                files.iter().any(|known| file.ends_with(&format!("src/{known}")))
            })
            .unwrap_or_else(|| panic!("{file} is in no section"));
        let files = SECTIONS[section].1;
        let of = files.iter().position(|known| file.ends_with(&format!("src/{known}")));
        Some((section, of.unwrap_or(0) * 1000 + at))
    };
    let first = whole.iter().position(|block| place(block).is_some()).expect("functions");
    let last = whole.iter().rposition(|block| place(block).is_some()).expect("functions");
    let mut sorted: Vec<((usize, usize), String)> = whole[first..=last]
        .iter()
        .map(|block| (place(block).expect(block), block.clone()))
        .collect();
    sorted.sort();
    let mut before = None;
    let mut made: Vec<String> = whole[..first].to_vec();
    for ((section, _), block) in sorted {
        if before.replace(section) != Some(section) {
            made.push(format!("/* {} */", SECTIONS[section].0));
        }
        made.push(block);
    }
    made.extend_from_slice(&whole[last + 1..]);
    made.join("\n\n")
}

/// Puts the parameters of long declarations below them, instead of far to the right.
fn fold(text: &str) -> String {
    let mut folded = String::new();
    for line in text.lines() {
        let parameter = line.trim_start();
        let depth = line.len() - parameter.len();
        let long = line.starts_with("BITSUP_API") && line.chars().count() > 79;
        let opens = !line.starts_with([' ', '/', '#']) && (line.ends_with(',') || long);
        if opens && let Some((function, first)) = line.rsplit_once('(') {
            folded.extend([function, "(\n    ", first, "\n"]);
        } else if depth > 8 && line.ends_with([',', ';']) {
            folded.extend(["    ", parameter, "\n"]);
        } else {
            folded.extend([line, "\n"]);
        }
    }
    folded
}

#[test]
fn the_committed_header_is_the_generated_one() {
    let header = generate();
    let long = header.lines().find(|line| line.chars().count() > 79);
    assert_eq!(long, None, "lines have at most 79 columns");
    support::blessed(&workspace().join("include/bitsup.h"), &header);
}

#[test]
fn compilers_take_each_header_alone_and_twice() {
    let folder = tempfile::tempdir().expect("folder");
    for (compilers, standards, header, name) in [
        (["gcc", "clang"], &["c99", "c11"][..], "bitsup.h", "header.c"),
        (["g++", "clang++"], &["c++11", "c++17", "c++20"][..], "bitsup.h", "header.cpp"),
        (["g++", "clang++"], &["c++17", "c++20"][..], "bitsup.hpp", "wrapper.cpp"),
    ] {
        let file = folder.path().join(name);
        let twice = format!("#include <{header}>\n").repeat(2);
        std::fs::write(&file, twice + "int main(void) { return 0; }\n").expect("written");
        for compiler in compilers {
            if !support::has_program(compiler) {
                support::skipped(&format!("{compiler} is missing"));
                continue;
            }
            for standard in standards {
                let mut command = Command::new(compiler);
                command
                    .arg(format!("-std={standard}"))
                    .args(build::STRICT)
                    .args(["-Wshadow", "-Wconversion"])
                    .arg("-fsyntax-only")
                    .arg("-I")
                    .arg(workspace().join("include"))
                    .arg(&file);
                support::succeed(&mut command);
            }
        }
    }
}

/// Pieces of C in the guide and the README, as a program would have them.
#[test]
fn the_guide_compiles() {
    let page = |name: &str| std::fs::read_to_string(workspace().join(name)).expect("readable");
    let guide = page("docs/c.md") + &page("README.md");
    let folder = tempfile::tempdir().expect("folder");
    let mut pieces = 0;
    for piece in guide.split("```c\n").skip(1) {
        let piece = piece.split("```").next().expect("a piece has an end");
        let file = folder.path().join("piece.c");
        let head = "#include <bitsup.h>\n#include <string.h>\n\
            int read_password(void *, const char *site, char *buffer, size_t size);\n";
        std::fs::write(&file, format!("{head}{piece}")).expect("written");
        let mut command = Command::new("cc");
        command.args(build::STRICT).args(["-Wno-unused-function", "-fsyntax-only"]);
        support::succeed(command.arg("-I").arg(workspace().join("include")).arg(&file));
        pieces += 1;
    }
    assert!(pieces > 2, "{pieces} pieces of C");
}

/// Names of functions, without the signs around them.
fn functions_in(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("bitsup_")).collect()
}

/// Which calls wait is said at the head of the header, in the guide, and at each of them.
#[test]
fn the_calls_that_wait_are_the_same_everywhere() {
    let sentence = |page: &str| {
        let page = page.replace("\n *  ", " ").replace('\n', " ");
        let (_, after) = page.split_once("Only ").expect("a list");
        let (list, _) = after.split_once("wait for the network").expect("its end");
        functions_in(list).into_iter().map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let read = |name: &str| std::fs::read_to_string(workspace().join(name)).expect("readable");
    let header = read("include/bitsup.h");
    let listed = sentence(header.split("Threads.").nth(1).expect("a paragraph"));
    assert_eq!(sentence(&read("docs/c.md")), listed);

    // At each: it waits for an answer, for answers or for the end.
    let mut waits = BTreeSet::new();
    for piece in header.split("/**").skip(1) {
        let (comment, rest) = piece.split_once("*/").expect("a comment has an end");
        let comment = comment.replace("\n *", " ").split_whitespace().collect::<Vec<_>>().join(" ");
        let is_call = rest.trim_start().starts_with("BITSUP_API");
        let waiting = ["aits for the answer", "aits for the end"];
        if is_call && waiting.iter().any(|words| comment.contains(words)) {
            let name = rest.split('(').next().and_then(|head| head.split_whitespace().next_back());
            waits.insert(name.expect("a name").trim_start_matches('*'));
        }
    }
    let sessions = waits.iter().filter(|name| name.starts_with("bitsup_session_")).count();
    assert!(sessions >= 4, "{waits:?}");
    let waits = waits.into_iter().filter(|name| !name.starts_with("bitsup_session_"));
    let waits: BTreeSet<String> =
        waits.map(str::to_owned).chain(["bitsup_session".into()]).collect();
    assert_eq!(waits, listed);
}

/// What a wait for the last callbacks is bounded by, as the code has it; `waiting_ends_after_the_callbacks` of the
/// crate bitsup shows the rest of the sentence.
#[test]
fn what_a_wait_for_the_last_callbacks_takes_is_the_same_everywhere() {
    let read = |name: &str| std::fs::read_to_string(workspace().join(name)).expect("readable");
    let code = read("src/bitsup/src/upload.rs");
    let (_, bound) = code.split_once("const LAST_CALLBACKS: Duration = ").expect("a bound");
    assert!(bound.starts_with("Duration::from_secs(1);"), "then the texts are wrong: {bound:.40}");
    for page in ["include/bitsup.h", "docs/bindings.md"] {
        let text = read(page).replace("\n * ", " ").replace("\n  ", " ");
        assert!(text.contains("unless they take over a second"), "{page}");
    }
}

#[test]
fn the_guide_for_bindings_counts_the_structures() {
    let header = std::fs::read_to_string(workspace().join("include/bitsup.h")).expect("readable");
    let count = header.lines().filter(|line| *line == "typedef struct {").count();
    let words = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    let guide = std::fs::read_to_string(workspace().join("docs/bindings.md")).expect("readable");
    assert!(guide.contains(&format!(" {} structures.", words[count])), "{count} structures");
}

/// The part of the C++ header that comes from the table.
fn forwards() -> String {
    let mut text = String::new();
    for row in bitsup::OPTIONS {
        let (name, constant) =
            (row.name, format!("BITSUP_OPTION_{}", row.name.to_ascii_uppercase()));
        let line = |parameter: &str, body: &str| {
            format!("  options &{name}({parameter}) {{ return {body}; }}\n")
        };
        let with = |helper: &str, value: &str| format!("{helper}({constant}, {value})");
        text += &match row.kind {
            OptionKind::Header => continue,
            OptionKind::Text if row.list => line("std::string_view v", &with("add_", "v")),
            OptionKind::Path => line("const path_view &v", &with("path_", "v")),
            OptionKind::Duration => {
                line("std::chrono::milliseconds v", &with("number_", "v.count()"))
            }
            OptionKind::Flag => line("bool on = true", &with("number_", "on ? 1 : 0")),
            OptionKind::Choice => {
                let set = row.choices.expect("a choice").name;
                line(&format!("bitsup_{set} v"), &with("number_", "static_cast<std::int64_t>(v)"))
            }
            OptionKind::Size | OptionKind::Count => line("std::uint64_t v", &with("size_", "v")),
            OptionKind::Rate => {
                line("std::uint64_t v", &with("size_", "v"))
                    + &line("std::string_view v", &with("text_", "v"))
            }
            _ => line("std::string_view v", &with("text_", "v")),
        };
    }
    text
}

#[test]
fn the_cpp_header_forwards_every_option() {
    const BEGIN: &str = "  // From the table of options: never edited.\n";
    const END: &str = "  // end\n";
    let file = workspace().join("include/bitsup.hpp");
    let header = std::fs::read_to_string(&file).expect("readable");
    let (before, rest) = header.split_once(BEGIN).expect("the beginning is marked");
    let (_, after) = rest.split_once(END).expect("the end is marked");
    support::blessed(&file, &format!("{before}{BEGIN}{}{END}{after}", forwards()));
}

/// Functions that the C++ header has no use for: another form of them does it, or they are of use
/// as they are.
const NOT_IN_CPP: [&str; 15] = [
    "bitsup_features",
    "bitsup_features_text",
    "bitsup_log_level_name",
    "bitsup_option_by_name",
    "bitsup_option_info",
    "bitsup_option_next",
    "bitsup_state_name",
    "bitsup_status_name",
    "bitsup_upload_file",
    "bitsup_upload_import",
    "bitsup_upload_set_userdata",
    "bitsup_upload_start",
    "bitsup_upload_userdata",
    "bitsup_version",
    "bitsup_version_number",
];

#[test]
fn the_cpp_header_has_every_function() {
    let wrapper =
        std::fs::read_to_string(workspace().join("include/bitsup.hpp")).expect("readable");
    let words: Vec<&str> =
        wrapper.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').collect();
    for function in include_str!("../../symbols.txt").lines() {
        assert!(NOT_IN_CPP.contains(&function) != words.contains(&function), "{function}");
    }
}
