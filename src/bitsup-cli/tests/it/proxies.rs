//! The options and the environment's variables for proxies.

use crate::common::Place;
use bitsup_server::scripted::{Reply, Request, Scripted};

/// `u:hunter2`
const LOGIN: &str = "Basic dTpodW50ZXIy";

/// A proxy that wants a login, and answers in the place of every server.
fn proxy() -> Scripted {
    Scripted::start(|_, request: &Request, _| {
        if request.header("Proxy-Authorization") == LOGIN {
            return Reply::ack();
        }
        Reply::status(407, "Proxy Authentication Required")
            .header("Proxy-Authenticate", "Basic realm=\"proxy\"")
    })
}

#[test]
fn the_options_lead_through_a_proxy() {
    let (place, proxy) = (Place::new(), proxy());
    place.write("secret", b"hunter2\n");
    let url = proxy.url("");
    let options =
        ["--proxy", &url, "--proxy-user", "u", "--proxy-password-file", "secret", "--proxy-auth"];
    let args: Vec<&str> =
        ["ping", "http://server.example/up/"].into_iter().chain(options).chain(["basic"]).collect();
    place.run(&args).ok();
    let requests = proxy.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].header("Proxy-Authorization"), "");
    assert_eq!(requests[1].target, "http://server.example/up/");

    // Digest alone is not what the proxy offers.
    let args: Vec<&str> =
        args.iter().map(|arg| if *arg == "basic" { "digest" } else { arg }).collect();
    let ended = place.run(args);
    assert_eq!(ended.code, 4, "{ended:?}");
    assert_eq!(proxy.requests().len(), 3);
}

#[test]
fn the_password_may_come_from_the_environment_and_never_from_the_url() {
    let (place, proxy) = (Place::new(), proxy());
    let url = proxy.url("");
    let args = ["ping", "http://server.example/", "-x", &url, "--proxy-user", "u"];
    let output = place.command(args).env("BITSUP_PROXY_PASSWORD", "hunter2").output();
    assert!(output.expect("ran").status.success());
    let with_login = url.replace("http://", "http://u:hunter2@");
    let ended = place.run(["ping", "http://server.example/", "-x", &with_login]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(!ended.stderr.contains("hunter2"), "{ended:?}");
}

#[test]
fn the_environment_names_a_proxy_and_who_needs_none() {
    let (place, proxy) = (Place::new(), proxy());
    let server = Scripted::start(|_, _, _| Reply::ack());
    let through = proxy.url("").replace("http://", "http://u:hunter2@");
    let ping = |url: &str, variables: &[(&str, &str)], more: &[&str]| {
        let mut command = place.command(["ping", url].iter().chain(more));
        command.envs(variables.iter().copied());
        command.output().expect("ran").status.success()
    };
    let set = [("http_proxy", through.as_str())];
    assert!(ping("http://server.example/", &set, &[]));
    assert_eq!(proxy.requests().len(), 1);
    let address = server.url("/");
    assert!(ping(&address, &[set[0], ("no_proxy", "127.0.0.0/8")], &[]));
    assert!(ping(&address, &set, &["--noproxy", "127.0.0.1"]));
    assert!(ping(&address, &set, &["--proxy", ""]));
    // In capitals it could come from a header of a web server's client.
    assert!(ping(&address, &[("HTTP_PROXY", &through)], &[]));
    assert_eq!((server.requests().len(), proxy.requests().len()), (4, 1));
    assert!(ping("http://server.example/", &[("ALL_PROXY", &through)], &[]));
    assert_eq!(proxy.requests().len(), 2);
}

#[test]
fn a_proxy_of_the_environment_that_cannot_be_used_is_named_before_any_packet() {
    let _rule = bitsup_server::rule!("NAM-05");
    let (place, peer) = (Place::new(), Scripted::start(|_, _, _| Reply::ack()));
    place.write("a.bin", b"x");
    let at = peer.address();
    let url = peer.url("/up/x");
    for (name, proxy) in [
        ("http_proxy", format!("http={at}")),
        ("http_proxy", format!("ftp://operator:hunter2@{at}")),
        ("all_proxy", "http://operator:hunter2@127.0.0.1:99999".to_owned()),
        ("ALL_PROXY", format!("http://operator:hun@ter2@{at}")),
        ("http_proxy", format!("http://operator:{}#hunter2@{at}", at.port())),
        ("http_proxy", format!("http://127.0.0.1:{}/hunter2@{at}", at.port())),
        ("http_proxy", format!("http://127.0.0.1:{}?hunter2@{at}", at.port())),
    ] {
        for command in [&["ping"][..], &["upload", "--json", "a.bin"], &["upload", "a.bin"]] {
            let mut run = place.command(command.iter().copied().chain([url.as_str()]));
            let ended =
                crate::common::Ended::from(run.env(name, &proxy).output().expect("started"));
            assert_eq!(ended.code, 2, "{proxy} {command:?}: {ended:?}");
            assert!(ended.stderr.contains(name), "{proxy}: {ended:?}");
            let all = format!("{}{}", ended.stdout, ended.stderr);
            for part in ["hunter2", "ter2", "operator"] {
                assert!(!all.contains(part), "{proxy}: {ended:?}");
            }
        }
    }
    assert_eq!(peer.connections().len(), 0);
}
