//! What a case needs around it: files in memory, a sink, and what lies between.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use fs_err::os::unix::fs::symlink;
use fs_err::{self as fs, File};
use tempfile::TempDir;

use super::cases::{Files, Partial, SMALLER, Way};
use super::link;
use super::package;
use super::sink::Sink;
use crate::Result;
use crate::runner::{KillOnDrop, read, run};
use crate::workspace::empty_folder;

const PROGRAMS: [(&str, &str); 5] = [
    ("bound.c", include_str!("programs/bound.c")),
    ("curl_loop.sh", include_str!("programs/curl_loop.sh")),
    ("requests_loop.py", include_str!("programs/requests_loop.py")),
    ("tls_front.c", include_str!("programs/tls_front.c")),
    ("upload.py", include_str!("programs/upload.py")),
];

/// A case made ready. All goes with it.
#[derive(Debug)]
pub(super) struct Stage {
    /// All files are here: `file-0` and so on, `list` and `curl-list` of them, `smaller`, and the helper programs.
    folder: TempDir,
    /// Where all files go.
    url: String,
    pub(super) sink: Sink,
    pub(super) files: Files,
    /// Takes TLS off; it ends with this.
    front: Option<KillOnDrop>,
}

/// A folder in memory, so that no disk is measured.
pub(super) fn folder_in_memory() -> io::Result<TempDir> {
    tempfile::Builder::new().prefix("bitsup-bench-").tempdir_in("/dev/shm")
}

impl Stage {
    /// Makes everything.
    pub(super) fn set(files: Files, way: Way) -> Result<Self> {
        let keeps = matches!(way, Way::Slow(_, Partial::Kept));
        let pace = if let Way::Paced(rate) = way { Some(rate) } else { None };
        let sink = Sink::start(Ipv4Addr::LOCALHOST, keeps, pace)?;
        let url = format!("http://{}", sink.address());
        let mut stage = Self { folder: folder_in_memory()?, url, sink, files, front: None };
        for (name, text) in PROGRAMS {
            fs::write(stage.path(name), text)?;
        }
        match way {
            Way::Loopback | Way::Paced(_) => {}
            Way::Slow(way, _) => {
                stage.url = format!("http://{}", link::start(way, stage.sink.address())?);
            }
            Way::Tls => stage.begin_tls()?,
        }
        stage.fill()?;
        Ok(stage)
    }

    fn fill(&self) -> Result {
        write_file(&self.path("file-0"), self.files.bytes, self.files.sparse)?;
        write_file(&self.path("smaller"), SMALLER, true)?;
        let (mut list, mut curl_list) = (String::new(), String::new());
        for number in 0..self.files.count {
            let name = format!("file-{number}");
            if number > 0 {
                symlink("file-0", self.path(&name))?;
            }
            writeln!(list, "{name}")?;
            let url = &self.url;
            writeln!(curl_list, "upload-file = {name}\nurl = {url}/\noutput = /dev/null")?;
        }
        fs::write(self.path("list"), list)?;
        fs::write(self.path("curl-list"), curl_list)?;
        Ok(())
    }

    /// A file of this name.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The command of these words, run in the folder. `BITSUP` is the tool, `PYTHON` an interpreter with the package of
    /// the same build, `BOUND` the program in C, `URL` where files go, `PORT` the sink's. The journal is empty, since the
    /// user's own has no part in this.
    pub(super) fn command(&self, words: &str, bitsup: &Path) -> Result<Command> {
        let package = package(bitsup);
        let port = self.sink.address().port().to_string();
        let mut words = words.split(' ').map(|word| match word {
            "BITSUP" => bitsup.into(),
            "BOUND" => self.path("bound"),
            "PYTHON" => package.join("environment/bin/python"),
            _ => word.replace("URL", &self.url).replace("PORT", &port).into(),
        });
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).current_dir(self.folder.path());
        let state = self.path("state");
        empty_folder(&state)?;
        command.env("BITSUP_STATE_DIR", state).env("PYTHONPATH", package);
        Ok(command)
    }

    /// How far the hashes in the journal of an upload lag that was killed after this time.
    pub(super) fn hash_lag(&self, time: Duration) -> Result<Duration> {
        let sessions = fs::read_dir(self.path("state/sessions"))?;
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

    /// Compiles one of the programs in C.
    pub(super) fn compile(&self, name: &str, libraries: &[&str]) -> Result<PathBuf> {
        let program = self.path(name);
        let mut compiler = Command::new("cc");
        compiler.args(["-O2", "-o"]).arg(&program).arg(program.with_extension("c")).args(libraries);
        run(&mut compiler)?;
        Ok(program)
    }

    fn begin_tls(&mut self) -> Result {
        // Key and certificate in one file.
        let options = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=127.0.0.1 \
                       -addext subjectAltName=IP:127.0.0.1 -keyout tls.pem -out tls.pem";
        let mut openssl = Command::new("openssl");
        openssl.arg("req").args(options.split(' ')).current_dir(self.folder.path());
        read(&mut openssl)?;
        let mut front = Command::new(self.compile("tls_front", &["-lssl", "-lcrypto"])?)
            .arg(self.path("tls.pem"))
            .arg(self.sink.address().port().to_string())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(output) = front.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        self.front = Some(KillOnDrop(front));
        let port: u16 = line.trim().parse().map_err(|_| "the TLS front did not begin")?;
        self.url = format!("https://127.0.0.1:{port}");
        Ok(())
    }
}

/// Writes a file of that size, or a hole.
pub(super) fn write_file(path: &Path, bytes: u64, sparse: bool) -> io::Result<()> {
    let mut file = File::create(path)?;
    if sparse {
        return file.set_len(bytes);
    }
    io::copy(&mut io::repeat(b'x').take(bytes), &mut file).map(drop)
}
