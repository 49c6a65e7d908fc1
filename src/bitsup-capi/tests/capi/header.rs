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
        "bitsup_on_unclear",
        "bitsup_resume_check",
    ];
    let config = cbindgen::Config {
        language: cbindgen::Language::C,
        header: Some(include_str!("../../src/head.h").trim_end().to_owned()),
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
fn compilers_take_the_header_alone_and_twice() {
    let folder = tempfile::tempdir().expect("folder");
    let source = "#include <bitsup.h>\n#include <bitsup.h>\nint main(void) { return 0; }\n";
    for (compilers, standards, name) in [
        (["gcc", "clang"], &["c99", "c11"][..], "header.c"),
        (["g++", "clang++"], &["c++11", "c++17", "c++20"][..], "header.cpp"),
    ] {
        let file = folder.path().join(name);
        std::fs::write(&file, source).expect("written");
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
