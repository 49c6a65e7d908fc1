//! The table of benchmarks. To add one: an entry in [`CASES`].

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::link::Link;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// As many as bitsup sends at a time.
const FILES_AT_ONCE: &str = "2";

/// One benchmark: the same bytes sent by bitsup and by others.
#[derive(Debug)]
pub(super) struct Case {
    /// Name on the command line.
    pub(super) name: &'static str,
    /// What it shows, and what is to be reached.
    pub(super) purpose: &'static str,
    pub(super) files: Files,
    pub(super) way: Way,
    /// The first is the one that the others are compared with.
    pub(super) contenders: &'static [Program],
}

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Files {
    pub(super) count: u64,
    pub(super) bytes: u64,
    /// A hole, so that it takes no memory.
    pub(super) sparse: bool,
}

/// How it gets there.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    Loopback,
    /// TLS 1.3, taken off in front of the sink.
    Tls,
    /// The sink reads this number of bytes a second.
    Paced(f64),
    Slow(Link, Partial),
}

/// What the sink does with a part of a Fragment that was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Partial {
    Kept,
    Lost,
}

/// One of those who are compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

/// What is run.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// bitsup with these options beside what everybody types, once for each build.
    Bitsup(&'static [&'static str]),
    /// bitsup with hashes from the first byte on.
    Hashing,
    /// bitsup, killed after this time: how far the hashes of its journal lag.
    Killed(Duration),
    /// A program of the system's; skipped, and said so, if it is not there.
    Other(fn(&Scene) -> Command),
    /// The same, and nothing is sent.
    Local(fn(&Scene) -> Command),
    /// Nothing is run: the time the bytes take at this rate, in bytes a second.
    Ideal(f64),
    /// bitsup with a file of this many bytes in place of the case's: for what must not grow.
    Smaller(u64),
    /// The Python package, once for each build.
    Python,
}

/// Where a program finds what it is to send, and where to.
#[derive(Debug)]
pub(super) struct Scene {
    /// All files are here: `file-0` and so on, a `list` of them, settings of `curl` that send all of them, the helper programs.
    pub(super) folder: PathBuf,
    /// Where all files go; ends in a slash.
    pub(super) base: String,
    /// Of the sink.
    pub(super) port: u16,
    /// The certificate that the sink shows, if it does.
    pub(super) certificate: Option<PathBuf>,
}

impl Scene {
    /// A file of this name.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The file to send, or the first of many.
    pub(super) fn file(&self) -> PathBuf {
        self.path("file-0")
    }
}

const fn one(bytes: u64) -> Files {
    Files { count: 1, bytes, sparse: false }
}

const fn slow(milliseconds: u64, rate: f64, cut_seconds: u64, partial: Partial) -> Way {
    let between_cuts = match cut_seconds {
        0 => None,
        seconds => Some(Duration::from_secs(seconds)),
    };
    let round_trip = Duration::from_millis(milliseconds);
    Way::Slow(Link { round_trip, rate, between_cuts }, partial)
}

const CURL: Program = Program { name: "curl -T", kind: Kind::Other(curl_upload) };
const BITSUP: Program = Program { name: "bitsup", kind: Kind::Bitsup(&[]) };
const NO_RESUME: Program = Program { name: "--no-resume", kind: Kind::Bitsup(&["--no-resume"]) };
const HASHING: Program = Program { name: "hashes at once", kind: Kind::Hashing };
const LIFTED: Program =
    Program { name: "bitsup, 256M", kind: Kind::Bitsup(&["--max-fragment", "256M"]) };

