//! Runs the uploads of plans, by the tool and by the library.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bitsup::{
    CancelMode, Client, Credentials, Event, Flow, IfExists, LostAckPolicy, ReplyTo, Secret, Source,
    Upload, UploadOptions, VerifyPolicy,
};
use bitsup_server::model::front::Front;
use bitsup_server::model::{Entry, Fault, Model};
use serde_json::Value;

use super::plan::Plan;
use crate::common::Place;

pub(crate) const PASSWORD: &str = "PwS3cretXq7";
/// `ann:PwS3cretXq7` as Basic shows it, without its end.
pub(crate) const ENCODED: &str = "YW5uOlB3UzNjcmV0WHE";
pub(crate) const QUERY: &str = "QsS3cretXq7";

/// An upload that takes longer hangs: the tool's own limits are much shorter.
const HANGS: Duration = Duration::from_secs(90);

/// How often the same command is run at most.
const RUNS: usize = 3;

/// What became of one run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<u8>,
    pub(crate) receipt: Option<Shown>,
    /// Everything that was shown to people.
    pub(crate) shown: Vec<(&'static str, String)>,
    pub(crate) reply: Option<Vec<u8>>,
    pub(crate) elapsed: Duration,
    /// What the server saw of it.
    pub(crate) log: Vec<Entry>,
    pub(crate) published: Option<Vec<u8>>,
    pub(crate) open: usize,
}

/// The part of a receipt that says how certain it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    pub(crate) verified: bool,
    pub(crate) close_confirmed: bool,
    pub(crate) skipped: bool,
}

/// An upload that has ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) plan: Plan,
    pub(crate) runs: Vec<Run>,
    pub(crate) violations: Vec<String>,
    pub(crate) ids: Vec<String>,
    pub(crate) lost_bytes: bool,
}

impl Done {
    fn new(plan: Plan, runs: Vec<Run>, model: &Model) -> Self {
        Self {
            plan,
            runs,
            violations: model.violations().to_vec(),
            ids: model.session_ids().to_vec(),
            lost_bytes: model.has_lost_bytes(),
        }
    }
}

fn url(front: &Front) -> String {
    format!("http://{}/up/x.bin?sig={QUERY}", front.address())
}

/// Runs the tool, and again where it says that the same command goes on.
pub(crate) fn by_tool(plan: Plan) -> Done {
    let front = Front::start(plan.model()).expect("a server");
    let place = Place::new();
    place.write("x.bin", &plan.source);
    private(&place.write("password", PASSWORD.as_bytes()));
    let url = url(&front);
    let mut args: Vec<String> = "upload --state-dir state --ack-timeout 1s --stall-timeout 2s --connect-timeout 5s \
        --give-up-after 4s --wait-for-server 4s --max-attempts 8 --max-time 40s --receipt receipt --trace trace"
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    let mut add = |words: &[&str]| args.extend(words.iter().map(|word| (*word).to_owned()));
    if let Some(bytes) = plan.fragment {
        add(&["--fragment-size", &bytes.to_string()]);
    }
    add(&[
        "--on-lost-ack",
        plan.on_lost_ack,
        "--verify",
        plan.verify,
        "--if-exists",
        plan.if_exists,
    ]);
    if let Some(optional) = plan.reply {
        add(&["-o", "reply"]);
        add(if optional { &["--reply-optional"] } else { &[] });
    }
    if plan.login {
        add(&["-u", "ann", "--password-file", "password"]);
        add(if plan.cleartext { &["--allow-cleartext-credentials"] } else { &[] });
    }
    add(if plan.json { &["--json"] } else { &["-v"] });
    add(&["x.bin", &url]);
    let mut runs = Vec::new();
    loop {
        let run = tool_run(&place, &args, &front);
        let goes_on = run.shown.iter().any(|(_, text)| text.contains("to continue: bitsup"));
        runs.push(run);
        if !plan.again || !goes_on || runs.len() == RUNS {
            break;
        }
        // A run that resumes does not know how far the run before has sent.
        let mut model = front.model();
        let mut faults = model.faults().clone();
        faults.menu.retain(|fault| fault.fault != Fault::Foreign);
        model.set_faults(faults);
    }
    let model = front.model();
    Done::new(plan, runs, &model)
}

