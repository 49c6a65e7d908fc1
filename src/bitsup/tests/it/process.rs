//! What belongs to the whole process: its current folder and its limits. Each test runs its part in a
//! process of its own, so that it changes nothing for the others.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};
use std::time::Duration;

use crate::common::peer::{Peer, Turn, received};
use crate::common::{Setup, payload};
use bitsup::{Client, CredentialCallback, ErrorKind, OptionSet, ReplyTo, Source, UploadOptions};
use bitsup_server::scripted::Reply;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Names the part that a process runs, and where the server is.
const PART: &str = "BITSUP_TEST_PART";
const URL: &str = "BITSUP_TEST_URL";
/// A user with nothing.
const UNPRIVILEGED: u32 = 65534;
/// Longer than any part takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs this test of this program as a process of its own; one of another module by its whole path.
pub(crate) fn part(test: &str, url: &str, folder: &std::path::Path) -> Output {
    let output = command(test, url, folder).output().expect("it runs");
    assert!(output.status.success(), "{}", words(&output));
    output
}

fn command(test: &str, url: &str, folder: &std::path::Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    let path = if test.contains("::") { test.to_owned() } else { format!("process::{test}") };
    command.args([&path, "--exact", "--nocapture", "--test-threads=1"]);
    command.env(PART, test).env(URL, url).current_dir(folder);
    // This process notes what is proven; the other one may not be allowed to.
    command.env_remove("BITSUP_RULES_DIR");
    command
}

fn words(output: &Output) -> String {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// The server's URL, in the process that runs the part.
pub(crate) fn in_part(test: &str) -> Option<String> {
    let is_part = std::env::var(PART).is_ok_and(|part| part == test);
    is_part.then(|| std::env::var(URL).expect("a URL"))
}

/// Lowers the limit of this process so that `count` more files can be opened. The open ones may have any number: a
/// child inherits what a libcurl of its parent opened at that moment.
fn leave_descriptors(count: u64) {
    let listed = std::fs::read_dir("/proc/self/fd").expect("procfs").flatten();
    let listed: Vec<std::path::PathBuf> = listed.map(|entry| entry.path()).collect();
    // Without the folder that was just read.
    let open = listed.iter().filter(|path| path.symlink_metadata().is_ok());
    let open = open.filter_map(|path| path.file_name()?.to_str()?.parse().ok());
    let open: Vec<u64> = open.collect();
    let taken = |limit| open.iter().filter(|open| **open < limit).count() as u64;
    let current = (0..1 << 20).find(|limit| limit - taken(*limit) == count);
    let limits = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current, ..limits }).expect("lowered");
}

fn quick() -> UploadOptions {
    let mut options = UploadOptions::default();
    options.retry_delay = Duration::from_millis(2);
    options.max_retry_delay = Duration::from_millis(20);
    options.max_attempts = Some(2);
    options
}

#[test]
fn paths_are_those_of_the_start_whatever_the_current_folder_becomes() {
    let _rule = bitsup_server::rule!("SRC-03");
    let test = "paths_are_those_of_the_start_whatever_the_current_folder_becomes";
    if let Some(url) = in_part(test) {
        let client = Client::builder()
            .options(&OptionSet::new().state_dir("state"))
            .build()
            .expect("client");
        let source = Source::path("link/x.bin").expect("a file");
        let mut options = quick();
        options.reply_to = ReplyTo::File("reply".into());
        options.credential_callback = Some(CredentialCallback::password_file("u", "password"));
        options.allow_cleartext_credentials = true;
        // Nothing was asked of the server yet.
        let upload = client.upload(source, &url).options(options);
        let upload = upload.start().expect("started");
        upload.suspend();
        std::env::set_current_dir("/").expect("the root");
        upload.resume();
        upload.wait_for(PATIENCE).expect("it ends").expect("uploaded");
        return;
    }
    let peer = Peer::start(|call| match call.packet {
        "Create-Session" if call.request.header("Authorization").is_empty() => {
            Turn::Answer(crate::common::peer::challenge())
        }
        "Fragment" => Turn::After(received(2500).header("BITS-Reply-URL", "/up/reply")),
        "GET" => Turn::Answer(Reply::status(200, "OK").body("the reply")),
        _ => Turn::Serve,
    });
    let folder = tempfile::tempdir().expect("folder");
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("real")).expect("made");
    std::os::unix::fs::symlink("real", path("link")).expect("linked");
    std::fs::write(path("real/x.bin"), payload(2500)).expect("written");
    std::fs::write(path("password"), "secret\n").expect("written");
    part(test, &peer.url(), folder.path());
    assert_eq!(peer.files(), [payload(2500)]);
    assert_eq!(std::fs::read(path("reply")).expect("the reply"), b"the reply");
    assert!(path("state/sessions").is_dir());
}

