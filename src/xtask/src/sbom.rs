//! `cargo xtask sbom`: what the tool, the C library or the wheel is made of, as `CycloneDX`, and the licences of that.
//!
//! Of one lock file it is the same every time and everywhere: no path, no time, no random serial number.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use clap::{Args, ValueEnum};
use fs_err as fs;
use serde_json::{Value, json};

use crate::Result;
use crate::runner::read;
use crate::workspace::{Package, Workspace};

/// Crates that bring C code: what it is called, the name under which its weaknesses are listed, and the folder of its
/// licence in the crate.
const C_CODE: [(&str, &str, &str, &str); 3] = [
    ("curl-sys", "libcurl", "haxx:libcurl", "curl"),
    ("libz-sys", "zlib", "zlib:zlib", "src/zlib"),
    ("openssl-src", "OpenSSL", "openssl:openssl", "openssl"),
];
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// What is shipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Artifact {
    /// The program `bitsup`
    Tool,
    /// `libbitsup.so` and `libbitsup.a`
    Library,
    /// The Python wheel
    Wheel,
}

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// What to list the parts of
    artifact: Artifact,
    /// Print the texts of the licences instead
    #[arg(long)]
    licences: bool,
}

/// Prints the list.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result {
    let features = match options.artifact {
        Artifact::Library => "bundled,ntlm,openssl",
        Artifact::Tool | Artifact::Wheel => "bundled",
    };
    let bill = Bill::of(workspace, options.artifact, features)?;
    print!("{}", if options.licences { bill.licences()? } else { bill.to_json()? });
    Ok(())
}

/// The crates that are linked into something.
pub(crate) struct Bill {
    name: &'static str,
    /// Whether the C libraries are those of the crates, and not the system's.
    bundled: bool,
    crates: BTreeSet<Package>,
}

impl Bill {
    /// What an artifact with these features is made of, as cargo tells it.
    pub(crate) fn of(workspace: &Workspace, artifact: Artifact, features: &str) -> Result<Self> {
        let (name, package) = match artifact {
            Artifact::Tool => ("bitsup", "bitsup-cli"),
            Artifact::Library => ("libbitsup", "bitsup-capi"),
            Artifact::Wheel => ("bitsup (wheel)", "bitsup-python"),
        };
        let tree = |edges: &str| -> Result<Vec<(String, String)>> {
            let options = format!("--package {package} --edges {edges} --target {TARGET}");
            let mut cargo = workspace.cargo(&format!("tree --locked --quiet {options}"));
            cargo.args(["--no-default-features", "--features", features]);
            let text = read(cargo.args(["--prefix", "none", "--format", "{p}"]))?;
            let packages = text.lines().filter_map(|line| line.split_once(" v"));
            let version = |rest: &str| rest.split(' ').next().unwrap_or_default().to_owned();
            Ok(packages.map(|(name, rest)| (name.to_owned(), version(rest))).collect())
        };
        let mut linked = tree("normal,no-proc-macro")?;
        // Libraries built by build scripts are linked too.
        let mut built = tree("normal,build,no-proc-macro")?;
        built.retain(|(name, version)| name == "openssl-src" && version.contains('+'));
        linked.extend(built);
        let known = workspace.packages()?;
        let crates = linked.into_iter().map(|(name, version)| {
            let package = known.iter().find(|known| known.name == name && known.version == version);
            package.cloned().ok_or_else(|| format!("no package {name} {version}").into())
        });
        let bundled = features.split(',').any(|feature| feature == "bundled");
        Ok(Self { name, bundled, crates: crates.collect::<Result<_>>()? })
    }

    /// The list in the form of `CycloneDX`.
    pub(crate) fn to_json(&self) -> Result<String> {
        let mut components = Vec::new();
        for part in &self.crates {
            let mut component = json!({
                "type": "library",
                "name": part.name,
                "version": part.version,
                "purl": format!("pkg:cargo/{}@{}", part.name, part.version),
                "licenses": [{ "expression": part.licence }],
            });
            if let Some(checksum) = &part.checksum {
                component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
            }
            components.push(component);
            if self.bundled {
                components.extend(c_code(part)?);
            }
        }
        let bill = json!({
            "bomFormat": "CycloneDX",
            "specVersion": "1.5",
            "version": 1,
            "metadata": { "component": {
                "type": "application",
                "name": self.name,
                "version": env!("CARGO_PKG_VERSION"),
            } },
            "components": components,
        });
        Ok(serde_json::to_string_pretty(&bill)? + "\n")
    }

