//! Tries NULL for every pointer of every function.

use std::fmt::Write as _;

use crate::entry_points::{all, name, parameters};
use crate::every_function::{gives_status, run, values};

/// Pointers that may be NULL, beside `error` and userdata, as the header says of them.
pub(crate) const MAY_BE_NULL: [(&str, &str); 24] = [
    ("bitsup_client_new", "options"),
    ("bitsup_doctor", "options"),
    ("bitsup_journal_cancel", "options"),
    ("bitsup_journal_resume", "options"),
    ("bitsup_options_set_on_credentials", "callback"),
    ("bitsup_options_set_on_log", "callback"),
    ("bitsup_options_set_on_progress", "callback"),
    ("bitsup_options_set_on_retry", "callback"),
    ("bitsup_options_set_on_state", "callback"),
    ("bitsup_options_set_on_transcript", "callback"),
    ("bitsup_options_set_text", "text"),
    ("bitsup_ping", "options"),
    ("bitsup_session_create", "name"),
    ("bitsup_session_create", "options"),
    ("bitsup_session_send", "next_offset"),
    ("bitsup_upload_import", "options"),
    ("bitsup_upload_import_bytes", "options"),
    ("bitsup_upload_import_callbacks", "options"),
    ("bitsup_upload_import_memory", "options"),
    ("bitsup_upload_set_userdata", "userdata"),
    ("bitsup_upload_start", "options"),
    ("bitsup_upload_start_bytes", "options"),
    ("bitsup_upload_start_callbacks", "options"),
    ("bitsup_upload_start_memory", "options"),
];

/// Functions that look at what came of a call.
const HELPERS: &str = r#"
/* Frees what a call has made. */
static void renew(struct arguments *a, bitsup_error **error)
{
  if (a->new_upload != a->upload) /* which may have ended */
    bitsup_upload_free(a->new_upload);
  bitsup_options_free(a->new_options);
  bitsup_session_free(a->new_session);
  bitsup_journal_free(a->new_journal);
  bitsup_token_free(a->new_token);
  bitsup_report_free(a->new_report);
  bitsup_client_free(a->new_client);
  bitsup_error_free(*error);
  a->new_upload = NULL;
  a->new_options = NULL;
  a->new_session = NULL;
  a->new_journal = NULL;
  a->new_token = NULL;
  a->new_report = NULL;
  a->new_client = NULL;
  *error = NULL;
}

/* A call that must have failed, with an error that says which pointer. */
static void refused(bitsup_status status, bitsup_error **error,
                    const char *function, const char *pointer)
{
  if (status != BITSUP_STATUS_INVALID_ARGUMENT) {
    fprintf(stderr, "%s without %s: %s\n", function, pointer,
            bitsup_status_name(status));
    exit(1);
  }
  if (error) {
    if (!strstr(bitsup_error_message(*error), "NULL")) {
      fprintf(stderr, "%s without %s: %s\n", function, pointer,
              bitsup_error_message(*error));
      exit(1);
    }
    bitsup_error_free(*error);
    *error = NULL;
  }
}
"#;

#[test]
fn null_is_a_status_in_every_place() {
    let mut calls = String::new();
    let mut tried = 0;
    for function in all() {
        let (name, parameters) = (name(&function), parameters(&function));
        if name.ends_with("_free") {
            writeln!(calls, "  {name}(NULL);").expect("to a string");
            tried += 1;
            continue;
        }
        let values = values(&function);
        for (at, (of, kind)) in parameters.iter().enumerate().filter(|(at, _)| values[*at].1) {
            let arguments: Vec<&str> = (0..values.len())
                .map(|other| if other == at { "NULL" } else { values[other].0 })
                .collect();
            let call = format!("{name}({})", arguments.join(", "));
            let fails = gives_status(&function)
                && kind != "*mut *mut bitsup_error"
                && !MAY_BE_NULL.contains(&(name.as_str(), of.as_str()));
            if fails {
                let error = if call.contains("&error") { "&error" } else { "NULL" };
                writeln!(calls, "  refused({call}, {error}, \"{name}\", \"{of}\");")
            } else {
                writeln!(calls, "  (void){call};\n  renew(a, &error);")
            }
            .expect("to a string");
            tried += 1;
        }
        if name == "bitsup_options_set_on_log" {
            // Which is of the client: uploads would refuse the options from now on.
            writeln!(calls, "  renew_options(a);").expect("to a string");
        }
    }
    assert!(tried > 200, "only {tried} pointers were found");
    run(HELPERS, &calls);
}