#[test]
fn an_absolute_path_needs_no_current_folder() {
    let _rule = bitsup_server::rule!("SRC-03");
    let test = "an_absolute_path_needs_no_current_folder";
    if let Some(url) = in_part(test) {
        let gone = std::env::current_dir().expect("a folder").join("gone");
        std::fs::create_dir(&gone).expect("made");
        std::env::set_current_dir(&gone).expect("in it");
        std::fs::remove_dir(&gone).expect("removed");
        let file = gone.with_file_name("x.bin");
        let client = Client::new().expect("client");
        let upload = client.upload(Source::path(file).expect("a file"), &url);
        upload.options(quick()).start().expect("started").wait().expect("uploaded");
        let error = Source::path("x.bin").expect_err("no folder to look in");
        assert_eq!(error.kind(), ErrorKind::LocalFile);
        return;
    }
    let peer = Peer::plain();
    let folder = tempfile::tempdir().expect("folder");
    std::fs::write(folder.path().join("x.bin"), payload(2500)).expect("written");
    part(test, &peer.url(), folder.path());
    assert_eq!(peer.files(), [payload(2500)]);
}

/// With each limit of open files that lets less and less begin: nothing panics, nothing is blamed
/// but the limit, and with a few more files all is well.
#[test]
fn too_few_open_files_are_named_and_blame_nothing() {
    let _rule = bitsup_server::rule!("SRC-08");
    let test = "too_few_open_files_are_named_and_blame_nothing";
    if let Some(url) = in_part(test) {
        let limits = getrlimit(Resource::Nofile);
        let mut failed = 0;
        for more in 0..40 {
            leave_descriptors(more);
            let ended = Client::builder()
                .options(&OptionSet::new().state_dir("state"))
                .build()
                .and_then(|client| {
                    let source = Source::path("x.bin")?;
                    let upload = client.upload(source, &url).options(quick()).start()?;
                    upload.wait_for(PATIENCE).expect("it ends")
                });
            setrlimit(Resource::Nofile, limits).expect("as before");
            match ended {
                Ok(_) => println!("done with {more}"),
                Err(error) => {
                    failed += 1;
                    assert_eq!(error.os_error(), Some(libc::EMFILE), "{more}: {error}");
                    assert!(error.advice().contains("ulimit -n"), "{more}: {}", error.advice());
                }
            }
        }
        assert!((1..40).contains(&failed), "{failed} failed");
        return;
    }
    let peer = Peer::plain();
    let folder = tempfile::tempdir().expect("folder");
    std::fs::write(folder.path().join("x.bin"), payload(2500)).expect("written");
    let output = part(test, &peer.url(), folder.path());
    assert!(!words(&output).contains("panicked"), "{}", words(&output));
    let files = peer.files();
    assert!(!files.is_empty() && files.iter().all(|file| *file == payload(2500)));
    assert_eq!(peer.open_sessions(), 0);
}

/// A session that was kept is as it was, and is continued when there are descriptors again.
#[test]
fn what_was_kept_outlives_a_lack_of_open_files() {
    let _rule = bitsup_server::rule!("SRC-08");
    let test = "what_was_kept_outlives_a_lack_of_open_files";
    if let Some(url) = in_part(test) {
        let client = Client::builder()
            .options(&OptionSet::new().state_dir("state"))
            .build()
            .expect("client");
        let upload = |source: Source| {
            let mut options = quick();
            options.fragment_size = Some(1000);
            client.upload(source, &url).options(options).start()
        };
        let source = Source::path("x.bin").expect("a file");
        let refused = upload(source.clone()).expect("started").wait().expect_err("refused");
        assert!(refused.is_resumable());
        let limits = getrlimit(Resource::Nofile);
        for more in 0..3 {
            leave_descriptors(more);
            let error = upload(source.clone()).and_then(|upload| upload.wait()).err();
            setrlimit(Resource::Nofile, limits).expect("as before");
            let error = error.expect("no descriptors");
            assert_eq!(error.os_error(), Some(libc::EMFILE), "{more}: {error}");
            assert!(error.is_resumable() && !error.advice().contains("Remove"), "{error}");
        }
        upload(source).expect("started").wait().expect("continued");
        return;
    }
    let peer = Peer::start(|call| {
        if call.is("Fragment", 2) {
            Turn::Answer(Reply::status(403, "Forbidden"))
        } else {
            Turn::Serve
        }
    });
    let folder = tempfile::tempdir().expect("folder");
    std::fs::write(folder.path().join("x.bin"), payload(2500)).expect("written");
    part(test, &peer.url(), folder.path());
    assert_eq!((peer.files(), peer.count("Create-Session")), (vec![payload(2500)], 1));
}

