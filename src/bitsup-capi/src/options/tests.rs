//! Every setter reaches what it is named after. Those of a configuration are the same text.

use std::path::Path;
use std::ptr;
use std::time::Duration;

use bitsup::{
    AuthChoice, Credentials, HostPolicy, IfExists, LostAckPolicy, ProxyChoice, ReplyTo,
    ResumeCheck, Secret, VerifyPolicy,
};

use super::{bitsup_upload_options, credentials, limits, policies, proxy, reply, tls};
use crate::choices::Choices;
use crate::status::bitsup_status as Status;

/// Options that are set by C functions.
struct Set(*mut bitsup_upload_options);

macro_rules! set {
    ($set:expr, $module:ident::$function:ident($($argument:expr),*)) => {
        // SAFETY: as the header asks.
        let status = unsafe { $module::$function($set.0, $($argument,)* ptr::null_mut()) };
        assert_eq!(status, Status::Ok, stringify!($function));
    };
}

impl Set {
    fn new() -> Self {
        Self(super::bitsup_upload_options_new())
    }

    fn choices(&self) -> Choices {
        let mut choices = Choices::default();
        // SAFETY: it was not freed.
        unsafe { &*self.0 }.changes().apply(&mut choices);
        choices.complete().ok().expect("a user has a password")
    }
}

impl Drop for Set {
    fn drop(&mut self) {
        // SAFETY: the last use.
        unsafe { super::bitsup_upload_options_free(self.0) };
    }
}

fn login(user: &str, password: &str) -> Credentials {
    Credentials { user: user.to_owned(), password: Secret::new(password) }
}

#[test]
fn credentials_and_headers() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("secret");
    std::fs::write(&file, "from a file\n").expect("written");
    let path = std::ffi::CString::new(file.to_str().expect("UTF-8")).expect("no zero byte");
    let (start, length) = (path.as_ptr(), path.as_bytes().len());
    let set = Set::new();
    set!(set, credentials::bitsup_upload_options_set_user(c"D\\u".as_ptr()));
    set!(set, credentials::bitsup_upload_options_set_password(c"p".as_ptr()));
    set!(set, credentials::bitsup_upload_options_set_bearer_token(c"t".as_ptr()));
    set!(set, credentials::bitsup_upload_options_set_auth(2));
    set!(set, credentials::bitsup_upload_options_set_allow_cleartext_credentials(1));
    set!(set, credentials::bitsup_upload_options_set_header(c"X-A".as_ptr(), c"old".as_ptr()));
    set!(set, credentials::bitsup_upload_options_set_header(c"x-a".as_ptr(), c"new".as_ptr()));
    set!(set, credentials::bitsup_upload_options_set_secret_header(c"X-B".as_ptr(), c"b".as_ptr()));
    let options = set.choices().options;
    assert_eq!(options.credentials, Some(login("D\\u", "p")));
    assert_eq!(options.bearer_token, Some(Secret::new("t")));
    assert_eq!(options.auth, AuthChoice::Digest);
    assert!(options.allow_cleartext_credentials);
    assert_eq!(format!("{:?}", options.headers), "[x-a: new, X-B: …]");

    set!(set, credentials::bitsup_upload_options_set_password_file(start));
    set!(set, credentials::bitsup_upload_options_set_token_file_bytes(start, length));
    let options = set.choices().options;
    assert_eq!(options.credentials, Some(login("D\\u", "from a file")));
    assert_eq!(options.bearer_token, Some(Secret::new("from a file")));
    set!(set, credentials::bitsup_upload_options_set_password(c"last".as_ptr()));
    set!(set, credentials::bitsup_upload_options_set_token_file(start));
    assert_eq!(set.choices().options.credentials, Some(login("D\\u", "last")));
    set!(set, credentials::bitsup_upload_options_set_password_file_bytes(start, length));
    let options = set.choices().options;
    assert_eq!(options.credentials, Some(login("D\\u", "from a file")));
    assert_eq!(options.bearer_token, Some(Secret::new("from a file")));
}

