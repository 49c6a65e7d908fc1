//! `cargo xtask localize`: a static library that shows `bitsup_*` only, and a shared one made of the same object.
//!
//! rustc gives every name in `libbitsup.a` to the whole program: the standard library's, those of all crates and, where
//! they are bundled, libcurl's and OpenSSL's. They clash with the program's own. One relocatable link joins all objects and drops
//! what no public function reaches; constructors that would initialise libcurl are removed, and all other names become local. Section
//! groups are dissolved on the way: one that stays would be discarded beside the same group of another Rust library, and the
//! first caught panic would find no personality routine.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use fs_err as fs;
use tempfile::TempDir;

use crate::Result;
use crate::runner::{read, run as run_command};

const PREFIX: &str = "bitsup_";
const SUFFIX: &str = ".bitsup";
/// The file with the whole library.
const JOINED: &str = "bitsup.o";
/// Sections of compilers' intermediate code, which cannot be linked any more.
const INTERMEDIATE: [&str; 3] = [".llvmbc", ".llvmcmd", ".gnu.lto_*"];
/// Sections with pointers to functions that run before `main`.
const STARTERS: [&str; 3] = [".init_array", ".preinit_array", ".ctors"];
/// Constructors that are removed, by parts of their names: libcurl is initialised by the first call that needs it.
const REMOVED: [&str; 2] = ["4curl9INIT_CTOR", "11bitsup_wipe7libcurl11before_main"];
/// Constructors that stay, by parts of their names: the standard library's, which keeps where the arguments are.
const KEPT: [&str; 1] = ["ARGV_INIT_ARRAY"];
/// Libraries that the compiler driver adds by itself.
const IMPLICIT: [&str; 3] = ["libc.so", "libgcc_s.so", "ld-linux"];

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The static library, as rustc or cargo-c wrote it; it is replaced
    #[arg(value_name = "FILE")]
    archive: PathBuf,
    /// Write the static library here instead
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Link this shared library, built with the static one, from the same object; it is replaced
    #[arg(long, value_name = "FILE")]
    shared: Option<PathBuf>,
    /// Write the shared library here instead
    #[arg(long, value_name = "FILE", requires = "shared")]
    shared_output: Option<PathBuf>,
    /// Remove what debuggers need
    #[arg(long)]
    strip: bool,
}

/// Localises files.
pub(crate) fn run(options: &Options) -> Result {
    let tools = Tools::find()?;
    let object = tools.join(&options.archive, options.strip)?;
    if let Some(shared) = &options.shared {
        object.write_shared(shared, options.shared_output.as_ref().unwrap_or(shared))?;
    }
    object.write_archive(options.output.as_ref().unwrap_or(&options.archive))
}

/// What links and edits objects.
#[derive(Debug)]
pub(crate) struct Tools {
    linker: &'static str,
}

/// All of the library in one object, in a folder of its own.
#[derive(Debug)]
pub(crate) struct Object {
    folder: TempDir,
    strip: bool,
}

impl Tools {
    /// Looks for GNU binutils that can do it.
    pub(crate) fn find() -> Result<Self> {
        let linker = ["ld.bfd", "ld"]
            .into_iter()
            .find(|linker| {
                let help = read(Command::new(linker).arg("--help"));
                help.is_ok_and(|help| help.contains("--force-group-allocation"))
            })
            .ok_or("GNU ld 2.29 or newer is missing: install GNU binutils")?;
        for program in ["ar", "objcopy", "objdump", "readelf"] {
            let version = read(Command::new(program).arg("--version"));
            if !version.is_ok_and(|version| version.starts_with("GNU ")) {
                return Err(format!("GNU {program} is missing: install GNU binutils").into());
            }
        }
        Ok(Self { linker })
    }

    /// Joins what the public functions of a static library need.
    pub(crate) fn join(&self, archive: &Path, strip: bool) -> Result<Object> {
        let names = public_names(archive)?;
        if names.is_empty() {
            return Err(format!("{} defines no {PREFIX} function", archive.display()).into());
        }
        let object = Object { folder: TempDir::with_prefix("bitsup-localize-")?, strip };
        let joined = object.path("joined.o");
        let mut link = Command::new(self.linker);
        // -d: a common symbol of assembly code would be merged with that of another OpenSSL.
        link.args(["--force-group-allocation", "--gc-sections", "-d", "-r", "-o"]).arg(&joined);
        for name in &names {
            link.arg("-u").arg(name);
        }
        run_command(link.arg(archive))?;
        let mut edit = Command::new("objcopy");
        for section in INTERMEDIATE {
            edit.arg(format!("--remove-section={section}"));
        }
        for section in unwanted_starters(&joined)? {
            edit.arg(format!("--remove-section={section}"));
        }
        if strip {
            edit.arg("--strip-debug");
        }
        let symbols = read(Command::new("readelf").arg("-sW").arg(&joined))?;
        // A weak reference from what was dropped is left as a strong one: it would make another Rust library's strong too.
        let undefined = object.list("undefined", undefined(&symbols))?;
        // So that debuggers and suppressions of sanitizers can tell these functions from the program's.
        let renamed = object.list("renamed", private_functions(&symbols))?;
        for (option, list) in
            [("--strip-unneeded-symbols", undefined), ("--redefine-syms", renamed)]
        {
            edit.args(list.map(|list| format!("{option}={}", list.display())));
        }
        edit.arg("--wildcard").arg(format!("--keep-global-symbol={PREFIX}*"));
        run_command(edit.arg(&joined).arg(object.path(JOINED)))?;
        Ok(object)
    }
}

