//! What each language is put through, and what must be on the server afterwards.

use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::languages::Language;
use super::process::{self, Ended};
use super::server::Server;
use crate::Result;

/// Where things are.
pub(crate) struct Stage {
    /// Top of the workspace.
    pub(crate) root: PathBuf,
    /// The tool.
    pub(crate) tool: PathBuf,
    /// For all that is built and written.
    pub(crate) folder: PathBuf,
    /// Where the library is installed.
    pub(crate) prefix: PathBuf,
}

impl Stage {
    /// The command, with the library where loaders and pkg-config look for it.
    pub(crate) fn within(&self, mut command: Command) -> Command {
        let libraries = self.prefix.join("lib");
        command
            .env("LD_LIBRARY_PATH", &libraries)
            .env("PKG_CONFIG_PATH", libraries.join("pkgconfig"))
            // The two proxies that a machine may have set are not for loopback.
            .env_remove("http_proxy")
            .env_remove("all_proxy");
        command
    }
}

/// One situation.
pub(crate) struct Scenario {
    /// The first argument of the program `check`, except for [`PROGRAM`].
    pub(crate) name: &'static str,
    /// Whether a probe of the ABI plays it too.
    probe: bool,
    faults: &'static str,
    /// Further options of the server.
    server: &'static [&'static str],
    /// Looks at the server afterwards; the bytes are those of the source.
    check: fn(&Server, &[u8]) -> Result,
}

/// The program that a README shows instead of the one that tests.
const PROGRAM: &str = "program";
/// A thousand uploads, after each 20 of which the program writes a line with their number.
const MANY_UPLOADS: &str = "many";
/// Bytes of the source.
const SIZE: usize = 600_000;
/// Uploads in it.
const MANY: u32 = 1000;
/// Memory is the least of what is seen in each of these two spans of uploads: garbage comes and goes.
const SPANS: [RangeInclusive<u32>; 2] = [200..=500, 700..=1000];
/// By how many KiB it may differ, which a collector's heap does by itself. An upload that is never freed keeps its
/// reply, which has 32.
const GROWTH: u64 = 8 * 1024;

static SCENARIOS: [Scenario; 8] = [
    Scenario { name: "upload", probe: false, faults: "", server: &[], check: arrived },
    // The parts are of 64 KiB, so an option has reached the library.
    // The pause lets a callback that is slow to start see something of the middle.
    Scenario {
        name: "progress",
        probe: true,
        faults: "fragment 3: delay 1s",
        server: &[],
        check: in_ten_parts,
    },
    Scenario {
        name: "refused",
        probe: true,
        faults: "create: answer 403 error 0x80070005 context 0x5",
        server: &[],
        check: nothing_arrived,
    },
    Scenario {
        name: "lost",
        probe: true,
        faults: "fragment 3: drop after 20000\nfragment 6: swallow\nclose 1: answer 503",
        server: &[],
        check: arrived_in_one_session,
    },
    // Unless it is cancelled, it does not end before the program is ended.
    Scenario {
        name: "cancel",
        probe: false,
        faults: "fragment from 3: stall 600s after 1000",
        server: &[],
        check: cancelled,
    },
    Scenario {
        name: "packets",
        probe: false,
        faults: "",
        server: &[],
        check: one_closed_one_cancelled,
    },
    // The reply is what was sent.
    Scenario {
        name: MANY_UPLOADS,
        probe: false,
        faults: "",
        server: &["--reply-command", "cp"],
        check: many_arrived,
    },
    Scenario { name: PROGRAM, probe: true, faults: "", server: &[], check: arrived },
];

/// Those that a language plays.
pub(crate) fn of(language: &Language) -> impl Iterator<Item = &'static Scenario> {
    SCENARIOS.iter().filter(|scenario| language.full || scenario.probe)
}

/// Starts a server, runs the program and looks at both.
pub(crate) fn play(
    stage: &Stage,
    language: &Language,
    place: &Path,
    scenario: &Scenario,
) -> Result {
    let folder = place.join("scenarios").join(scenario.name);
    fs::create_dir_all(&folder)?;
    let source = source();
    let file = folder.join("source.bin");
    fs::write(&file, &source)?;
    let server = Server::start(&stage.tool, &folder, scenario.faults, scenario.server)?;
    let url = format!("{}/stored.bin", server.url);
    let program = |name: &str| stage.within((language.program)(stage, place, name));

    if scenario.name == PROGRAM {
        let upload = || {
            let mut command = program("upload");
            command.arg(&file).arg(&url);
            process::run(command, |_, _| {})
        };
        succeeded(&upload()?)?;
        (scenario.check)(&server, &source)?;
        // It exists now, which the server refuses.
        let again = upload()?;
        if again.code != Some(1) || !again.errors.contains("0x8007") {
            return Err(format!("the second upload should be refused: {again:?}").into());
        }
        return (scenario.check)(&server, &source);
    }

    let mut command = program("check");
    command.arg(scenario.name).arg(&url).arg(&file);
    let mut memory = Vec::new();
    let ended = process::run(command, |line, process| {
        if let (Ok(uploads), Some(used)) = (line.parse::<u32>(), process::memory(process)) {
            memory.push((uploads, used));
        }
    })?;
    succeeded(&ended)?;
    if scenario.name == MANY_UPLOADS {
        growth(&memory)?;
    }
    (scenario.check)(&server, &source)
        .map_err(|error| format!("{error}\n{}", server.last_lines().unwrap_or_default()).into())
}

