//! The setters of a configuration are those of the options.

use std::fs;

use crate::support::{self, capi};

/// Files of `src/options` that have setters. Options by name come to a configuration with the options.
const FILES: [&str; 7] = [
    "callbacks.rs",
    "credentials.rs",
    "limits.rs",
    "policies.rs",
    "proxy.rs",
    "reply.rs",
    "tls.rs",
];

/// The same setters for a configuration.
fn mirrored(options: &str, file: &str) -> String {
    let mut made = format!(
        "//! The setters of `options/{file}` for all uploads of a client: made from that file, never edited.\n"
    );
    let mut comment = false;
    for line in options.lines().skip(1) {
        if line.starts_with("///") {
            comment = true;
            continue;
        }
        let line = line
            .replace("bitsup_upload_options_set_", "bitsup_config_set_")
            .replace("options: *mut bitsup_upload_options", "config: *mut bitsup_config")
            .replace("super::bitsup_upload_options", "super::bitsup_config")
            .replace("[options]", "[config]")
            .replace("options.choose(", "config.choose(");
        if comment && line.starts_with("pub unsafe") {
            comment = false;
            let name = line.split(['(', ' ']).find(|word| word.starts_with("bitsup_"));
            let name = name.expect("a function has a name");
            let of = name.replace("bitsup_config_", "bitsup_upload_options_");
            let attribute = "#[unsafe(no_mangle)]\n";
            assert!(made.ends_with(attribute), "{name}");
            made.truncate(made.len() - attribute.len());
            made.extend(["/// For all uploads of the client:\n/// ", &of, ".\n", attribute]);
        }
        made.extend([&line, "\n"]);
    }
    made
}

#[test]
fn a_configuration_has_the_setters_of_the_options() {
    for file in FILES {
        let source = fs::read_to_string(capi().join("src/options").join(file)).expect("readable");
        support::blessed(&capi().join("src/config").join(file), &mirrored(&source, file));
    }
    let mut there: Vec<String> = fs::read_dir(capi().join("src/options"))
        .expect("the folder is there")
        .map(|entry| entry.expect("readable").file_name().into_string().expect("UTF-8"))
        .filter(|name| !["mod.rs", "named.rs", "tests.rs"].contains(&name.as_str()))
        .collect();
    there.sort_unstable();
    assert_eq!(there, FILES);
}