/// The names that an object wants of others, needed or not, of what `readelf -sW` prints; a line each.
fn undefined(symbols: &str) -> impl Iterator<Item = String> {
    let names = symbols.lines().filter_map(|line| line.split_once(" UND ")).map(|(_, name)| name);
    names.filter(|name| !name.trim().is_empty()).map(|name| format!("{}\n", name.trim()))
}

/// Old and new names of functions that are not public. Demanglers know such an end.
fn private_functions(symbols: &str) -> impl Iterator<Item = String> {
    symbols.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(3);
        let (kind, section, name) = (words.next()?, words.nth(2)?, words.next()?);
        let is_private = kind == "FUNC" && section != "UND" && !name.starts_with(PREFIX);
        (is_private && !name.ends_with(SUFFIX)).then(|| format!("{name} {name}{SUFFIX}\n"))
    })
}

/// The sections with constructors that are to be removed. A constructor that is in neither list is an error, so that no
/// dependency brings one unseen.
fn unwanted_starters(object: &Path) -> Result<Vec<String>> {
    let sections = read(Command::new("readelf").arg("-SW").arg(object))?;
    let sections: Vec<String> = sections
        .split_whitespace()
        .filter(|word| STARTERS.iter().any(|starter| word.starts_with(starter)))
        .map(str::to_owned)
        .collect();
    let mut unwanted = Vec::new();
    for section in sections {
        let entries = read(Command::new("objdump").args(["-r", "-j", &section]).arg(object))?;
        let functions: Vec<String> =
            relocated(&entries).map(|value| resolve(object, value)).collect::<Result<_>>()?;
        let is_in =
            |list: &[&str], function: &String| list.iter().any(|part| function.contains(part));
        if functions.iter().all(|function| is_in(&REMOVED, function)) {
            unwanted.push(section);
        } else if let Some(function) = functions.iter().find(|function| !is_in(&KEPT, function)) {
            return Err(
                format!("{function} would run before main: see src/xtask/src/localize.rs").into()
            );
        }
    }
    Ok(unwanted)
}

/// The values of relocations, as `objdump -r` prints them.
fn relocated(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| line.contains(" R_"))
        .filter_map(|line| line.split_whitespace().next_back())
}

/// The function at a relocation's value, which is its name, or a section with an offset.
fn resolve(object: &Path, value: &str) -> Result<String> {
    let (name, offset) = value.split_once("+0x").unwrap_or((value, "0"));
    if !name.starts_with('.') {
        return Ok(name.to_owned());
    }
    let offset = u64::from_str_radix(offset, 16)?;
    let symbols = read(Command::new("objdump").args(["-t", "-j", name]).arg(object))?;
    let is_there = |line: &&str| {
        let start = line.split(' ').next().unwrap_or_default();
        line.contains(" F ") && u64::from_str_radix(start, 16) == Ok(offset)
    };
    let symbol = symbols.lines().find(is_there).and_then(|line| line.split(' ').next_back());
    Ok(symbol.unwrap_or(value).to_owned())
}

impl Object {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file of different lines, unless there are none, which objcopy refuses.
    fn list(&self, name: &str, lines: impl Iterator<Item = String>) -> Result<Option<PathBuf>> {
        let lines: BTreeSet<String> = lines.collect();
        let path = self.path(name);
        fs::write(&path, lines.iter().map(String::as_str).collect::<String>())?;
        Ok((!lines.is_empty()).then_some(path))
    }

    /// Puts the object into an archive.
    pub(crate) fn write_archive(&self, to: &Path) -> Result {
        let new = self.path("libbitsup.a");
        run_command(Command::new("ar").arg("crs").arg(&new).arg(self.path(JOINED)))?;
        replace(&new, to)
    }

    /// Links the object with the name and the libraries of a shared library.
    pub(crate) fn write_shared(&self, like: &Path, to: &Path) -> Result {
        let new = self.path("libbitsup.so");
        let versions = self.path("versions");
        fs::write(&versions, format!("{{ global: {PREFIX}*; local: *; }};\n"))?;
        let dynamic = Dynamic::of(like)?;
        let mut link = Command::new("cc");
        link.arg("-shared").arg("-o").arg(&new).arg(self.path(JOINED));
        for option in ["-z,defs", "-z,nodelete", "-z,relro", "-z,now", "--gc-sections"] {
            link.arg(format!("-Wl,{option}"));
        }
        link.arg(format!("-Wl,--version-script={}", versions.display()));
        if let Some(name) = dynamic.name {
            link.arg(format!("-Wl,-soname,{name}"));
        }
        if self.strip {
            link.arg("-Wl,--strip-debug");
        }
        link.args(dynamic.needed.iter().map(|name| format!("-l:{name}")));
        run_command(&mut link)?;
        replace(&new, to)
    }
}