#[test]
fn proxy_and_tls() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("secret");
    std::fs::write(&file, "hush").expect("written");
    let path = std::ffi::CString::new(file.to_str().expect("UTF-8")).expect("no zero byte");
    let set = Set::new();
    set!(set, proxy::bitsup_upload_options_set_proxy(c"".as_ptr()));
    assert_eq!(set.choices().options.proxy, ProxyChoice::Direct);
    set!(set, proxy::bitsup_upload_options_set_proxy(c"http://p:1".as_ptr()));
    set!(set, proxy::bitsup_upload_options_set_noproxy(c"a,b".as_ptr()));
    set!(set, proxy::bitsup_upload_options_set_proxy_user(c"pu".as_ptr()));
    set!(set, proxy::bitsup_upload_options_set_proxy_password(c"pp".as_ptr()));
    let options = set.choices().options;
    assert_eq!(options.proxy, ProxyChoice::Url("http://p:1".to_owned()));
    assert_eq!(options.no_proxy.as_deref(), Some("a,b"));
    assert_eq!(options.proxy_credentials, Some(login("pu", "pp")));
    assert_eq!(options.credentials, None);
    set!(set, proxy::bitsup_upload_options_set_proxy_password_file(path.as_ptr()));
    assert_eq!(set.choices().options.proxy_credentials, Some(login("pu", "hush")));
    let length = path.as_bytes().len();
    set!(set, proxy::bitsup_upload_options_set_proxy_password_file_bytes(path.as_ptr(), length));
    assert_eq!(set.choices().options.proxy_credentials, Some(login("pu", "hush")));

    set!(set, proxy::bitsup_upload_options_set_proxy_auth(1));
    set!(set, proxy::bitsup_upload_options_set_proxy_ca_file(c"pca".as_ptr()));
    set!(set, proxy::bitsup_upload_options_set_resolve(c"a.example:80:127.0.0.1".as_ptr()));
    set!(set, proxy::bitsup_upload_options_set_resolve(c"b.example:80:127.0.0.1".as_ptr()));
    let options = set.choices().options;
    assert_eq!(options.proxy_auth, AuthChoice::Basic);
    assert_eq!(options.tls.proxy_ca_file.as_deref(), Some(Path::new("pca")));
    assert_eq!(options.resolve.len(), 2);
    set!(set, proxy::bitsup_upload_options_set_proxy_ca_file_bytes(c"pcas".as_ptr(), 3));
    let proxy_ca = set.choices().options.tls.proxy_ca_file;
    assert_eq!(proxy_ca.as_deref(), Some(Path::new("pca")));

    set!(set, tls::bitsup_upload_options_set_ca_file(c"ca".as_ptr()));
    set!(set, tls::bitsup_upload_options_set_client_cert(c"cert".as_ptr()));
    set!(set, tls::bitsup_upload_options_set_client_key(c"key".as_ptr()));
    set!(set, tls::bitsup_upload_options_set_client_key_password(c"phrase".as_ptr()));
    set!(set, tls::bitsup_upload_options_set_pinned_key(c"sha256//x".as_ptr()));
    set!(set, tls::bitsup_upload_options_set_insecure(7));
    let tls = set.choices().options.tls;
    assert_eq!(tls.ca_file.as_deref(), Some(Path::new("ca")));
    assert_eq!(tls.cert.as_deref(), Some(Path::new("cert")));
    assert_eq!(tls.key.as_deref(), Some(Path::new("key")));
    assert_eq!(tls.key_password, Some(Secret::new("phrase")));
    assert_eq!(tls.pinned_public_key.as_deref(), Some("sha256//x"));
    assert!(tls.insecure);
    set!(set, tls::bitsup_upload_options_set_ca_file_bytes(c"ca2".as_ptr(), 3));
    set!(set, tls::bitsup_upload_options_set_client_cert_bytes(c"cert2".as_ptr(), 5));
    set!(set, tls::bitsup_upload_options_set_client_key_bytes(c"key2".as_ptr(), 4));
    set!(set, tls::bitsup_upload_options_set_client_key_password_file(path.as_ptr()));
    let tls = set.choices().options.tls;
    assert_eq!(tls.ca_file.as_deref(), Some(Path::new("ca2")));
    assert_eq!(tls.cert.as_deref(), Some(Path::new("cert2")));
    assert_eq!(tls.key.as_deref(), Some(Path::new("key2")));
    assert_eq!(tls.key_password, Some(Secret::new("hush")));
    set!(set, tls::bitsup_upload_options_set_client_key_password_file_bytes(path.as_ptr(), length));
    assert_eq!(set.choices().options.tls.key_password, Some(Secret::new("hush")));
}

#[test]
fn sizes_and_times() {
    let set = Set::new();
    set!(set, limits::bitsup_upload_options_set_fragment_size(1));
    set!(set, limits::bitsup_upload_options_set_max_fragment(2));
    set!(set, limits::bitsup_upload_options_set_min_fragment(3));
    set!(set, limits::bitsup_upload_options_set_connect_timeout_ms(4));
    set!(set, limits::bitsup_upload_options_set_stall_timeout_ms(5));
    set!(set, limits::bitsup_upload_options_set_ack_timeout_ms(6));
    set!(set, limits::bitsup_upload_options_set_last_ack_timeout_ms(7));
    set!(set, limits::bitsup_upload_options_set_give_up_after_ms(8));
    set!(set, limits::bitsup_upload_options_set_wait_for_server_ms(9));
    set!(set, limits::bitsup_upload_options_set_retry_delay_ms(10));
    set!(set, limits::bitsup_upload_options_set_max_retry_delay_ms(11));
    set!(set, limits::bitsup_upload_options_set_max_attempts(12));
    set!(set, limits::bitsup_upload_options_set_max_time_ms(13));
    set!(set, limits::bitsup_upload_options_set_max_bytes(14));
    let options = set.choices().options;
    let time = Duration::from_millis;
    assert_eq!((options.fragment_size, options.max_fragment), (Some(1), 2));
    assert_eq!((options.min_fragment, options.connect_timeout), (3, time(4)));
    assert_eq!((options.stall_timeout, options.ack_timeout), (time(5), time(6)));
    assert_eq!((options.last_ack_timeout, options.give_up_after), (time(7), time(8)));
    assert_eq!((options.wait_for_server, options.retry_delay), (time(9), time(10)));
    assert_eq!((options.max_retry_delay, options.max_attempts), (time(11), Some(12)));
    assert_eq!((options.max_time, options.max_bytes), (Some(time(13)), Some(14)));
    set!(set, limits::bitsup_upload_options_set_fragment_size(0));
    set!(set, limits::bitsup_upload_options_set_max_attempts(0));
    set!(set, limits::bitsup_upload_options_set_max_time_ms(0));
    set!(set, limits::bitsup_upload_options_set_max_bytes(0));
    let options = set.choices().options;
    assert_eq!((options.fragment_size, options.max_attempts), (None, None));
    assert_eq!((options.max_time, options.max_bytes), (None, None));
}

