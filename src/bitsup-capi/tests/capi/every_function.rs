//! Programs that call every function, written from the sources.

use bitsup_server::{Config, Server};
use syn::ItemFn;

use crate::entry_points::{name, parameters};
use crate::{build, support};

/// What stands for a parameter: a value that is right, and whether NULL can be tried.
pub(crate) fn value(function: &str, name: &str, kind: &str) -> (&'static str, bool) {
    match (kind, name) {
        ("*mut *mut bitsup_error", _) => ("&error", true),
        ("*mut *mut bitsup_client", _) => ("&a->new_client", true),
        ("*mut *mut bitsup_upload", _) => ("&a->new_upload", true),
        ("*mut *mut bitsup_session", _) => ("&a->new_session", true),
        ("*mut *mut bitsup_journal", _) => ("&a->new_journal", true),
        ("*mut *mut bitsup_token", _) => ("&a->new_token", true),
        ("*mut *mut bitsup_report", _) => ("&a->new_report", true),
        ("*mut bitsup_client" | "*const bitsup_client", _) => ("a->client", true),
        ("*const bitsup_options", "options") if function == "bitsup_client_new" => {
            ("a->config", true)
        }
        ("*mut bitsup_options" | "*const bitsup_options", _) => ("a->options", true),
        ("*mut *mut bitsup_options", _) => ("&a->new_options", true),
        ("*mut bitsup_option_facts", _) => ("&a->facts", true),
        ("*mut bitsup_upload" | "*const bitsup_upload", _) => ("a->upload", true),
        ("*mut bitsup_session" | "*const bitsup_session", _) => ("a->session", true),
        ("*const bitsup_journal", _) => ("a->journal", true),
        ("*const bitsup_token", _) => ("a->token", true),
        ("*const bitsup_report", _) => ("a->report", true),
        ("*mut bitsup_journal_entry", _) => ("&a->entry", true),
        ("*mut bitsup_credential_reply", _) => ("a->reply", true),
        ("*const bitsup_error", _) => ("a->error", true),
        ("*mut bitsup_progress", _) => ("&a->progress", true),
        ("*mut bitsup_receipt", _) => ("&a->receipt", true),
        ("*const bitsup_source", _) => ("&a->source", true),
        ("*mut u64", _) => ("&a->offset", true),
        ("*mut c_char", "buffer") => ("a->buffer", true),
        ("*mut c_void", "userdata") => ("NULL", false),
        ("bitsup_destroy_callback", _) => ("NULL", false),
        ("c_int", "option") => match function {
            "bitsup_options_set_number" => ("BITSUP_OPTION_FRESH", false),
            "bitsup_options_add_text" => ("BITSUP_OPTION_TRUSTED_HOSTS", false),
            "bitsup_options_set_bytes" => ("BITSUP_OPTION_REPLY", false),
            _ => ("BITSUP_OPTION_NOTE", false),
        },
        ("*const c_char", "name") if function == "bitsup_options_set_by_name" => ("\"note\"", true),
        ("*const c_char", "name") if function == "bitsup_option_by_name" => ("\"note\"", true),
        ("*const c_void", "data") => ("\"x\"", true),
        ("*const c_char", "url") => ("a->url", true),
        ("*const c_char", "id") => ("a->id", true),
        ("*const c_char", "token") => ("a->token_text", true),
        ("*const c_char", "timetable") => ("\"00:00-24:00=off\"", true),
        ("*const c_char", "path") => ("a->path", true),
        ("*const c_char", _) => ("\"X-Text\"", true),
        ("bitsup_credential_callback", _) => ("on_credential", true),
        ("bitsup_log_callback", _) => ("on_log", true),
        ("bitsup_progress_callback", _) => ("on_progress", true),
        ("bitsup_retry_callback", _) => ("on_retry", true),
        ("bitsup_state_callback", _) => ("on_state", true),
        ("bitsup_transcript_callback", _) => ("on_transcript", true),
        ("usize", "index") => ("0", false),
        ("usize", "path_length") => ("strlen(a->path)", false),
        ("usize", "length") if function.ends_with("_bytes") => ("strlen(a->path)", false),
        ("i64", "bytes_per_second") => ("BITSUP_UNLIMITED", false),
        ("usize" | "u64" | "u32" | "c_int" | "i64", _) => ("1", false),
        (kind, name) => panic!("{function}: no value is known for {name}: {kind}"),
    }
}

/// What stands for the parameters when all is right.
pub(crate) fn values(function: &ItemFn) -> Vec<(&'static str, bool)> {
    let name = name(function);
    parameters(function).iter().map(|(of, kind)| value(&name, of, kind)).collect()
}

/// Whether the function's result is a status that tells how it went.
pub(crate) fn gives_status(function: &ItemFn) -> bool {
    name(function) != "bitsup_error_status"
        && matches!(&function.sig.output, syn::ReturnType::Type(_, kind)
            if matches!(&**kind, syn::Type::Path(path) if path.path.is_ident("bitsup_status")))
}

/// Runs a program of these calls, with what they need around them.
pub(crate) fn run(helpers: &str, calls: &str) {
    let head = include_str!("programs/every-function.c");
    let program = format!(
        "{head}{helpers}\nstatic void call_all(struct arguments *a)\n{{\n  bitsup_error *error = NULL;\n{calls}}}\n"
    );
    let folder = tempfile::tempdir().expect("folder");
    let source = folder.path().join("program.c");
    std::fs::write(&source, program).expect("written");
    let binary = folder.path().join("program");
    build::compile(&source, &binary, &[]);
    let root = tempfile::tempdir().expect("root");
    let config = Config {
        root: root.path().to_owned(),
        overwrite: true,
        fault: Some("fragment 2: hang".parse().expect("a fault script")),
        ..Config::default()
    };
    let server = Server::start(config).expect("server");
    let other = tempfile::tempdir().expect("root");
    let login = Some(("u".to_owned(), "p".to_owned()));
    let config = Config { root: other.path().to_owned(), basic_auth: login, ..Config::default() };
    let guarded = Server::start(config).expect("server");
    let mut command = build::checked(&binary);
    command.env("RUST_BACKTRACE", "0").arg(server.url("/x.bin")).arg(&source);
    command.arg(folder.path().join("state")).arg(guarded.url("/x.bin"));
    support::succeed(&mut command);
}