/// What a shared library says of itself.
struct Dynamic {
    name: Option<String>,
    needed: Vec<String>,
}

impl Dynamic {
    fn of(library: &Path) -> Result<Self> {
        let text = read(Command::new("readelf").arg("-dW").arg(library))?;
        if !text.contains("(NEEDED)") {
            return Err(format!("{} is no shared library", library.display()).into());
        }
        Ok(Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let all = |kind: &str| -> Vec<String> {
            text.lines()
                .filter(|line| line.contains(kind))
                .filter_map(|line| Some(line.split_once('[')?.1.split_once(']')?.0.to_owned()))
                .collect()
        };
        let is_named = |name: &String| !IMPLICIT.iter().any(|implicit| name.starts_with(implicit));
        Self {
            name: all("(SONAME)").into_iter().next(),
            needed: all("(NEEDED)").into_iter().filter(is_named).collect(),
        }
    }
}

/// The public functions that a static library defines.
fn public_names(archive: &Path) -> Result<Vec<String>> {
    // nm would load the plugins of compilers, which fail at each other's objects.
    let text = read(Command::new("readelf").args(["--archive-index", "-W"]).arg(archive))?;
    let names = text.lines().map(str::trim);
    // gcc's objects of intermediate code alone; those that have machine code too are as good as others.
    let is_slim =
        Command::new("grep").args(["-q", "-a", "-F", "__gnu_lto_slim"]).arg(archive).status()?;
    if is_slim.success() {
        return Err(format!(
            "{} has objects without machine code: build it without -flto",
            archive.display()
        )
        .into());
    }
    let is_public = |name: &&str| name.starts_with(PREFIX) && !name.contains(char::is_whitespace);
    let mut names: Vec<String> = names.filter(is_public).map(str::to_owned).collect();
    names.sort_unstable();
    names.dedup();
    Ok(names)
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

/// Puts a file in the place of another, which programs may be using.
pub(crate) fn replace(new: &Path, to: &Path) -> Result {
    let beside = to.with_added_extension("new");
    fs::copy(new, &beside)?;
    Ok(fs::rename(&beside, to)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A library of one C file.
    fn archive(folder: &Path, code: &str, options: &[&str]) -> PathBuf {
        let (source, object) = (folder.join("code.c"), folder.join("code.o"));
        let archive = folder.join("libcode.a");
        fs::write(&source, code).expect("written");
        let mut command = Command::new("cc");
        command.args(["-fPIC", "-fcommon", "-c"]).args(options).arg(&source).arg("-o").arg(&object);
        run_command(&mut command).expect("cc works");
        run_command(Command::new("ar").arg("crs").arg(&archive).arg(&object)).expect("ar works");
        archive
    }

    fn localize(code: &str, options: &[&str]) -> Result<String> {
        let folder = tempfile::tempdir()?;
        let archive = archive(folder.path(), code, options);
        Tools::find()?.join(&archive, true)?.write_archive(&archive)?;
        // A second time changes nothing.
        Tools::find()?.join(&archive, true)?.write_archive(&archive)?;
        read(Command::new("nm").args(["--format=posix"]).arg(&archive))
    }

    #[test]
    fn public_functions_stay_and_all_else_becomes_local() {
        let code = "int common; int helper(void); int helper(void) { return common; }
            int bitsup_one(void) { return helper(); }
            int unused(void); int gone(void); int gone(void) { return unused(); }";
        let symbols = localize(code, &["-ffunction-sections"]).expect("it can be made");
        assert!(symbols.contains("bitsup_one T"), "{symbols}");
        assert!(symbols.contains("helper.bitsup t") && symbols.contains("common b"), "{symbols}");
        assert!(!symbols.contains("gone") && !symbols.contains("unused"), "{symbols}");
    }

    #[test]
    fn a_constructor_that_is_in_no_list_is_an_error() {
        let code = "static void early(void) __attribute__((constructor));
            static void early(void) {} int bitsup_one(void) { return 1; }";
        let error = localize(code, &[]).expect_err("it is not known");
        assert!(error.to_string().starts_with("early would run before main"), "{error}");
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

    #[test]
    fn a_shared_library_is_linked_as_another_was() {
        let text = " 0x1 (NEEDED)  Shared library: [libcurl.so.4]
            0x1 (NEEDED)  Shared library: [libc.so.6]
            0xe (SONAME)  Library soname: [libbitsup.so.0]";
        let dynamic = Dynamic::parse(text);
        assert_eq!(dynamic.name.as_deref(), Some("libbitsup.so.0"));
        assert_eq!(dynamic.needed, ["libcurl.so.4"]);
    }
}