#[test]
fn policies_and_replies() {
    let set = Set::new();
    set!(set, policies::bitsup_upload_options_set_host_id(1));
    set!(set, policies::bitsup_upload_options_set_trusted_host(c"a".as_ptr()));
    set!(set, policies::bitsup_upload_options_set_trusted_host(c".b".as_ptr()));
    set!(set, policies::bitsup_upload_options_set_if_exists(1));
    set!(set, policies::bitsup_upload_options_set_verify(2));
    set!(set, policies::bitsup_upload_options_set_on_lost_ack(3));
    set!(set, policies::bitsup_upload_options_set_resume_check(1));
    set!(set, policies::bitsup_upload_options_set_fresh(1));
    set!(set, policies::bitsup_upload_options_set_no_resume(1));
    set!(set, policies::bitsup_upload_options_set_require_resume(1));
    set!(set, policies::bitsup_upload_options_set_sha256(1));
    set!(set, policies::bitsup_upload_options_set_refuse_empty(1));
    set!(set, policies::bitsup_upload_options_set_lenient(1));
    set!(set, policies::bitsup_upload_options_set_content_name(c"n".as_ptr()));
    set!(set, policies::bitsup_upload_options_set_note(c"o".as_ptr()));
    set!(set, reply::bitsup_upload_options_set_reply_memory(9));
    set!(set, reply::bitsup_upload_options_set_reply_optional(1));
    set!(set, reply::bitsup_upload_options_set_reply_max_size(10));
    let options = set.choices().options;
    assert_eq!(options.host_id, HostPolicy::Any);
    assert_eq!(options.trusted_hosts, ["a", ".b"]);
    assert_eq!(options.if_exists, IfExists::Skip);
    assert_eq!(options.verify, VerifyPolicy::Never);
    assert_eq!(options.on_lost_ack, LostAckPolicy::Accept);
    assert_eq!(options.resume_check, ResumeCheck::Tail);
    assert!(options.fresh && options.no_resume && options.require_resume && options.sha256);
    assert!(options.refuse_empty && options.lenient && options.reply_optional);
    assert_eq!(options.content_name.as_deref(), Some("n"));
    assert_eq!(options.note.as_deref(), Some("o"));
    assert_eq!((options.reply_to, options.reply_max_size), (ReplyTo::Memory(9), 10));
    set!(set, reply::bitsup_upload_options_set_reply_path(c"r".as_ptr()));
    assert_eq!(set.choices().options.reply_to, ReplyTo::File("r".into()));
    set!(set, reply::bitsup_upload_options_set_reply_path_bytes(c"rs".as_ptr(), 2));
    assert_eq!(set.choices().options.reply_to, ReplyTo::File("rs".into()));
    set!(set, policies::bitsup_upload_options_set_post_override(1));
    assert!(set.choices().options.post_override);
    set!(set, policies::bitsup_upload_options_set_polite(1));
    assert!(set.choices().options.polite);
    set!(set, policies::bitsup_upload_options_set_sha256(0));
    assert!(!set.choices().options.sha256);
}

/// Names of setters that differ from those of the options.
const RENAMED: [(&str, &str); 8] = [
    ("credentials", "user"),
    ("headers", "header"),
    ("no_proxy", "noproxy"),
    ("proxy_credentials", "proxy_user"),
    ("reply_to", "reply_path"),
    ("tls", "ca_file"),
    ("transcript", "on_transcript"),
    ("trusted_hosts", "trusted_host"),
];

#[test]
fn every_option_has_a_setter() {
    let shown = format!("{:#?}", bitsup::UploadOptions::default());
    let fields = shown.lines().filter_map(|line| line.strip_prefix("    ")?.split_once(':'));
    let fields: Vec<&str> =
        fields.map(|(name, _)| name).filter(|name| !name.starts_with(' ')).collect();
    assert!(fields.len() > 35, "{shown}");
    let symbols = include_str!("../../symbols.txt");
    for field in fields {
        let renamed = RENAMED.iter().find(|(option, _)| *option == field);
        let setter = renamed.map_or(field, |(_, setter)| setter);
        let symbol = format!("bitsup_upload_options_set_{setter}");
        let there = symbols.lines().any(|line| line == symbol || line == format!("{symbol}_ms"));
        assert!(there, "{field} has no setter");
    }
}
