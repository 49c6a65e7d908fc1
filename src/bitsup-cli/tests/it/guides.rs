//! The guides name options, codes and commands that exist.

use std::collections::BTreeSet;

use crate::common::Place;
use bitsup::Hresult;

const GUIDES: [(&str, &str); 5] = [
    ("SECURITY.md", include_str!("../../../../SECURITY.md")),
    ("security.md", include_str!("../../../../docs/security.md")),
    ("servers.md", include_str!("../../../../docs/servers.md")),
    ("iis.md", include_str!("../../../../docs/iis.md")),
    ("from-bitsadmin.md", include_str!("../../../../docs/from-bitsadmin.md")),
];
/// Commands that the guides name.
const COMMANDS: [&str; 7] = ["upload", "ping", "doctor", "list", "resume", "cancel", "explain"];
/// Options of other programs.
const FOREIGN: [&str; 5] =
    ["--no-default-features", "--lib", "--test", "--licences", "--workspace"];

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
}

#[test]
fn the_options_exist() {
    let place = Place::new();
    let mut known: BTreeSet<String> = FOREIGN.map(str::to_owned).into();
    // The last is of `cargo xtask install`.
    known.extend(["--version", "--tool"].map(str::to_owned));
    for command in COMMANDS {
        let help = place.run([command, "--help-all"]).ok().stdout;
        known.extend(words(&help).filter(|word| word.starts_with("--")).map(str::to_owned));
    }
    for (name, guide) in GUIDES {
        let quoted = guide.split('`').skip(1).step_by(2);
        let options =
            quoted.flat_map(words).filter(|word| word.len() > 3 && word.starts_with("--"));
        for option in options {
            assert!(known.contains(option), "{name}: {option}");
        }
    }
}

#[test]
fn the_codes_have_these_names_and_are_explained() {
    let guide = GUIDES.iter().find(|(name, _)| *name == "from-bitsadmin.md").expect("there").1;
    let place = Place::new();
    let mut count = 0;
    for row in guide.lines().filter(|line| line.starts_with("| 0x")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let code = Hresult::parse(cells[0]).expect("a code");
        match cells[1].strip_prefix("HTTP ") {
            Some(status) => assert_eq!(code.status(), status.parse().ok(), "{row}"),
            None => assert_eq!(Hresult::from_name(cells[1]), Some(code), "{row}"),
        }
        let exit: u8 = cells[3].parse().expect("an exit code");
        assert!(exit == 0 || bitsup::KINDS.iter().any(|kind| kind.exit == exit), "{row}");
        place.run(["explain", cells[0]]).ok();
        count += 1;
    }
    assert!(count > 10, "{count} codes");
}
