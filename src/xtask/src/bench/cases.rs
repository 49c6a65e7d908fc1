//! The table of benchmarks. To add one: an entry in [`CASES`].

use std::time::Duration;

use super::link::Link;

pub(super) const KIB: u64 = 1 << 10;
pub(super) const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// Size of the file `smaller`.
pub(super) const SMALLER: u64 = 64 * MIB;

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
    /// What is typed. `Stage::command` says where it runs, and what the words in capitals stand for.
    pub(super) command: &'static str,
    pub(super) kind: Kind,
}

/// What is expected of it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// It sends all files of the case.
    Sends,
    /// It sends nothing.
    Local,
    /// It sends the file `smaller` in place of the case's: for what must not grow.
    Smaller,
    /// It is killed after this time: how far the hashes of bitsup's journal lag.
    Killed(Duration),
    /// Nothing is run: the time the bytes take at this rate, in bytes a second.
    Ideal(f64),
}

impl Program {
    /// Whether it is of this workspace. Others are skipped, and said so, if they are not there.
    pub(super) fn is_ours(&self) -> bool {
        self.command.contains("BITSUP") || self.is_python()
    }

    pub(super) fn is_python(&self) -> bool {
        self.command.contains("PYTHON")
    }
}

const fn sends(name: &'static str, command: &'static str) -> Program {
    Program { name, command, kind: Kind::Sends }
}

pub(super) const fn one(bytes: u64) -> Files {
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

// -q: no settings of the user's.
const CURL: Program = sends("curl -T", "curl -q -sS --fail -o /dev/null -T file-0 URL/");
const BITSUP: Program = sends("bitsup", "BITSUP upload -q file-0 URL/");
const NO_RESUME: Program = sends("--no-resume", "BITSUP upload -q --no-resume file-0 URL/");
const HASHING: Program =
    sends("hashes at once", "env BITSUP_HASH_FROM_FIRST_BYTE=1 BITSUP upload -q file-0 URL/");
const LIFTED: Program = sends("bitsup, 256M", "BITSUP upload -q --max-fragment 256M file-0 URL/");
const IDEAL: Program = Program { name: "ideal", command: "", kind: Kind::Ideal(40e6) };
/// As many at a time as bitsup sends.
const CURL_LIST: &str =
    "curl -q -sS --no-progress-meter --fail-early -Z --parallel-max 2 -K curl-list";
const BITSUP_LIST: Program = sends("bitsup", "BITSUP upload -q --files-from list URL/");

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
            sends("curl loop", "sh curl_loop.sh file-0 URL/loop"),
            sends("requests", "python3 requests_loop.py file-0 URL/requests"),
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
            Program {
                name: "killed at 20 s",
                kind: Kind::Killed(Duration::from_secs(20)),
                ..BITSUP
            },
        ],
    },
    Case {
        name: "one-gib-sha256",
        purpose: "1 GiB over loopback with --sha256; goal: wall at most 1.10 of openssl dgst alone (1.3 where the sink shares its core)",
        files: one(GIB),
        way: Way::Loopback,
        contenders: &[
            Program {
                name: "openssl dgst",
                command: "openssl dgst -sha256 file-0",
                kind: Kind::Local,
            },
            sends("--sha256", "BITSUP upload -q --sha256 file-0 URL/"),
        ],
    },
    Case {
        name: "one-gib-bound",
        purpose: "1 GiB over loopback beside sendfile; goal: wall at most 1.35 (bundled 1.55)",
        files: one(GIB),
        way: Way::Loopback,
        contenders: &[sends("sendfile", "BOUND PORT file-0 put"), BITSUP],
    },
    Case {
        name: "one-gib-tls",
        purpose: "1 GiB over loopback and TLS 1.3; goal: wall at most 0.85 and cpu at most 0.60 of curl -T",
        files: one(GIB),
        way: Way::Tls,
        contenders: &[
            sends("curl -T", "curl -q -sS --fail -o /dev/null --cacert tls.pem -T file-0 URL/"),
            sends("bitsup", "BITSUP upload -q --cacert tls.pem file-0 URL/"),
            sends("--no-resume", "BITSUP upload -q --no-resume --cacert tls.pem file-0 URL/"),
        ],
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
        contenders: &[BITSUP, sends("python", "PYTHON upload.py file-0 URL/")],
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
            sends("28 MiB fixed", "BITSUP upload -q --fragment-size 28M file-0 URL/"),
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
        contenders: &[IDEAL, BITSUP],
    },
    Case {
        name: "cuts-lost",
        purpose: "the same, parts are thrown away; goal: wall at most 1.35 of the ideal",
        files: one(400 * MIB),
        way: slow(50, 40e6, 3, Partial::Lost),
        contenders: &[IDEAL, BITSUP],
    },
    Case {
        name: "small-files",
        purpose: "10,000 files of 4 KiB, 2 at a time; goal: wall at most 2.0 of curl",
        files: Files { count: 10_000, bytes: 4 * KIB, sparse: false },
        way: Way::Loopback,
        contenders: &[
            sends("curl, one PUT each", CURL_LIST),
            BITSUP_LIST,
            sends("--no-resume", "BITSUP upload -q --no-resume --files-from list URL/"),
        ],
    },
    Case {
        name: "link-small",
        purpose: "400 files of 4 KiB, 50 ms, 40 MiB/s; goal: wall at most 1.17 of eight at a time",
        files: Files { count: 400, bytes: 4 * KIB, sparse: false },
        way: slow(50, 40.0 * MIB as f64, 0, Partial::Lost),
        contenders: &[
            sends("8 at a time", "BITSUP upload -q --parallel 8 --files-from list URL/"),
            BITSUP_LIST,
            sends("curl, 2 at a time", CURL_LIST),
        ],
    },
    Case {
        name: "thousand",
        purpose: "1,000 files of 10 MiB at once; goal: wall at most 1.11 of one by one, 120 MiB of memory",
        files: Files { count: 1000, bytes: 10 * MIB, sparse: false },
        way: Way::Loopback,
        contenders: &[
            sends("one by one", "BITSUP upload -q --parallel 1 --files-from list URL/"),
            sends("all at once", "BITSUP upload -q --parallel 1000 --files-from list URL/"),
        ],
    },
    Case {
        name: "sparse",
        purpose: "64 GiB of nothing; goal: peak memory at most 12 MiB, and at most 2 MiB more than with 64 MiB",
        files: Files { count: 1, bytes: 64 * GIB, sparse: true },
        way: Way::Loopback,
        contenders: &[
            Program { kind: Kind::Smaller, ..sends("64 MiB", "BITSUP upload -q smaller URL/") },
            BITSUP,
        ],
    },
    Case {
        name: "fragments",
        purpose: "256 MiB in Fragments of 64 KiB; goal: wall at most 1.5 of a socket loop in C",
        files: one(256 * MIB),
        way: Way::Loopback,
        contenders: &[
            sends("socket loop in C", "BOUND PORT file-0 65536"),
            sends("bitsup", "BITSUP upload -q --fragment-size 64K file-0 URL/"),
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
            assert!(case.contenders.iter().any(Program::is_ours));
        }
    }
}