/// All benchmarks.
pub(super) static CASES: &[Case] = &[
    Case {
        name: "one-gib",
        purpose: "1 GiB over loopback; goal: wall and cpu at most 0.50 of curl -T",
        files: one(GIB),
        way: Way::Loopback,
        contenders: &[
            CURL,
            BITSUP,
            NO_RESUME,
            HASHING,
            Program { name: "curl loop", kind: Kind::Other(curl_loop) },
            Program { name: "requests", kind: Kind::Other(requests_loop) },
        ],
    },
    Case {
        name: "six-gib",
        purpose: "6 GiB over loopback; goal: wall at most 0.65 and cpu at most 0.75 of curl -T, also with hashes from the first byte on",
        files: one(6 * GIB),
        way: Way::Loopback,
        contenders: &[CURL, BITSUP, NO_RESUME, HASHING],
    },
    Case {
        name: "paced",
        purpose: "12 GiB at 400 MB/s; goal: cpu at most 1.35 and wall at most 1.02 of --no-resume, hashes that lag by at most 3 s",
        files: one(12 * GIB),
        way: Way::Paced(400e6),
        contenders: &[
            NO_RESUME,
            BITSUP,
            Program { name: "killed at 20 s", kind: Kind::Killed(Duration::from_secs(20)) },
        ],
    },
    Case {
        name: "one-gib-sha256",
        purpose: "1 GiB over loopback with --sha256; goal: wall at most 1.10 of openssl dgst alone (1.3 where the sink shares its core)",
        files: one(GIB),
        way: Way::Loopback,
        contenders: &[
            Program { name: "openssl dgst", kind: Kind::Local(openssl_digest) },
            Program { name: "--sha256", kind: Kind::Bitsup(&["--sha256"]) },
        ],
    },
    Case {
        name: "one-gib-bound",
        purpose: "1 GiB over loopback beside sendfile; goal: wall at most 1.35 (bundled 1.55)",
        files: one(GIB),
        way: Way::Loopback,
        contenders: &[Program { name: "sendfile", kind: Kind::Other(sendfile) }, BITSUP],
    },
    Case {
        name: "one-gib-tls",
        purpose: "1 GiB over loopback and TLS 1.3; goal: wall at most 0.85 and cpu at most 0.60 of curl -T",
        files: one(GIB),
        way: Way::Tls,
        contenders: &[CURL, BITSUP, NO_RESUME],
    },
    Case {
        name: "one-mib",
        purpose: "1 MiB over loopback: the cost of starting, opening and closing",
        files: one(MIB),
        way: Way::Loopback,
        contenders: &[CURL, BITSUP],
    },
    Case {
        name: "python",
        purpose: "1 GiB from Python; goal: from the first byte on at most 1.05 of the tool",
        files: one(GIB),
        way: Way::Loopback,
        contenders: &[BITSUP, Program { name: "python", kind: Kind::Python }],
    },
    Case {
        name: "start",
        purpose: "from the start to the first byte on the wire; goal: at most 0.8 of curl -T",
        files: one(4 * KIB),
        way: Way::Loopback,
        contenders: &[CURL, BITSUP],
    },
    Case {
        name: "link-40",
        purpose: "400 MiB, 50 ms, 40 MB/s; goal: wall at most 1.11 of curl -T, 1.06 without the ceiling",
        files: one(400 * MIB),
        way: slow(50, 40e6, 0, Partial::Lost),
        contenders: &[CURL, BITSUP, LIFTED],
    },
    Case {
        name: "link-120",
        purpose: "2 GiB, 50 ms, 120 MB/s; goal: wall at most 1.02 of the best fixed size",
        files: one(2 * GIB),
        way: slow(50, 120e6, 0, Partial::Lost),
        contenders: &[
            Program { name: "28 MiB fixed", kind: Kind::Bitsup(&["--fragment-size", "28M"]) },
            BITSUP,
        ],
    },
    Case {
        name: "link-120-lifted",
        purpose: "2 GiB, 50 ms, 120 MB/s, no ceiling; goal: wall at most 1.09 of curl -T",
        files: one(2 * GIB),
        way: slow(50, 120e6, 0, Partial::Lost),
        contenders: &[CURL, LIFTED],
    },
    Case {
        name: "cuts-kept",
        purpose: "400 MiB, 50 ms, 40 MB/s, a cut every 3 s, parts are kept; goal: wall at most 1.19 of the ideal",
        files: one(400 * MIB),
        way: slow(50, 40e6, 3, Partial::Kept),
        contenders: &[Program { name: "ideal", kind: Kind::Ideal(40e6) }, BITSUP],
    },
    Case {
        name: "cuts-lost",
        purpose: "the same, parts are thrown away; goal: wall at most 1.35 of the ideal",
        files: one(400 * MIB),
        way: slow(50, 40e6, 3, Partial::Lost),
        contenders: &[Program { name: "ideal", kind: Kind::Ideal(40e6) }, BITSUP],
    },
    Case {
        name: "small-files",
        purpose: "10,000 files of 4 KiB, 2 at a time; goal: wall at most 2.0 of curl",
        files: Files { count: 10_000, bytes: 4 * KIB, sparse: false },
        way: Way::Loopback,
        contenders: &[
            Program { name: "curl, one PUT each", kind: Kind::Other(curl_many) },
            BITSUP,
            NO_RESUME,
        ],
    },
    Case {
        name: "link-small",
        purpose: "400 files of 4 KiB, 50 ms, 40 MiB/s; goal: wall at most 1.17 of eight at a time",
        files: Files { count: 400, bytes: 4 * KIB, sparse: false },
        way: slow(50, 40.0 * MIB as f64, 0, Partial::Lost),
        contenders: &[
            Program { name: "8 at a time", kind: Kind::Bitsup(&["--parallel", "8"]) },
            BITSUP,
            Program { name: "curl, 2 at a time", kind: Kind::Other(curl_many) },
        ],
    },
    Case {
        name: "thousand",
        purpose: "1,000 files of 10 MiB at once; goal: wall at most 1.11 of one by one, 120 MiB of memory",
        files: Files { count: 1000, bytes: 10 * MIB, sparse: false },
        way: Way::Loopback,
        contenders: &[
            Program { name: "one by one", kind: Kind::Bitsup(&["--parallel", "1"]) },
            Program { name: "all at once", kind: Kind::Bitsup(&["--parallel", "1000"]) },
        ],
    },
    Case {
        name: "sparse",
        purpose: "64 GiB of nothing; goal: peak memory at most 12 MiB, and at most 2 MiB more than with 64 MiB",
        files: Files { count: 1, bytes: 64 * GIB, sparse: true },
        way: Way::Loopback,
        contenders: &[Program { name: "64 MiB", kind: Kind::Smaller(64 * MIB) }, BITSUP],
    },
    Case {
        name: "fragments",
        purpose: "256 MiB in Fragments of 64 KiB; goal: wall at most 1.5 of a socket loop in C",
        files: one(256 * MIB),
        way: Way::Loopback,
        contenders: &[
            Program { name: "socket loop in C", kind: Kind::Other(socket_loop) },
            Program { name: "bitsup", kind: Kind::Bitsup(&["--fragment-size", "64K"]) },
        ],
    },
];

