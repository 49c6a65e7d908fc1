//! A fault of ours in every function and around every callback: a status, a handle that is refused,
//! and a process that goes on. The hook is there in builds with debug assertions.

use std::fmt::Write as _;

use bitsup_server::Config;

use crate::arguments::MAY_BE_NULL;
use crate::build;
use crate::entry_points::{all, name, parameters};
use crate::every_function::{gives_status, run, values};
use crate::programs::Stage;
use crate::support::{self, capi};

/// A function that looks at what came of a call.
const HELPERS: &str = r#"
/* The call met the fault; if it has a status, that and the error say so. */
static void panicked(int has_status, bitsup_status status,
                     bitsup_error **error, const char *words,
                     const char *function)
{
  if (atomic_load(&armed)) {
    fprintf(stderr, "%s has no point that can fail\n", function);
    exit(1);
  }
  if (has_status && status != BITSUP_STATUS_PANIC) {
    fprintf(stderr, "%s: %s\n", function, bitsup_status_name(status));
    exit(1);
  }
  if (error) {
    if (bitsup_error_status(*error) != BITSUP_STATUS_PANIC ||
        !strstr(bitsup_error_message(*error), words)) {
      fprintf(stderr, "%s: %s\n", function, bitsup_error_message(*error));
      exit(1);
    }
    bitsup_error_free(*error);
    *error = NULL;
  }
}
"#;

/// A call by which a spoiled handle shows itself.
const PROBES: [(&str, &str); 6] = [
    ("bitsup_client", "bitsup_client_set_limit_rate(a->client, 1, &error)"),
    ("bitsup_options", "bitsup_options_check(a->options, &error)"),
    ("bitsup_upload", "bitsup_upload_suspend(a->upload, &error)"),
    ("bitsup_session", "bitsup_session_close(a->session, &error)"),
    ("bitsup_journal", "bitsup_journal_get(a->journal, 0, &a->entry, &error)"),
    ("bitsup_report", "bitsup_report_problem(a->report, &error)"),
];

fn renew(handle: &str) -> &'static str {
    match handle {
        "bitsup_client" => "renew_client(a)",
        "bitsup_options" => "renew_options(a)",
        "bitsup_upload" => "renew_upload(a)",
        "bitsup_session" => "renew_session(a)",
        "bitsup_journal" => "renew_journal(a)",
        "bitsup_token" => "renew_token(a)",
        "bitsup_report" => "renew_report(a)",
        other => panic!("no way is known to make another {other}"),
    }
}

#[test]
fn a_fault_in_every_function_is_a_status_and_spoils_its_handle() {
    let functions = all();
    let names: Vec<String> = functions.iter().map(name).collect();
    let symbols: Vec<&str> = include_str!("../../symbols.txt").lines().collect();
    assert_eq!(names, symbols);
    let mut calls = String::new();
    for function in &functions {
        let name = name(function);
        let parameters = parameters(function);
        let first = parameters
            .first()
            .filter(|(of, _)| !MAY_BE_NULL.contains(&(name.as_str(), of.as_str())))
            .map(|(_, kind)| kind.rsplit(' ').next().unwrap_or(kind));
        let handle = first.filter(|kind| {
            PROBES.iter().any(|(known, _)| known == kind) || *kind == "bitsup_token"
        });
        // Nothing is taken where the end of a handle fails, so it is ended again.
        let ends = name.ends_with("_free");
        let arguments: Vec<&str> = match (ends, handle) {
            (true, Some(handle)) => vec![own(handle)],
            (true, None) => vec!["a->error"],
            _ => values(function).iter().map(|(value, _)| *value).collect(),
        };
        let call = format!("{name}({})", arguments.join(", "));
        let error = if call.contains("&error") { "&error" } else { "NULL" };
        writeln!(calls, "  atomic_store(&armed, 1);").expect("to a string");
        if gives_status(function) {
            writeln!(calls, "  panicked(1, {call}, {error}, \"injected at entry\", \"{name}\");")
        } else {
            writeln!(calls, "  (void){call};\n  panicked(0, 0, NULL, \"\", \"{name}\");")
        }
        .expect("to a string");
        let Some(handle) = handle else { continue };
        if !ends {
            let probe = PROBES.iter().find(|(known, _)| *known == handle).map(|(_, probe)| *probe);
            match probe {
                Some(probe) => writeln!(
                    calls,
                    "  panicked(1, {probe}, &error, \"cannot be used\", \"{name}, then\");"
                ),
                None => writeln!(calls, "  if (*bitsup_token_text(a->token))\n    exit(1);"),
            }
            .expect("to a string");
        }
        writeln!(calls, "  {};", renew(handle)).expect("to a string");
    }
    run(HELPERS, &calls);
}

/// The program's own handle of a kind.
fn own(handle: &str) -> &'static str {
    match handle {
        "bitsup_client" => "a->client",
        "bitsup_options" => "a->options",
        "bitsup_upload" => "a->upload",
        "bitsup_session" => "a->session",
        "bitsup_journal" => "a->journal",
        "bitsup_token" => "a->token",
        "bitsup_report" => "a->report",
        other => panic!("the program has no {other}"),
    }
}

#[test]
fn a_fault_around_every_callback_ends_the_upload_and_nothing_else() {
    let stage = Stage::new(&capi().join("tests/capi/programs/faults.c"), &[], Config::default());
    support::succeed(
        build::checked(&stage.program).env("RUST_BACKTRACE", "0").arg(stage.server.url("/x.bin")),
    );
}
