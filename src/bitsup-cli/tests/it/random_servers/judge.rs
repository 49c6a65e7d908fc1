//! Whether an upload ended in the truth.

use bitsup_server::model::{
    Before, Entry, HeadHabit, HostId, Idle, Model, Offsets, Packet, PingHabit, Received, ReplyUrl,
};

use super::plan::{By, Plan};
use super::run::{Done, ENCODED, PASSWORD, QUERY, Run};

/// More requests than any run here can need: an endless loop exceeds it.
const MOST_REQUESTS: usize = 2500;

/// A word for the kind, and a sentence.
pub(crate) type Problem = (&'static str, String);

/// What is wrong about an upload.
pub(crate) fn problems(done: &Done) -> Vec<Problem> {
    let mut problems: Vec<_> =
        done.violations.iter().map(|text| ("wire", text.clone())).take(3).collect();
    for (number, run) in done.runs.iter().enumerate() {
        let mut say = |kind, text: &str| problems.push((kind, format!("run {number}: {text}")));
        match run.code {
            None => say("hang", "it did not end"),
            Some(0) => {
                if let Some((kind, text)) = untrue_success(done, run) {
                    say(kind, &text);
                }
            }
            Some(code) => {
                if let Some(text) = untrue_code(&done.plan, run, code) {
                    say("exit code", &text);
                }
            }
        }
        if run.log.len() > MOST_REQUESTS {
            say("loop", &format!("{} requests", run.log.len()));
        }
        for (place, text) in &run.shown {
            let ids = done.ids.iter().map(String::as_str);
            if ids.chain([PASSWORD, ENCODED, QUERY]).any(|secret| text.contains(secret)) {
                say("secret", &format!("a secret in {place}: {text}"));
            }
            if text.contains("nothing is left on the server") && run.open > 0 {
                say("left", &format!("{} sessions are left", run.open));
            }
        }
    }
    problems
}

/// Whether exit 0 says more than is so.
fn untrue_success(done: &Done, run: &Run) -> Option<Problem> {
    let plan = &done.plan;
    let Some(receipt) = run.receipt else {
        return Some(("receipt", "success without a receipt".into()));
    };
    if receipt.skipped {
        let seen = plan.habits.before >= Before::SameSize
            && matches!(plan.habits.head, HeadHabit::True | HeadHabit::Undated);
        let asked = plan.if_exists == "skip" && seen;
        return (!asked).then(|| ("skipped", "skipped without a file of that size".into()));
    }
    if let Some(optional) = plan.reply {
        let right = run.reply.as_deref() == Some(Model::reply());
        let none = run.reply.as_deref().is_none_or(<[u8]>::is_empty);
        if !(right || (optional && none)) {
            return Some(("reply", format!("the reply is {:?}", run.reply)));
        }
    }
    let published = run.published.as_deref();
    if published == Some(&plan.source[..]) {
        return None;
    }
    let stored = published.map_or("nothing".into(), |data| format!("{} bytes", data.len()));
    let text = format!("exit 0 ({receipt:?}), and the file is {stored} of {}", plan.source.len());
    // TRU-07: no client can know without a HEAD that says so.
    let empty = plan.source.is_empty() && !plan.habits.makes_empty_files;
    if empty && (plan.verify == "never" || !can_prove_absence(run)) {
        return None;
    }
    // The only unproven successes that the rules allow; each says so in its receipt.
    let allowed = match plan.on_lost_ack {
        // OFF-13: an echo is followed.
        "resend" => true,
        // SES-05: an undecided Close-Session counts.
        "accept" if !receipt.close_confirmed => true,
        // Bytes lost in a crash: where an echo is remembered nothing is asked before Close-Session (TRU-05),
        // nor where Close-Session was sent once, and the second one that is acknowledged is success (TRU-02).
        _ => done.lost_bytes,
    };
    // Nor does anything tell of a crash where each connection ends anyway.
    let unseen = done.lost_bytes && plan.habits.idle != Idle::Stays;
    ((receipt.verified || !allowed) && !unseen).then_some(("false success", text))
}

/// Whether a HEAD after Close-Session could say that there is no file.
fn can_prove_absence(run: &Run) -> bool {
    let mut after = run.log.iter().rev().take_while(|entry| entry.packet != Packet::Close);
    after.any(|entry| entry.packet == Packet::Head && matches!(entry.status, 404 | 410))
}

/// Whether an exit code names something that did not happen.
fn untrue_code(plan: &Plan, run: &Run, code: u8) -> Option<String> {
    let any = |test: &dyn Fn(&Entry) -> bool| run.log.iter().any(test);
    let late = run.elapsed.as_millis() > 900;
    // Connections that end by habit meet requests that are never answered, or a login that lives on one.
    let restless = plan.habits.idle != Idle::Stays || plan.habits.http10 || plan.habits.no_length;
    let unanswered = any(&|entry| entry.status == 0) || late || restless;
    // A session that was replaced again and again, since no answer proved where to go on.
    let replaced = run.log.iter().filter(|entry| entry.packet == Packet::Create).count() > 1;
    // The option trusts an echo, a lost connection asks for one, and a server that appends stores the question.
    let appended =
        restless && plan.on_lost_ack == "resend" && plan.habits.offsets == Offsets::AppendEcho;
    // A connection that ended brings a HEAD, and what answers that is another one.
    let misled = restless && plan.habits.head == HeadHabit::Portal;
    let disturbed =
        any(&|entry| !entry.is_plain() || entry.fault.is_some()) || late || appended || misled;
    let truthful = match code {
        4 => any(&|entry| matches!(entry.status, 401 | 407)),
        6 => unanswered || any(&|entry| matches!(entry.status, 408 | 409 | 429 | 500..)),
        7 => any(&|entry| entry.status >= 300) || replaced || !expects_success(plan),
        8 => disturbed || replaced || !expects_success(plan),
        9 => disturbed,
        _ => false,
    };
    if !disturbed && expects_success(plan) {
        return Some(format!("exit {code} from a server without any fault"));
    }
    (!truthful).then(|| format!("exit {code} has no cause in what the server did"))
}

/// Whether an upload to such a server succeeds if all its answers are good ones.
fn expects_success(plan: &Plan) -> bool {
    let habits = &plan.habits;
    let fits = habits.quota.is_none_or(|quota| quota >= plan.source.len() as u64);
    let replies = match plan.reply {
        None => true,
        Some(optional) => {
            let offered = if plan.source.is_empty() { None } else { habits.reply };
            offered == Some(ReplyUrl::Own) || (offered.is_none() && optional)
        }
    };
    let proves = plan.verify != "always"
        || (habits.head == HeadHabit::True && habits.dated && habits.clock_runs);
    let follows = !matches!(habits.host_id, HostId::Elsewhere | HostId::Invalid);
    let empty =
        !plan.source.is_empty() || (habits.makes_empty_files && habits.head != HeadHabit::Portal);
    replies
        && proves
        && follows
        && empty
        && fits
        && habits.received != Received::Absent
        && habits.ping == PingHabit::Ack
        && (plan.if_exists != "fail" || habits.before == Before::Nothing)
}

/// How an upload is repeated.
pub(crate) fn repeat(plan: &Plan) -> String {
    let by = match plan.by {
        By::Tool => "tool",
        By::Library => "library",
    };
    format!(
        "BITSUP_RANDOM_SERVERS=1 BITSUP_SEED={} cargo test -p bitsup-cli --no-default-features --test it random_servers ({by})",
        plan.seed
    )
}