    /// The texts of all licences, each once, below the names of those that have it.
    pub(crate) fn licences(&self) -> Result<String> {
        let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for part in &self.crates {
            // Our own have the two in the list's folder.
            if part.checksum.is_none() {
                continue;
            }
            let mut found = licence_texts(&part.folder)?;
            if let Some((.., folder)) = c_row(part).filter(|_| self.bundled) {
                found.extend(licence_texts(&part.folder.join(folder))?);
            }
            if found.is_empty() {
                found.push(format!("{}: without a text in the crate\n", part.licence));
            }
            for text in found {
                texts.entry(text).or_default().push(format!("{} {}", part.name, part.version));
            }
        }
        let mut sorted: Vec<_> = texts.into_iter().map(|(text, of)| (of, text)).collect();
        sorted.sort();
        let line = "-".repeat(79);
        let texts =
            sorted.iter().flat_map(|(of, text)| [of.join("\n"), line.clone(), text.clone()]);
        Ok(texts.fold(String::new(), |all, part| all + &part + "\n"))
    }
}

/// The C library that a crate brings, by [`C_CODE`] without the crate.
fn c_row(part: &Package) -> Option<(&'static str, &'static str, &'static str)> {
    let (_, name, listed, folder) = C_CODE.into_iter().find(|(name, ..)| *name == part.name)?;
    Some((name, listed, folder))
}

/// The same as a part of the list.
fn c_code(part: &Package) -> Result<Option<Value>> {
    let Some((name, listed, folder)) = c_row(part) else { return Ok(None) };
    let version = match part.version.split_once('+') {
        Some((_, upstream)) => upstream.rsplit('-').next().unwrap_or_default().to_owned(),
        None => zlib_version(&part.folder.join(folder).join("zlib.h"))?,
    };
    Ok(Some(json!({
        "type": "library",
        "name": name,
        "version": version,
        "cpe": format!("cpe:2.3:a:{listed}:{version}:*:*:*:*:*:*:*"),
    })))
}

fn zlib_version(header: &Path) -> Result<String> {
    let text = fs::read_to_string(header)?;
    let line = text.lines().find_map(|line| line.strip_prefix("#define ZLIB_VERSION \""));
    Ok(line.ok_or("zlib.h names no version")?.trim_end_matches('"').to_owned())
}

/// The licences that lie in a folder.
fn licence_texts(folder: &Path) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        let is_one = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE"];
        if path.is_file() && is_one.iter().any(|start| name.starts_with(start)) {
            texts.push(String::from_utf8_lossy(&fs::read(&path)?).into_owned());
        }
    }
    texts.sort();
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bill(artifact: Artifact, features: &str) -> Bill {
        let workspace = Workspace::find().expect("cargo metadata works in a checkout");
        Bill::of(&workspace, artifact, features).expect("a bill")
    }

    #[test]
    fn each_artifact_lists_its_crates_and_c_libraries_and_no_path() {
        let table = include_str!("../../bitsup/bundled.tsv");
        let rows = table.lines().filter(|line| !line.starts_with('#'));
        let names: Vec<_> = rows.filter_map(|row| row.split('\t').next()).collect();
        for (artifact, features) in [
            (Artifact::Tool, "bundled"),
            (Artifact::Library, "bundled,ntlm,openssl"),
            (Artifact::Wheel, "bundled"),
        ] {
            let json = bill(artifact, features).to_json().expect("JSON");
            let parsed: Value = serde_json::from_str(&json).expect("JSON");
            let components = parsed["components"].as_array().expect("components");
            let has = |name: &str| components.iter().any(|part| part["name"] == name);
            for name in names.iter().chain(&["bitsup-core", "curl", "sspi", "psl"]) {
                assert!(has(name), "{artifact:?} lacks {name}");
            }
            assert_eq!(has("clap"), artifact != Artifact::Library, "{artifact:?}");
            // Crates that only run at build time are not linked.
            assert!(!has("cc") && !has("syn"), "{artifact:?}");
            let root = Workspace::find().expect("found").root;
            assert!(!json.contains(&*root.to_string_lossy()) && !json.contains("registry/src"));
            for part in components {
                let licence = part["licenses"][0]["expression"].as_str();
                assert!(licence.is_none_or(|text| text.len() > 2), "{part}");
            }
        }
    }

    #[test]
    fn a_slim_library_has_no_ntlm_and_the_systems_libcurl_no_openssl_of_ours() {
        let json = bill(Artifact::Library, "").to_json().expect("JSON");
        for absent in ["sspi", "picky", "rsa", "openssl-src"] {
            assert!(!json.contains(&format!("\"name\": \"{absent}\"")), "{absent}");
        }
        assert!(!json.contains("cpe:"), "{json}");
    }

    #[test]
    fn licences_of_c_libraries_are_among_the_texts() {
        let texts = bill(Artifact::Tool, "bundled").licences().expect("texts");
        for wanted in ["COPYRIGHT AND PERMISSION NOTICE", "Jean-loup Gailly", "Apache License"] {
            assert!(texts.contains(wanted), "{wanted}");
        }
    }
}
