//! `cargo xtask localize`: a static library that shows `bitsup_*` only, and a shared one made of the same object.
//! `localize.sh` does it, and says why.

use std::path::PathBuf;
use std::process::Command;

use clap::Args;

use crate::Result;
use crate::runner::run as run_command;
use crate::workspace::Workspace;

const SCRIPT: &str = "src/xtask/src/localize.sh";

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The static library, as rustc or cargo-c wrote it; it is replaced
    #[arg(value_name = "FILE")]
    pub(crate) archive: PathBuf,
    /// Write the static library here instead
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Link this shared library, built with the static one, from the same object; it is replaced
    #[arg(long, value_name = "FILE")]
    pub(crate) shared: Option<PathBuf>,
    /// Write the shared library here instead
    #[arg(long, value_name = "FILE", requires = "shared")]
    pub(crate) shared_output: Option<PathBuf>,
    /// Remove what debuggers need
    #[arg(long)]
    pub(crate) strip: bool,
}

/// Looks for the programs that it needs.
pub(crate) fn require_tools(workspace: &Workspace) -> Result {
    run_command(&mut workspace.command(workspace.path(SCRIPT)))
}

/// Localises files.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result {
    run_command(&mut options.command(workspace))
}

impl Options {
    fn command(&self, workspace: &Workspace) -> Command {
        let mut script = Command::new(workspace.path(SCRIPT));
        script.args(self.strip.then_some("--strip")).arg(&self.archive);
        script.arg(self.output.as_ref().unwrap_or(&self.archive));
        if let Some(shared) = &self.shared {
            script.arg(shared).arg(self.shared_output.as_ref().unwrap_or(shared));
        }
        script
    }
}

/// The variables from which builds of C code take their options, as they must be here: without LTO. Those that need no
/// change are left out, for another value makes cargo build libcurl and OpenSSL again.
pub(crate) fn c_options(
    variables: impl Iterator<Item = (String, String)>,
) -> Vec<(String, String)> {
    variables
        .filter(|(name, value)| name.contains("CFLAGS") && value.contains("-flto"))
        .map(|(name, value)| (name, value + " -fno-lto"))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::runner::read;

    /// The names in a library of one C file, and what the shared library of it says of itself.
    fn localize(code: &str, options: &[&str]) -> Result<String> {
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name);
        fs::write(path("code.c"), code)?;
        let mut cc = Command::new("cc");
        cc.args(["-fPIC", "-fcommon", "-c"]).args(options).arg(path("code.c"));
        run_command(cc.arg("-o").arg(path("code.o")))?;
        run_command(Command::new("ar").arg("crs").args([path("libcode.a"), path("code.o")]))?;
        let mut like = Command::new("cc");
        like.args(["-shared", "-Wl,-soname,libbitsup.so.0,--no-as-needed", "-lm", "-o"]);
        run_command(like.arg(path("like.so")))?;
        let options = Options {
            archive: path("libcode.a"),
            output: None,
            shared: Some(path("like.so")),
            shared_output: Some(path("shared.so")),
            strip: true,
        };
        let workspace = Workspace::find()?;
        // A second time changes nothing.
        for _ in 0..2 {
            read(&mut options.command(&workspace))?;
        }
        let shared = read(Command::new("readelf").arg("-dW").arg(path("shared.so")))?;
        Ok(read(Command::new("nm").arg("--format=posix").arg(path("libcode.a")))? + &shared)
    }

    #[test]
    fn public_functions_stay_and_all_else_becomes_local() {
        let code = "int common; int helper(void); int helper(void) { return common; }
            int bitsup_one(void) { return helper(); }
            double lgamma(double); double bitsup_two(double x) { return lgamma(x); }
            int unused(void); int gone(void); int gone(void) { return unused(); }";
        let symbols = localize(code, &["-ffunction-sections"]).expect("it can be made");
        assert!(symbols.contains("bitsup_one T"), "{symbols}");
        assert!(symbols.contains("helper.bitsup t") && symbols.contains("common b"), "{symbols}");
        assert!(
            symbols.contains("[libbitsup.so.0]") && symbols.contains("[libm.so.6]"),
            "{symbols}"
        );
        assert!(!symbols.contains("gone") && !symbols.contains("unused"), "{symbols}");
    }

    #[test]
    fn a_constructor_that_is_in_no_list_is_an_error() {
        let code = "static void early(void) __attribute__((constructor));
            static void early(void) {} int bitsup_one(void) { return 1; }";
        let error = localize(code, &[]).expect_err("it is not known");
        assert!(error.to_string().contains(" early would run before main"), "{error}");
    }

    #[test]
    fn objects_without_machine_code_are_an_error() {
        let error = localize("int bitsup_one(void) { return 1; }", &["-flto"]);
        let error = error.expect_err("nothing can be linked").to_string();
        assert!(error.ends_with("build it without -flto"), "{error}");
        let both = localize("int bitsup_one(void) { return 1; }", &["-flto", "-ffat-lto-objects"]);
        assert!(both.expect("it has both").contains("bitsup_one T"));
    }

    #[test]
    fn another_library_is_an_error() {
        let error = localize("int other(void) { return 1; }", &[]).expect_err("nothing is public");
        assert!(error.to_string().contains("defines no bitsup_ function"), "{error}");
    }

    #[test]
    fn c_code_is_compiled_without_lto_and_else_as_it_was() {
        let variables = [
            ("CFLAGS", "-O2 -flto=auto"),
            ("CFLAGS_x86_64_unknown_linux_gnu", "-flto"),
            ("HOST_CFLAGS", "-O1"),
            ("LDFLAGS", "-flto"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let changed = c_options(variables.into_iter());
        let wanted = [
            ("CFLAGS", "-O2 -flto=auto -fno-lto"),
            ("CFLAGS_x86_64_unknown_linux_gnu", "-flto -fno-lto"),
        ];
        let wanted = wanted.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(changed, wanted);
    }
}
