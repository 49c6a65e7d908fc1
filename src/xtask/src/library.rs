//! `cargo xtask install`: the C library where compilers, pkg-config and cmake find it, and the tool.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use fs_err as fs;
use fs_err::os::unix::fs::symlink;

use crate::Result;
use crate::localize;
use crate::runner::run as run_command;
use crate::sbom::{Artifact, Bill};
use crate::workspace::Workspace;

/// Number of the ABI: see `docs/abi.md`.
const ABI: &str = include_str!("../../bitsup-capi/abi/number");

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Where programs will find the library
    #[arg(long, value_name = "FOLDER", default_value = "/usr/local")]
    prefix: PathBuf,
    /// Put everything below this folder instead, as packages are made
    #[arg(long, value_name = "FOLDER")]
    destdir: Option<PathBuf>,
    /// Folder of libraries below the prefix
    #[arg(long, value_name = "NAME", default_value = "lib")]
    libdir: String,
    /// Link the system's libcurl instead of building one
    #[arg(long)]
    system_libcurl: bool,
    /// Leave out NTLM (and Negotiate with a password) and what `bitsup_doctor` tells of certificates
    #[arg(long)]
    slim: bool,
    /// Install the tool too
    #[arg(long)]
    tool: bool,
    /// Cargo profile to build with
    #[arg(long, value_name = "NAME", default_value = "release")]
    profile: String,
}

impl Options {
    /// The features of the library, as cargo takes them.
    fn features(&self) -> String {
        let parts = [(!self.system_libcurl, "bundled"), (!self.slim, "ntlm,openssl")];
        let features: Vec<_> =
            parts.iter().filter(|(is_in, _)| *is_in).map(|(_, name)| *name).collect();
        features.join(",")
    }

    fn is_release(&self) -> bool {
        self.profile != "dev"
    }

    /// The folder of the profile below cargo's target folder.
    fn built(&self, workspace: &Workspace) -> PathBuf {
        workspace.target.join(if self.is_release() { &self.profile } else { "debug" })
    }
}

/// Builds and copies.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result {
    if !options.prefix.is_absolute() {
        return Err(format!("--prefix {} is not absolute", options.prefix.display()).into());
    }
    localize::require_tools(workspace)?;
    let private = build(workspace, options)?;
    let root = match &options.destdir {
        Some(folder) => folder.join(options.prefix.strip_prefix("/")?),
        None => options.prefix.clone(),
    };
    let version = env!("CARGO_PKG_VERSION");
    let include = folder(&root, "include")?;
    for header in ["bitsup.h", "bitsup.hpp"] {
        replace(&workspace.path("include").join(header), &include.join(header))?;
    }
    let data = folder(&root, "share/bitsup")?;
    replace(&workspace.path("src/bitsup-capi/options.json"), &data.join("options.json"))?;

    let libraries = folder(&root, &options.libdir)?;
    let built = options.built(workspace);
    let abi_name = format!("libbitsup.so.{}", ABI.trim());
    let full_name = format!("libbitsup.so.{version}");
    let both = localize::Options {
        archive: built.join("libbitsup.a"),
        output: Some(libraries.join("libbitsup.a")),
        shared: Some(built.join("libbitsup.so")),
        shared_output: Some(libraries.join(&full_name)),
        strip: options.is_release(),
    };
    localize::run(workspace, &both)?;
    if options.is_release() {
        for name in [&full_name, "libbitsup.a"] {
            workspace.require_no_folders(&libraries.join(name))?;
        }
    }
    link(&full_name, &libraries.join(&abi_name))?;
    link(&abi_name, &libraries.join("libbitsup.so"))?;

    let (requires, rest) = packages(&private);
    let fill = |template: &str| {
        template
            .replace("@PREFIX@", &options.prefix.to_string_lossy())
            .replace("@LIBDIR@", &options.libdir)
            .replace("@VERSION@", version)
            .replace("@SONAME@", &abi_name)
            .replace("@FULL_NAME@", &full_name)
            .replace("@REQUIRES@", &requires.join(", "))
            .replace("@PRIVATE@", &rest.join(" "))
            .replace("@PRIVATE_LIST@", &private.join(";"))
            .replace("@POINTER@", &size_of::<usize>().to_string())
    };
    for (place, name, template) in [
        ("pkgconfig", "bitsup.pc", include_str!("library/bitsup.pc")),
        ("pkgconfig", "bitsup-static.pc", include_str!("library/bitsup-static.pc")),
        ("cmake/bitsup", "bitsup-config.cmake", include_str!("library/config.cmake")),
        ("cmake/bitsup", "bitsup-config-version.cmake", include_str!("library/version.cmake")),
    ] {
        fs::write(folder(&libraries, place)?.join(name), fill(template))?;
    }
    let documents = folder(&root, "share/doc/bitsup")?;
    let bill = Bill::of(workspace, Artifact::Library, &options.features())?;
    write_bill(&bill, &documents, "")?;
    if options.tool {
        install_tool(workspace, options, &folder(&root, "bin")?)?;
        let features = if options.system_libcurl { "" } else { "bundled" };
        write_bill(&Bill::of(workspace, Artifact::Tool, features)?, &documents, "-tool")?;
    }
    fs::write(data.join("valgrind.supp"), include_str!("library/valgrind.supp"))?;
    fs::write(data.join("tsan.supp"), include_str!("library/tsan.supp"))?;
    for name in ["LICENSE-APACHE", "LICENSE-MIT"] {
        replace(&workspace.path(name), &documents.join(name))?;
    }
    let size = stripped_size(&libraries.join(&full_name))?;
    let curl =
        if options.system_libcurl { "the system's libcurl" } else { "libcurl and OpenSSL inside" };
    println!("installed bitsup {version} in {}", root.display());
    println!("{full_name} has {size} bytes when it is stripped, with {curl} ({})", options.profile);
    Ok(())
}