/// Limits of threads do not hold for root, so that it runs under another user.
#[test]
fn too_few_threads_are_named_and_journals_are_written_all_the_same() {
    let _rule = bitsup_server::rule!("SRC-08");
    let test = "too_few_threads_are_named_and_journals_are_written_all_the_same";
    if let Some(url) = in_part(test) {
        let client = Client::builder()
            .options(&OptionSet::new().state_dir("state"))
            .build()
            .expect("client");
        let limits = getrlimit(Resource::Nproc);
        setrlimit(Resource::Nproc, Rlimit { current: Some(0), ..limits }).expect("lowered");
        std::thread::Builder::new().spawn(|| {}).expect_err("the limit holds");
        let source = Source::path("x.bin").expect("a file");
        let upload = client.upload(source, &url).options(quick()).start().expect("started");
        upload.wait_for(PATIENCE).expect("it ends").expect("uploaded");
        let slow = Source::read_at(bitsup::Seekable::new(std::io::Cursor::new(payload(10))), 10);
        let upload = client.upload(slow, &url).options(quick()).start().expect("started");
        let error = upload.wait_for(PATIENCE).expect("it ends").expect_err("no thread");
        assert_eq!(error.os_error(), Some(libc::EAGAIN), "{error}");
        assert!(error.advice().contains("ulimit -u"), "{error}");
        let error = Client::new().expect_err("no thread");
        assert_eq!(error.os_error(), Some(libc::EAGAIN), "{error}");
        return;
    }
    let peer = Peer::plain();
    let folder = tempfile::tempdir().expect("folder");
    std::fs::write(folder.path().join("x.bin"), payload(2500)).expect("written");
    let mut command = command(test, &peer.url(), folder.path());
    if rustix::process::geteuid().is_root() {
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).expect("for all");
        command.uid(UNPRIVILEGED).gid(UNPRIVILEGED);
    }
    let output = match command.output() {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            crate::common::program::skipped("the unprivileged user may not run this program");
            return;
        }
        output => output.expect("it runs"),
    };
    assert!(output.status.success(), "{}", words(&output));
    assert!(!words(&output).contains("panicked"), "{}", words(&output));
    assert_eq!(peer.files(), [payload(2500)]);
}

/// `select` cannot wait for a descriptor of 1024 and above, `poll` can.
#[test]
fn an_upload_works_above_descriptor_1024() {
    /// What C libraries define as `FD_SETSIZE` is 1024.
    const OPEN_FILES: usize = 1100;
    let test = "an_upload_works_above_descriptor_1024";
    let content = payload(3 << 20);
    if let Some(url) = in_part(test) {
        let limits = getrlimit(Resource::Nofile);
        let wanted = 4 * OPEN_FILES as u64;
        assert!(
            limits.maximum.is_none_or(|maximum| maximum >= wanted),
            "{limits:?} is too low to tell"
        );
        let current = Some(limits.current.map_or(wanted, |current| current.max(wanted)));
        setrlimit(Resource::Nofile, Rlimit { current, ..limits }).expect("more files may be open");
        let held: Vec<File> =
            (0..OPEN_FILES).map(|_| File::open("/dev/null").expect("it opens")).collect();
        let client = Client::new().expect("client");
        let source = Source::path("source.bin").expect("it is there");
        client.upload(source, &url).start().expect("started").wait().expect("uploaded");
        assert_eq!(held.len(), OPEN_FILES);
        return;
    }
    let setup = Setup::new(&content);
    let folder = setup.file();
    part(test, &setup.url("file"), folder.parent().expect("a folder"));
    assert_eq!(setup.published("file"), content);
}