fn tool_run(place: &Place, args: &[String], front: &Front) -> Run {
    let seen = front.model().log().len();
    let output = |name| std::fs::File::create(place.path(name)).expect("made");
    for name in ["receipt", "trace", "reply"] {
        drop(std::fs::remove_file(place.path(name)));
    }
    let begun = Instant::now();
    let mut command = place.command(args);
    // Pipes that are not read would stop the tool.
    let mut child =
        command.stdout(output("stdout")).stderr(output("stderr")).spawn().expect("started");
    let code = loop {
        if let Some(status) = child.try_wait().expect("our child") {
            break status.code().map(|code| code as u8);
        }
        if begun.elapsed() > HANGS {
            child.kill().expect("killed");
            drop(child.wait());
            break None;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let elapsed = begun.elapsed();
    let text = |name| {
        let bytes = std::fs::read(place.path(name)).unwrap_or_default();
        (name, String::from_utf8_lossy(&bytes).into_owned())
    };
    let shown: Vec<_> = ["stdout", "stderr", "trace", "receipt"].map(text).into();
    let receipt = serde_json::from_str(&shown[3].1).ok().map(|receipt: Value| Shown {
        verified: receipt["verified"] == true,
        close_confirmed: receipt["close_confirmed"] == true,
        skipped: receipt["skipped"] == true,
    });
    let reply = std::fs::read(place.path("reply")).ok();
    let run = Run { code, receipt, shown, reply, elapsed, log: vec![], published: None, open: 0 };
    run.seen_by(&front.model(), seen)
}

impl Run {
    fn seen_by(mut self, model: &Model, from: usize) -> Self {
        self.log = model.log()[from..].to_vec();
        self.published = model.published().cloned();
        self.open = model.open_sessions();
        self
    }
}

#[cfg(unix)]
fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("own file");
}

/// Runs uploads side by side on one client.
pub(crate) fn by_library(plans: Vec<Plan>) -> Vec<Done> {
    let client = Client::builder().build().expect("client");
    let started: Vec<_> = plans
        .into_iter()
        .map(|plan| {
            let front = Front::start(plan.model()).expect("a server");
            let heard = Arc::new(Mutex::new(Vec::new()));
            let listener = Arc::clone(&heard);
            let source = Source::bytes(Arc::clone(&plan.source));
            let upload = client
                .upload(source, &url(&front))
                .options(options(&plan))
                .on_event(move |event| {
                    listener.lock().expect("not poisoned").push(told(event));
                    Flow::Continue
                })
                .start()
                .expect("started");
            (plan, front, upload, heard, Instant::now())
        })
        .collect();
    let ended = started.into_iter().map(|(plan, front, upload, heard, begun)| {
        let run = library_run(&upload, begun);
        let run = Run {
            shown: vec![("events", heard.lock().expect("not poisoned").concat()), run.1],
            ..run.0
        };
        let model = front.model();
        let run = run.seen_by(&model, 0);
        Done::new(plan, vec![run], &model)
    });
    ended.collect()
}

fn library_run(upload: &Upload, begun: Instant) -> (Run, (&'static str, String)) {
    let result = upload.wait_for(HANGS.saturating_sub(begun.elapsed()));
    let mut run = Run {
        code: None,
        receipt: None,
        shown: Vec::new(),
        reply: None,
        elapsed: begun.elapsed(),
        log: Vec::new(),
        published: None,
        open: 0,
    };
    let text = match result {
        None => {
            upload.cancel(CancelMode::Keep);
            "it hangs".to_owned()
        }
        Some(Ok(receipt)) => {
            run.code = Some(0);
            run.receipt = Some(Shown {
                verified: receipt.verified,
                close_confirmed: receipt.close_confirmed,
                skipped: receipt.skipped,
            });
            let text = format!("{} {:?}", receipt.url, receipt.warnings);
            run.reply = receipt.reply;
            text
        }
        Some(Err(error)) => {
            run.code = Some(error.kind().exit_code());
            format!("{error} {} {error:?}", error.advice())
        }
    };
    (run, ("result", text))
}

fn told(event: &Event) -> String {
    match event {
        Event::Notice(text) => format!("{text}\n"),
        Event::Retry { cause, .. } => format!("{cause} {cause:?} {}\n", cause.advice()),
        _ => String::new(),
    }
}

fn options(plan: &Plan) -> UploadOptions {
    let mut options = UploadOptions::default();
    options.fragment_size = plan.fragment;
    options.retry_delay = Duration::from_millis(1);
    options.max_retry_delay = Duration::from_millis(20);
    options.connect_timeout = Duration::from_secs(5);
    options.stall_timeout = Duration::from_secs(2);
    options.ack_timeout = Duration::from_secs(1);
    options.last_ack_timeout = Duration::from_secs(1);
    options.give_up_after = Duration::from_secs(4);
    options.wait_for_server = Duration::from_secs(4);
    options.max_attempts = Some(8);
    options.max_time = Some(Duration::from_secs(40));
    options.on_lost_ack = match plan.on_lost_ack {
        "restart" => LostAckPolicy::Restart,
        "resend" => LostAckPolicy::Resend,
        "accept" => LostAckPolicy::Accept,
        _ => LostAckPolicy::Auto,
    };
    options.verify = match plan.verify {
        "always" => VerifyPolicy::Always,
        "never" => VerifyPolicy::Never,
        _ => VerifyPolicy::Auto,
    };
    options.if_exists = match plan.if_exists {
        "skip" => IfExists::Skip,
        "fail" => IfExists::Fail,
        _ => IfExists::Try,
    };
    if let Some(optional) = plan.reply {
        options.reply_to = ReplyTo::Memory(1000);
        options.reply_optional = optional;
    }
    if plan.login {
        options.credentials =
            Some(Credentials { user: "ann".into(), password: Secret::new(PASSWORD) });
        options.allow_cleartext_credentials = plan.cleartext;
    }
    options
}
