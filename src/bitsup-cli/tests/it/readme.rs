//! The README says what is there.

use crate::common::Place;

const README: &str = include_str!("../../../../README.md");

fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    README.split(&fence).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// Lines that say something, without what only one of two places needs.
fn essence<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let lines = lines.map(|line| line.trim_start_matches("# ").trim());
    lines.filter(|line| !line.is_empty()).collect()
}

#[test]
fn the_rust_example_is_the_one_that_is_compiled() {
    let library = include_str!("../../../bitsup/src/lib.rs");
    let example = library.split("```").nth(1).expect("an example");
    let compiled = essence(
        example
            .lines()
            .skip(1)
            .map(|line| line.trim_start_matches("//! ").trim_start_matches("//!")),
    );
    assert_eq!(essence(blocks("rust")[0].lines()), compiled);
}

#[test]
fn the_commands_exist() {
    let place = Place::new();
    let lines = blocks("sh").into_iter().flat_map(str::lines);
    let commands = lines.filter_map(|line| line.split("bitsup ").nth(1));
    let mut count = 0;
    for command in commands {
        let name = command.split(' ').next().expect("a word");
        let help = place.run([name, "--help-all"]).ok().stdout;
        for option in command.split(' ').filter(|word| word.starts_with("--")) {
            assert!(help.contains(option), "{command}");
        }
        count += 1;
    }
    assert!(count >= 8);
}

#[test]
fn the_exit_codes_are_those_of_the_table() {
    let documented: Vec<u8> = README
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse().ok())
        .collect();
    let kinds = [
        bitsup::ErrorKind::InvalidArgument,
        bitsup::ErrorKind::LocalFile,
        bitsup::ErrorKind::Auth,
        bitsup::ErrorKind::Tls,
        bitsup::ErrorKind::Network,
        bitsup::ErrorKind::Refused,
        bitsup::ErrorKind::Protocol,
        bitsup::ErrorKind::LimitReached,
        bitsup::ErrorKind::Cancelled,
        bitsup::ErrorKind::SessionInUse,
        bitsup::ErrorKind::Internal,
    ];
    for kind in kinds {
        assert!(documented.contains(&kind.exit_code()), "{kind}");
    }
}
