//! The choice of fragment sizes on many links in virtual time, beside simpler choices: the table of
//! `docs/fragment-size.md`.

mod link;
mod sizes;
mod table;

use std::env;
use std::fs;
use std::path::Path;

/// The marks between which the table is made.
const BEGIN: &str = "<!-- made by BITSUP_BLESS=1 cargo test -p bitsup-core fragment_size -->\n";
const END: &str = "<!-- end -->\n";

#[test]
fn the_committed_table_is_current() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/fragment-size.md");
    let text = fs::read_to_string(&page).expect("the page");
    let (before, rest) = text.split_once(BEGIN).expect("the mark of the table");
    let (_, after) = rest.split_once(END).expect("the end of the table");
    let wanted = format!("{before}{BEGIN}{}{END}{after}", table::markdown());
    if env::var("BITSUP_BLESS").as_deref() == Ok("1") {
        fs::write(page, wanted).expect("written");
    } else {
        assert!(text == wanted, "docs/fragment-size.md is stale: {}", BEGIN.trim());
    }
}
