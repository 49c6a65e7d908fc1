//! `cargo xtask fragment-size`: the choice of fragment sizes on thousands of links in virtual time, beside
//! simpler choices; makes the plot and the tables of `docs/fragment-size.md`.

mod link;
mod plot;
mod sizes;
mod table;

use std::fs;
use std::path::Path;
use std::time::Instant;

use clap::Args;

use crate::Result;
use crate::workspace::Workspace;

/// The marks between which the document's tables are made.
const BEGIN: &str = "<!-- made by cargo xtask fragment-size -->\n";
const END: &str = "<!-- end -->\n";

/// Options of `cargo xtask fragment-size`.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Write the plot and the tables of docs/fragment-size.md anew
    #[arg(long)]
    write: bool,
    /// Links to play
    #[arg(long, value_name = "N", default_value_t = table::LINKS)]
    links: u64,
}

/// Runs the command.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result {
    let start = Instant::now();
    let tables = table::markdown(options.links);
    let seconds = start.elapsed().as_secs_f64();
    println!("{tables}\n{:.0} links a second", options.links as f64 / seconds);
    if options.write {
        let docs = workspace.root.join("docs");
        fs::write(docs.join("fragment-size.svg"), plot::svg())?;
        let page = docs.join("fragment-size.md");
        let text = with_tables(&fs::read_to_string(&page)?, &table::markdown(table::LINKS))?;
        fs::write(page, text)?;
    }
    check(workspace.root.as_path())
}

/// Whether the committed files are what this program makes.
fn check(root: &Path) -> Result {
    let stale = |name: &str| format!("docs/{name} is stale: run cargo xtask fragment-size --write");
    let svg = fs::read_to_string(root.join("docs/fragment-size.svg"))?;
    if svg != plot::svg() {
        return Err(stale("fragment-size.svg").into());
    }
    let page = fs::read_to_string(root.join("docs/fragment-size.md"))?;
    if page != with_tables(&page, &table::markdown(table::LINKS))? {
        return Err(stale("fragment-size.md").into());
    }
    Ok(())
}

fn with_tables(page: &str, tables: &str) -> Result<String> {
    let (before, rest) = page.split_once(BEGIN).ok_or("the mark of the tables is missing")?;
    let (_, after) = rest.split_once(END).ok_or("the end of the tables is missing")?;
    Ok(format!("{before}{BEGIN}{tables}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_page_and_plot_are_current() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        check(&root).expect("current");
    }
}