/// What something is made of, and the licences of that.
fn write_bill(bill: &Bill, folder: &Path, suffix: &str) -> Result {
    fs::write(folder.join(format!("sbom{suffix}.cdx.json")), bill.to_json()?)?;
    fs::write(folder.join(format!("third-party-licences{suffix}.txt")), bill.licences()?)?;
    Ok(())
}

/// Builds the tool, whose features are always the same.
fn install_tool(workspace: &Workspace, options: &Options, folder: &Path) -> Result {
    let mut command = workspace.cargo("build --package bitsup-cli --profile");
    command.arg(&options.profile);
    if options.system_libcurl {
        command.arg("--no-default-features");
    }
    run_command(command.envs(options.is_release().then(|| workspace.without_folders())))?;
    let tool = folder.join("bitsup");
    replace(&options.built(workspace).join("bitsup"), &tool)?;
    if options.is_release() { workspace.require_no_folders(&tool) } else { Ok(()) }
}

/// What a distribution would ship: without what debuggers need.
fn stripped_size(library: &Path) -> Result<u64> {
    let stripped = library.with_added_extension("stripped");
    run_command(Command::new("strip").arg("-o").arg(&stripped).arg(library))?;
    let size = fs::metadata(&stripped)?.len();
    fs::remove_file(&stripped)?;
    Ok(size)
}

/// Libraries that compilers add by themselves, by the names that fit the way in which a program is linked: there is no
/// `libgcc_s.a` for `-static`.
const IMPLICIT: [&str; 2] = ["-lgcc_s", "-lc"];

/// Builds both libraries; the linker options that a program with the static one needs.
fn build(workspace: &Workspace, options: &Options) -> Result<Vec<String>> {
    let mut command = workspace.cargo("rustc --package bitsup-capi --lib --no-default-features");
    command.args(["--profile", &options.profile, "--features", &options.features()]);
    command.args(["--color", "never", "--", "--print", "native-static-libs"]);
    let variables = env::vars_os();
    let variables = variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    command.envs(options.is_release().then(|| workspace.without_folders()));
    command.envs(localize::c_options(variables));
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let mut list: Vec<String> = Vec::new();
    // cargo's messages are the only sign of progress for minutes.
    for line in child.stderr.take().map(BufReader::new).into_iter().flat_map(BufRead::lines) {
        let line = line?;
        match line.split_once("native-static-libs:") {
            Some((_, libraries)) => {
                list.extend(libraries.split_whitespace().map(str::to_owned));
            }
            None => eprintln!("{line}"),
        }
    }
    if !child.wait()?.success() {
        return Err("the library could not be built".into());
    }
    if list.is_empty() {
        return Err("rustc did not say what the static library needs".into());
    }
    list.retain(|library| !IMPLICIT.contains(&&**library));
    // Repetitions beside each other mean nothing to a linker.
    list.dedup();
    Ok(list)
}

/// Libraries that have a file for pkg-config, which knows what they need themselves in a static program.
const PACKAGES: [(&str, &str); 3] =
    [("-lcurl", "libcurl >= 7.68.0"), ("-lssl", "libssl"), ("-lcrypto", "libcrypto")];

/// The packages among the options, and the other options.
fn packages(private: &[String]) -> (Vec<&'static str>, Vec<&str>) {
    let package = |option: &str| PACKAGES.into_iter().find(|(name, _)| *name == option);
    let requires = private.iter().filter_map(|option| Some(package(option)?.1)).collect();
    let rest = private.iter().map(String::as_str).filter(|option| package(option).is_none());
    (requires, rest.collect())
}

fn folder(parent: &Path, name: &str) -> Result<PathBuf> {
    let path = parent.join(name);
    fs::create_dir_all(&path)?;
    Ok(path)
}

/// Puts a copy in the place of a file, which programs may be using.
fn replace(from: &Path, to: &Path) -> Result {
    let new = to.with_added_extension("new");
    fs::copy(from, &new)?;
    Ok(fs::rename(&new, to)?)
}

fn link(target: &str, path: &Path) -> Result {
    if path.symlink_metadata().is_ok() {
        fs::remove_file(path)?;
    }
    Ok(symlink(target, path)?)
}
