//! Processes that stop where their memory is to be searched, as an image would show it that the system
//! writes of a process which dies.

use std::collections::HashSet;
use std::io::{BufReader, Read as _, Seek as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// Letters in a secret: longer than what memory functions write into blocks that are free.
const LENGTH: usize = 60;
/// The length of the shortest part of a secret that is found, in any form.
const WINDOW: usize = 8;
const PAGE: usize = 4096;

/// A secret that stands in no program.
pub(crate) fn random_secret() -> String {
    let mut bytes = [0; LENGTH];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .expect("random");
    BASE64.encode(bytes).replace(['+', '/'], "x")[..LENGTH].to_owned()
}

/// A process that prints its number first, and words where it stops until a line is typed.
pub(crate) struct Held {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// All that it has printed so far.
    pub(crate) shown: Vec<u8>,
}

const STOPS: &[u8] = b" has come to: ";

/// For the process itself: prints the word and waits.
pub(crate) fn stop(word: &str) {
    println!("process {} has come to: {word}", std::process::id());
    std::io::stdin().read_line(&mut String::new()).expect("told to go on");
}

impl Held {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("started");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let input = child.stdin.take().expect("piped");
        Self { child, input, output, shown: Vec::new() }
    }

    /// Reads until the word was printed; what came before it.
    pub(crate) fn until(&mut self, word: &str) -> String {
        let (mut text, mut byte) = (Vec::new(), [0]);
        while !text.ends_with(word.as_bytes()) {
            let told = self.output.read(&mut byte).expect("readable");
            assert!(told == 1, "it ended: {}", String::from_utf8_lossy(&text));
            text.push(byte[0]);
            // It would wait for a line, and this for its word.
            let waits = text.ends_with(b"\n") && text.windows(STOPS.len()).any(|at| at == STOPS);
            assert!(!waits, "not {word:?}: {}", String::from_utf8_lossy(&text));
        }
        self.shown.extend(&text);
        String::from_utf8_lossy(&text).into_owned()
    }

    pub(crate) fn type_line(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).expect("typed");
    }

    /// Where in its memory parts of the secret are when it has come so far.
    pub(crate) fn traces_at(&mut self, word: &str, secret: &str) -> Vec<String> {
        let text = self.until(&format!(" has come to: {word}"));
        let number = text.rsplit("process ").next().and_then(|rest| rest.split(' ').next());
        let number = number.and_then(|number| number.parse().ok()).expect("a number");
        let traces = search(number, &forms(secret));
        self.type_line("");
        traces
    }

    pub(crate) fn end(mut self) {
        drop(self.input);
        // Drains the output.
        drop(std::io::copy(&mut self.output, &mut std::io::sink()));
        assert!(self.child.wait().expect("ended").success());
    }
}

/// All that is found of a secret: each window of each form of it.
pub(crate) fn forms(secret: &str) -> HashSet<u64> {
    let bytes = secret.as_bytes();
    let hex = |upper: bool| -> String {
        let digits = |byte: &u8| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") };
        bytes.iter().map(digits).collect()
    };
    let mut forms = vec![bytes.to_vec(), hex(true).into_bytes(), hex(false).into_bytes()];
    // In the middle of other bytes, wherever base64 begins a group of three.
    for before in 0..3 {
        let text = BASE64.encode([&vec![b'.'; before], bytes].concat());
        let own = if before == 0 { 0 } else { before + 1 };
        // Its end goes with what follows, or is padding.
        forms.push(text.as_bytes()[own..text.len() - 4].to_vec());
    }
    // Four letters of UTF-16 in a window: few, and yet no other text is so.
    forms.push(secret.encode_utf16().flat_map(u16::to_le_bytes).collect());
    forms.iter().flat_map(|form| form.windows(WINDOW)).map(number).collect()
}

/// Whether a part of the secret is there.
pub(crate) fn is_in(bytes: &[u8], wanted: &HashSet<u64>) -> bool {
    bytes.windows(WINDOW).any(|window| wanted.contains(&number(window)))
}

fn number(window: &[u8]) -> u64 {
    u64::from_ne_bytes(window.try_into().expect("a window"))
}

/// Searches what of the memory of a process can be written.
pub(crate) fn search(process: u32, wanted: &HashSet<u64>) -> Vec<String> {
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).expect("maps");
    let mut memory = std::fs::File::open(format!("/proc/{process}/mem")).expect("memory");
    let mut first_bytes = vec![false; 1 << 16];
    let pair = |window: &[u8]| usize::from(window[0]) << 8 | usize::from(window[1]);
    for window in wanted {
        first_bytes[pair(&window.to_ne_bytes())] = true;
    }
    let mut found = Vec::new();
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (range, _) = line.split_once(' ').expect("a range");
        let (from, to) = range.split_once('-').expect("two ends");
        let [from, to] = [from, to].map(|text| u64::from_str_radix(text, 16).expect("a number"));
        let mut part = vec![0; usize::try_from(to - from).expect("it fits")];
        memory.seek(std::io::SeekFrom::Start(from)).expect("a place");
        if memory.read_exact(&mut part).is_err() {
            continue;
        }
        let mut last = None;
        for page in (0..part.len()).step_by(PAGE) {
            // Most of it was never used.
            if part[page..page + PAGE] == [0; PAGE] {
                continue;
            }
            let end = part.len().min(page + PAGE + WINDOW - 1);
            for at in page..=end - WINDOW {
                let window = &part[at..at + WINDOW];
                if !first_bytes[pair(window)] || !wanted.contains(&number(window)) {
                    continue;
                }
                // One place is told once.
                if last.is_none_or(|last| at > last + WINDOW) {
                    let around = &part[at.saturating_sub(64)..part.len().min(at + 100)];
                    let text = String::from_utf8_lossy(around).escape_debug().to_string();
                    found.push(format!("{line} at {at:#x}: {text}"));
                }
                last = Some(at);
            }
        }
    }
    found
}
