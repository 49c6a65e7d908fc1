//! The header is the generated one, and compilers take it alone.

use std::process::Command;

use crate::build;
use crate::support::{self, capi, workspace};

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
#define BITSUP_VERSION_NUMBER ({major} * 65536 + {minor} * 256 + {patch})"
    );
    // Enumerations that go in, and so are no parameter's type.
    let include = [
        "bitsup_auth",
        "bitsup_if_exists",
        "bitsup_host_policy",
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
    fold(&String::from_utf8(text).expect("UTF-8"))
}

/// Puts the parameters of long declarations below them, instead of far to the right.
fn fold(text: &str) -> String {
    let mut folded = String::new();
    for line in text.lines() {
        let parameter = line.trim_start();
        let depth = line.len() - parameter.len();
        let opens = !line.starts_with([' ', '/']) && line.ends_with(',');
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
                    .arg("-fsyntax-only")
                    .arg("-I")
                    .arg(workspace().join("include"))
                    .arg(&file);
                support::succeed(&mut command);
            }
        }
    }
}

/// Pieces of C in the guide, as a program would have them.
#[test]
fn the_guide_compiles() {
    let guide = std::fs::read_to_string(workspace().join("docs/c.md")).expect("readable");
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
    assert!(pieces > 0, "the guide shows no C");
}

/// Functions that the C++ header has no use for: another form of them does it, or they are of use
/// as they are. So are setters of a configuration, whose options are those of an upload there.
const NOT_IN_CPP: [&str; 11] = [
    "bitsup_features",
    "bitsup_features_text",
    "bitsup_log_level_name",
    "bitsup_state_name",
    "bitsup_status_name",
    "bitsup_upload_file",
    "bitsup_upload_import",
    "bitsup_upload_options_set",
    "bitsup_upload_start",
    "bitsup_version",
    "bitsup_version_number",
];

#[test]
fn the_cpp_header_has_every_function_and_option() {
    let wrapper =
        std::fs::read_to_string(workspace().join("include/bitsup.hpp")).expect("readable");
    let words: Vec<&str> =
        wrapper.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').collect();
    for function in include_str!("../../symbols.txt").lines() {
        // Text there has a zero at its end.
        let other_form =
            function.starts_with("bitsup_upload_options_") && function.ends_with("_bytes");
        let of_options = function.replace("bitsup_config_set_", "bitsup_upload_options_set_");
        let short = of_options.strip_suffix("_bytes").unwrap_or(&of_options);
        assert!(
            other_form
                || NOT_IN_CPP.contains(&function)
                || words.contains(&function)
                || words.contains(&&*of_options)
                || words.contains(&short)
                || function == "bitsup_config_set_state_dir"
                || function == "bitsup_config_set_upload_options",
            "{function}"
        );
    }
}
