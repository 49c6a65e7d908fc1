//! Tries NULL for every pointer of every function, in a C program that is written from the sources.

use std::fmt::Write as _;
use std::process::Command;

use crate::entry_points::{all, name, parameters};
use crate::support;

/// Pointers that may be NULL, beside `error` and userdata, as the header says of them.
const MAY_BE_NULL: [(&str, &str); 20] = [
    ("bitsup_client_new", "config"),
    ("bitsup_config_set_on_log", "callback"),
    ("bitsup_config_set_on_progress", "callback"),
    ("bitsup_config_set_on_state", "callback"),
    ("bitsup_journal_cancel", "options"),
    ("bitsup_journal_resume", "options"),
    ("bitsup_ping", "options"),
    ("bitsup_session_create", "name"),
    ("bitsup_session_create", "options"),
    ("bitsup_session_send", "next_offset"),
    ("bitsup_upload_options_set_on_progress", "callback"),
    ("bitsup_upload_options_set_on_state", "callback"),
    ("bitsup_upload_import", "options"),
    ("bitsup_upload_import_bytes", "options"),
    ("bitsup_upload_import_callbacks", "options"),
    ("bitsup_upload_import_memory", "options"),
    ("bitsup_upload_start", "options"),
    ("bitsup_upload_start_bytes", "options"),
    ("bitsup_upload_start_callbacks", "options"),
    ("bitsup_upload_start_memory", "options"),
];

/// What stands for a parameter: a value that is right, and whether NULL can be tried.
fn value(function: &str, name: &str, kind: &str) -> (&'static str, bool) {
    match (kind, name) {
        ("*mut *mut bitsup_error", _) => ("&error", true),
        ("*mut *mut bitsup_client", _) => ("&a->new_client", true),
        ("*mut *mut bitsup_upload", _) => ("&a->new_upload", true),
        ("*mut *mut bitsup_session", _) => ("&a->new_session", true),
        ("*mut *mut bitsup_journal", _) => ("&a->new_journal", true),
        ("*mut *mut bitsup_token", _) => ("&a->new_token", true),
        ("*mut bitsup_client" | "*const bitsup_client", _) => ("a->client", true),
        ("*mut bitsup_config" | "*const bitsup_config", _) => ("a->config", true),
        ("*mut bitsup_upload_options" | "*const bitsup_upload_options", _) => ("a->options", true),
        ("*mut bitsup_upload" | "*const bitsup_upload", _) => ("a->upload", true),
        ("*mut bitsup_session" | "*const bitsup_session", _) => ("a->session", true),
        ("*const bitsup_journal", _) => ("a->journal", true),
        ("*const bitsup_token", _) => ("a->token", true),
        ("*mut bitsup_journal_entry", _) => ("&a->entry", true),
        ("*const bitsup_error", _) => ("a->error", true),
        ("*mut bitsup_progress", _) => ("&a->progress", true),
        ("*mut bitsup_receipt", _) => ("&a->receipt", true),
        ("*const bitsup_source", _) => ("&a->source", true),
        ("*mut u64", _) => ("&a->offset", true),
        ("*mut c_char", "buffer") => ("a->buffer", true),
        ("*mut c_void", "userdata") => ("NULL", false),
        ("*const c_void", "data") => ("\"x\"", true),
        ("*const c_char", "url") => ("a->url", true),
        ("*const c_char", "id") => ("a->id", true),
        ("*const c_char", "token") => ("bitsup_token_text(a->token)", true),
        ("*const c_char", "path") => ("a->path", true),
        ("*const c_char", _) => ("\"X-Text\"", true),
        ("bitsup_log_callback", _) => ("on_log", true),
        ("bitsup_progress_callback", _) => ("on_progress", true),
        ("bitsup_state_callback", _) => ("on_state", true),
        ("usize", "index") => ("0", false),
        ("usize", "path_length") => ("strlen(a->path)", false),
        ("usize", "length") if function.ends_with("_bytes") => ("strlen(a->path)", false),
        ("u64", "bytes_per_second") => ("0", false),
        ("usize" | "u64" | "u32" | "c_int" | "i64", _) => ("1", false),
        (kind, name) => panic!("{function}: no value is known for {name}: {kind}"),
    }
}

/// One C function for each entry point with parameters that can be NULL.
fn program() -> (String, usize) {
    let mut calls = String::new();
    let mut tried = 0;
    for function in all() {
        let (name, parameters) = (name(&function), parameters(&function));
        if name.ends_with("_free") {
            writeln!(calls, "  {name}(NULL);").expect("to a string");
            tried += 1;
            continue;
        }
        let gives_status = matches!(&function.sig.output, syn::ReturnType::Type(_, kind)
            if matches!(&**kind, syn::Type::Path(path) if path.path.is_ident("bitsup_status")));
        let values: Vec<_> = parameters.iter().map(|(of, kind)| value(&name, of, kind)).collect();
        for (at, (of, kind)) in parameters.iter().enumerate().filter(|(at, _)| values[*at].1) {
            let arguments: Vec<&str> = (0..values.len())
                .map(|other| if other == at { "NULL" } else { values[other].0 })
                .collect();
            let call = format!("{name}({})", arguments.join(", "));
            let fails = gives_status
                && name != "bitsup_error_status"
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
    }
    let program = format!("{}\n{calls}{}", include_str!("programs/arguments-head.c"), "}\n");
    (program, tried)
}

#[test]
fn null_is_a_status_in_every_place() {
    let (program, tried) = program();
    assert!(tried > 150, "only {tried} pointers were found");
    let folder = tempfile::tempdir().expect("folder");
    let source = folder.path().join("arguments.c");
    std::fs::write(&source, program).expect("written");
    let binary = folder.path().join("arguments");
    support::compile(&source, &binary, &[]);
    let root = tempfile::tempdir().expect("root");
    let config = bitsup_server::Config {
        root: root.path().to_owned(),
        overwrite: true,
        fault: Some("fragment 2: hang".parse().expect("a fault script")),
        ..bitsup_server::Config::default()
    };
    let server = bitsup_server::Server::start(config).expect("server");
    let command: &mut Command = &mut support::checked(&binary);
    let state = folder.path().join("state");
    support::succeed(command.arg(server.url("/x.bin")).arg(&source).arg(&state));
}