impl Case {
    /// The same in so small that a test can run it.
    pub(super) fn files(&self, quick: bool) -> Files {
        let Files { count, bytes, sparse } = self.files;
        if !quick {
            return self.files;
        }
        let bytes = if bytes > 4 * MIB { 4 * MIB } else { bytes };
        Files { count: count.min(30), bytes, sparse }
    }
}

fn curl_upload(scene: &Scene) -> Command {
    let mut command = Command::new("curl");
    // -q: no settings of the user's.
    command.args(["-q", "-sS", "--fail", "-o", "/dev/null"]);
    if let Some(certificate) = &scene.certificate {
        command.arg("--cacert").arg(certificate);
    }
    command.arg("-T").arg(scene.file()).arg(&scene.base);
    command
}

fn openssl_digest(scene: &Scene) -> Command {
    let mut command = Command::new("openssl");
    command.args(["dgst", "-sha256"]).arg(scene.file());
    command
}

fn curl_many(scene: &Scene) -> Command {
    let mut command = Command::new("curl");
    command.args(["-q", "-sS", "--no-progress-meter", "--fail-early", "-Z", "--parallel-max"]);
    command.arg(FILES_AT_ONCE).arg("-K").arg(scene.path("curl"));
    command
}

fn curl_loop(scene: &Scene) -> Command {
    let mut command = Command::new("sh");
    command.arg(scene.path("curl_loop.sh")).arg(scene.file());
    command.arg(format!("{}loop", scene.base));
    command
}

fn requests_loop(scene: &Scene) -> Command {
    let mut command = Command::new("python3");
    command.arg(scene.path("requests_loop.py")).arg(scene.file());
    command.arg(format!("{}requests", scene.base));
    command
}

fn sendfile(scene: &Scene) -> Command {
    bound(scene, "put")
}

fn socket_loop(scene: &Scene) -> Command {
    bound(scene, "65536")
}

fn bound(scene: &Scene, how: &str) -> Command {
    let mut command = Command::new(scene.path("bound"));
    command.arg(scene.port.to_string()).arg(scene.file()).arg(how);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_case_has_bitsup_in_it() {
        let mut names: Vec<_> = CASES.iter().map(|case| case.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CASES.len());
        for case in CASES {
            assert!(case.contenders.iter().any(|one| matches!(one.kind, Kind::Bitsup(_))));
        }
    }
}
