//! What a case needs around it: files in memory, a sink, and what lies between.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use fs_err::os::unix::fs::symlink;
use fs_err::{self as fs, File};

use super::cases::{Case, Files, Kind, Partial, Scene, Way};
use super::link;
use super::sink::Sink;
use crate::Result;
use crate::runner::{KillOnDrop, read, run};

const PROGRAMS: [(&str, &str); 4] = [
    ("bound.c", include_str!("programs/bound.c")),
    ("curl_loop.sh", include_str!("programs/curl_loop.sh")),
    ("requests_loop.py", include_str!("programs/requests_loop.py")),
    ("tls_front.c", include_str!("programs/tls_front.c")),
];

/// A case made ready. All goes with it.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) scene: Scene,
    pub(super) sink: Sink,
    pub(super) files: Files,
    pub(super) is_quick: bool,
    /// Takes TLS off; it ends with this.
    front: Option<KillOnDrop>,
}

impl Stage {
    /// Makes everything; files of an interrupted run are overwritten.
    pub(super) fn set(case: &Case, quick: bool) -> Result<Self> {
        let name = format!("bitsup-bench-{}-{}", case.name, std::process::id());
        // In memory, so that no disk is measured.
        let folder = Path::new("/dev/shm").join(name);
        let files = case.files(quick);
        let keeps = matches!(case.way, Way::Slow(_, Partial::Kept));
        let pace = if let Way::Paced(rate) = case.way { Some(rate) } else { None };
        let sink = Sink::start(Ipv4Addr::LOCALHOST, keeps, pace)?;
        let port = sink.address().port();
        let base = format!("http://{}/", sink.address());
        let scene = Scene { folder, base, port, certificate: None };
        let mut stage = Self { scene, sink, files, is_quick: quick, front: None };
        stage.fill(case)?;
        Ok(stage)
    }

    fn fill(&mut self, case: &Case) -> Result {
        fs::create_dir_all(&self.scene.folder)?;
        for (name, text) in PROGRAMS {
            fs::write(self.scene.path(name), text)?;
        }
        match case.way {
            Way::Loopback | Way::Paced(_) => {}
            Way::Slow(way, _) => {
                self.scene.base = format!("http://{}/", link::start(way, self.sink.address())?);
            }
            Way::Tls => self.begin_tls()?,
        }
        if case.contenders.iter().any(|one| matches!(one.kind, Kind::Other(_))) {
            // Without a C compiler those who need it are skipped.
            drop(self.compile("bound", &[]));
        }
        let (file, base) = (self.scene.file(), &self.scene.base);
        write_file(&file, self.files.bytes, self.files.sparse)?;
        let (mut list, mut config) = (String::new(), String::new());
        for number in 0..self.files.count {
            let path = self.scene.path(&format!("file-{number}"));
            if number > 0 {
                symlink(&file, &path)?;
            }
            let path = path.display();
            writeln!(list, "{path}")?;
            writeln!(config, "upload-file = \"{path}\"\nurl = \"{base}\"\noutput = /dev/null")?;
        }
        fs::write(self.scene.path("list"), list)?;
        fs::write(self.scene.path("curl"), config)?;
        Ok(())
    }

    /// A file of another size in place of the case's.
    pub(super) fn smaller(&self, bytes: u64) -> Result<PathBuf> {
        let path = self.scene.path("smaller");
        write_file(&path, bytes, true)?;
        Ok(path)
    }

    /// An empty folder for a journal.
    pub(super) fn new_state(&self) -> io::Result<PathBuf> {
        let state = self.scene.path("state");
        match fs::remove_dir_all(&state) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::create_dir(&state)?;
        Ok(state)
    }

    /// How far the hashes in the journal of an upload lag that was killed after this time.
    pub(super) fn hash_lag(&self, time: Duration) -> Result<Duration> {
        let sessions = fs::read_dir(self.scene.path("state/sessions"))?;
        let paths = sessions.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
        let is_entry = |path: &&PathBuf| {
            let name = path.file_name().unwrap_or_default();
            path.extension() == Some("json".as_ref()) && name != "endpoints.json"
        };
        let path = paths.iter().find(is_entry).ok_or("the journal has no entry")?;
        let entry = bitsup_core::journal::Entry::decode(&fs::read(path)?)?;
        let offset = entry.checkpoint.offset;
        let share = (offset - entry.prefix.length()) as f64 / offset as f64;
        Ok(time.mul_f64(share))
    }

    fn compile(&self, name: &str, libraries: &[&str]) -> Result<PathBuf> {
        let program = self.scene.path(name);
        let mut compiler = Command::new("cc");
        compiler.args(["-O2", "-o"]).arg(&program).arg(program.with_extension("c")).args(libraries);
        run(&mut compiler)?;
        Ok(program)
    }

    fn begin_tls(&mut self) -> Result {
        let [both, only] = ["both.pem", "certificate.pem"].map(|name| self.scene.path(name));
        let mut openssl = Command::new("openssl");
        openssl
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"])
            .args(["-addext", "subjectAltName=IP:127.0.0.1", "-keyout"])
            .arg(&both)
            .arg("-out")
            .arg(&only);
        read(&mut openssl)?;
        fs::OpenOptions::new().append(true).open(&both)?.write_all(&fs::read(&only)?)?;
        let mut front = Command::new(self.compile("tls_front", &["-lssl", "-lcrypto"])?)
            .arg(&both)
            .arg(self.scene.port.to_string())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(output) = front.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        self.front = Some(KillOnDrop(front));
        let port: u16 = line.trim().parse().map_err(|_| "the TLS front did not begin")?;
        self.scene.base = format!("https://127.0.0.1:{port}/");
        self.scene.certificate = Some(only);
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.scene.folder) {
            eprintln!("{error}");
        }
    }
}

/// Writes a file of that size, or a hole.
pub(super) fn write_file(path: &Path, bytes: u64, sparse: bool) -> io::Result<()> {
    let mut file = File::create(path)?;
    if sparse {
        return file.set_len(bytes);
    }
    let block: Vec<u8> = (0..1u32 << 20).map(|index| (index % 251) as u8).collect();
    let mut left = bytes;
    while left > 0 {
        let length = block.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        file.write_all(block.get(..length).unwrap_or(&block))?;
        left -= length as u64;
    }
    Ok(())
}