fn succeeded(ended: &Ended) -> Result {
    if ended.code == Some(0) {
        return Ok(());
    }
    let code = ended.code.map_or_else(|| "a signal".to_owned(), |code| format!("code {code}"));
    Err(format!("ended with {code}: {}", ended.errors.trim()).into())
}

/// The program said how many uploads were done, and each time its memory was measured.
fn growth(measured: &[(u32, u64)]) -> Result {
    let least = |span: &RangeInclusive<u32>| {
        let seen: Vec<_> = measured.iter().filter(|(uploads, _)| span.contains(uploads)).collect();
        let least = seen.iter().map(|(_, used)| *used).min().filter(|_| seen.len() >= 10);
        least
            .ok_or_else(|| format!("{} lines said a number in {span:?}: 10 are wanted", seen.len()))
    };
    let [early, late] = &SPANS;
    let (early, late) = (least(early)?, least(late)?);
    if late > early + GROWTH {
        return Err(format!("memory grew from {early} to {late} KiB: {measured:?}").into());
    }
    Ok(())
}

/// Bytes that differ wherever they are spliced.
fn source() -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..SIZE).map(|_| next()).collect()
}

fn is_source(path: &Path, source: &[u8]) -> Result {
    let stored = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    if stored == source {
        return Ok(());
    }
    Err(format!("{} has {} bytes, which are not the source's", path.display(), stored.len()).into())
}

fn arrived(server: &Server, source: &[u8]) -> Result {
    is_source(&server.root.join("stored.bin"), source)
}

fn in_ten_parts(server: &Server, source: &[u8]) -> Result {
    expect(server, "Fragment bytes", 10)?;
    arrived(server, source)
}

fn arrived_in_one_session(server: &Server, source: &[u8]) -> Result {
    expect(server, "Create-Session", 1)?;
    expect(server, "dropped", 2)?;
    arrived(server, source)
}

fn nothing_arrived(server: &Server, _: &[u8]) -> Result {
    expect(server, "Fragment", 0)?;
    absent(server, "stored.bin")
}

fn cancelled(server: &Server, _: &[u8]) -> Result {
    expect(server, "Cancel-Session: 200", 1)?;
    absent(server, "stored.bin")
}

/// The second has the name of the first with `.cancelled` behind it.
fn one_closed_one_cancelled(server: &Server, source: &[u8]) -> Result {
    expect(server, "stored.bin Close-Session: 200", 1)?;
    expect(server, "stored.bin.cancelled Cancel-Session: 200", 1)?;
    absent(server, "stored.bin.cancelled")?;
    arrived(server, source)
}

/// They are named by their numbers behind a dot, and have the first 32 KiB of the source.
fn many_arrived(server: &Server, source: &[u8]) -> Result {
    let part = source.get(..32 * 1024).unwrap_or(source);
    (0..MANY)
        .try_for_each(|number| is_source(&server.root.join(format!("stored.bin.{number}")), part))
}

fn absent(server: &Server, name: &str) -> Result {
    if server.root.join(name).exists() {
        return Err(format!("{name} is on the server and should not be").into());
    }
    Ok(())
}

fn expect(server: &Server, words: &str, wanted: usize) -> Result {
    let found = server.count(words)?;
    if found == wanted {
        return Ok(());
    }
    Err(format!("the server saw \"{words}\" {found} times instead of {wanted}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_judged_by_the_least_in_each_half() {
        let measured = |late: u64| -> Vec<(u32, u64)> {
            (1..=50)
                .map(|step| {
                    (step * 20, if step < 30 { 9000 + u64::from(step % 2) * 5000 } else { late })
                })
                .collect()
        };
        growth(&measured(9000 + GROWTH)).expect("as much as may be");
        growth(&measured(9001 + GROWTH)).expect_err("more");
        growth(&[(300, 9000), (900, 9000)]).expect_err("too few lines");
    }

    #[test]
    fn a_spliced_file_is_not_the_source() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("stored");
        let mut bytes = source();
        fs::write(&path, &bytes).expect("written");
        is_source(&path, &bytes).expect("the same");
        bytes[100_000] ^= 1;
        assert!(is_source(&path, &bytes).is_err());
        fs::write(&path, &bytes[1..]).expect("written");
        assert!(is_source(&path, &bytes).is_err());
    }
}
