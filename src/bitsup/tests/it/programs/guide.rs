//! The configurations in `docs/servers.md` are those of these tests.

use std::path::Path;

/// Marks the block that follows: `<!-- conf/NAME -->`.
const MARK: &str = "<!-- conf/";

/// The guide with each marked block replaced by its file.
fn with_files(guide: &str, folder: &Path) -> (String, usize) {
    let (mut made, mut rest, mut count) = (String::new(), guide, 0);
    while let Some((before, after)) = rest.split_once(MARK) {
        let (name, after) = after.split_once(" -->\n```").expect("a mark and its block");
        let (language, after) = after.split_once('\n').expect("a line");
        let (_, after) = after.split_once("\n```\n").expect("the end of the block");
        let file = std::fs::read_to_string(folder.join(name)).expect(name);
        made += before;
        made += MARK;
        made += name;
        made += " -->\n```";
        made += language;
        made.push('\n');
        made += &file;
        made += "```\n";
        (rest, count) = (after, count + 1);
    }
    (made + rest, count)
}

#[test]
fn the_guide_shows_the_files() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/programs");
    let path = tests.ancestors().nth(5).expect("the workspace").join("docs/servers.md");
    let guide = std::fs::read_to_string(&path).expect("the guide");
    let folder = tests.join("conf");
    let (wanted, count) = with_files(&guide, &folder);
    let files = std::fs::read_dir(&folder).expect("the folder").count();
    assert_eq!(count, files, "each configuration is shown once");
    if std::env::var("BITSUP_BLESS").as_deref() == Ok("1") {
        std::fs::write(&path, wanted).expect("written");
    } else {
        assert!(
            guide == wanted,
            "docs/servers.md is stale: BITSUP_BLESS=1 cargo test -p bitsup --test it guide"
        );
    }
}
