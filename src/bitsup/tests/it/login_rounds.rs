//! Login rounds: what goes out before a packet is let in, and that no body stays behind.

use std::collections::BTreeSet;

use crate::common::payload;
use crate::common::peer::{Call, Peer, Turn, ended, range, received, start, upload};
use crate::common::wire::{of_type, types, with};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bitsup::{
    AuthChoice, Client, Credentials, ErrorKind, ProxyChoice, ReplyTo, Secret, UploadOptions,
};
use bitsup_server::scripted::{Reply, Request};
use md5::{Digest as _, Md5};

const SIZE: usize = 2500;

fn login(o: &mut UploadOptions, auth: AuthChoice) {
    o.credentials = Some(Credentials { user: "u".into(), password: Secret::new("secret") });
    o.auth = auth;
}

fn ask_digest(nonce: &str) -> Reply {
    let words = format!("Digest realm=\"up\", nonce=\"{nonce}\", qop=\"auth\", opaque=\"o\"");
    Reply::status(401, "Unauthorized").header("WWW-Authenticate", &words)
}

fn hash(text: &str) -> String {
    format!("{:032x}", u128::from_be_bytes(Md5::digest(text.as_bytes()).into()))
}

/// The value of a parameter of a Digest login.
fn parameter(value: &str, name: &str) -> String {
    let mut parts = value.trim_start_matches("Digest ").split(", ");
    let part = parts.find_map(|part| part.strip_prefix(&format!("{name}=")));
    part.unwrap_or_default().trim_matches('"').to_owned()
}

/// Whether a header shows the right Digest login for this very request, and with that nonce.
fn is_logged_in(request: &Request, header: &str, nonce: &str) -> bool {
    let shown = request.header(header);
    let part = |name: &str| parameter(&shown, name);
    let secret = hash("u:up:secret");
    let target = request.target.strip_prefix("http://origin.test").unwrap_or(&request.target);
    let what = hash(&format!("{}:{target}", request.method));
    let (count, own) = (part("nc"), part("cnonce"));
    let right = hash(&format!("{secret}:{nonce}:{count}:{own}:auth:{what}"));
    part("nonce") == nonce && part("uri") == target && part("response") == right
}

/// That each Fragment went out with its whole body, and what it carried.
fn whole_fragments(peer: &Peer) -> usize {
    let fragments = of_type(&peer.raw, "Fragment");
    for request in &fragments {
        let (first, end) = range(request).expect("a range");
        assert_eq!(request.body.len() as u64, end - first, "{:?}", peer.packets());
        assert_eq!(request.header("Content-Length"), (end - first).to_string());
    }
    fragments.len()
}

#[test]
fn a_digest_login_is_made_with_pings_and_no_fragment_is_held_back() {
    let _rule = bitsup_server::rule!("TRU-01", "AUT-07", "AUT-08");
    for auth in [AuthChoice::Any, AuthChoice::Digest] {
        // Asked on Ping and Create-Session only: the session stands for the login afterwards.
        let peer = Peer::start(|call| {
            let asks = matches!(call.packet, "Ping" | "Create-Session");
            if asks && !is_logged_in(call.request, "Authorization", "n1") {
                return Turn::Answer(ask_digest("n1"));
            }
            Turn::Serve
        });
        let client = Client::new().expect("client");
        for round in 1..3 {
            let options = with(|o| login(o, auth));
            ended(&start(&client, &peer.url(), &payload(SIZE), options)).expect("uploaded");
            assert_eq!(peer.files(), vec![payload(SIZE); round]);
        }
        assert_eq!(whole_fragments(&peer), 6);
        let once = ["Ping", "Ping", "Create-Session", "Fragment", "Fragment", "Fragment"];
        let mut expected = once.to_vec();
        expected.push("Close-Session");
        expected.extend(expected.clone());
        assert_eq!(types(&peer.raw), expected);
        // Each request has a number of its own.
        let shown = peer.raw.requests().into_iter().map(|own| own.header("Authorization"));
        let shown: Vec<String> = shown.filter(|value| !value.is_empty()).collect();
        let counts: BTreeSet<_> =
            shown.iter().map(|own| (parameter(own, "cnonce"), parameter(own, "nc"))).collect();
        assert_eq!((counts.len(), shown.len()), (12, 12));
    }
}

#[test]
fn where_a_ping_is_not_challenged_packets_go_whole_and_are_answered_once() {
    let _rule = bitsup_server::rule!("TRU-01", "AUT-01");
    for packet in ["Create-Session", "Fragment", "Close-Session"] {
        // Not on another connection, where what was learned of the server is still known.
        let mut dropped = false;
        let peer = Peer::start(move |call| {
            if call.packet == packet && !is_logged_in(call.request, "Authorization", "n1") {
                return Turn::Answer(ask_digest("n1"));
            }
            if call.is("Fragment", 3) && !std::mem::replace(&mut dropped, true) {
                return Turn::Answer(Reply::status(503, "Busy").then_close());
            }
            Turn::Serve
        });
        upload(&peer.url(), &payload(SIZE), with(|o| login(o, AuthChoice::Any))).expect("uploaded");
        assert_eq!(peer.files(), [payload(SIZE)], "{packet}");
        whole_fragments(&peer);
        let requests = of_type(&peer.raw, packet);
        let bare: Vec<_> =
            requests.iter().filter(|own| own.header("Authorization").is_empty()).collect();
        assert_eq!(bare.len(), 1, "{packet}: {:?}", peer.packets());
    }
}

#[test]
fn a_nonce_that_is_too_old_costs_one_more_request_and_no_password() {
    let _rule = bitsup_server::rule!("TRU-01", "AUT-03");
    // A new nonce from the second Fragment on.
    let mut nonce = "n1";
    let peer = Peer::start(move |call| {
        if call.is("Fragment", 2) {
            nonce = "n2";
        }
        if is_logged_in(call.request, "Authorization", nonce) {
            return Turn::Serve;
        }
        let words = format!("Digest realm=\"up\", nonce=\"{nonce}\", qop=\"auth\", stale=true");
        Turn::Answer(Reply::status(401, "Who").header("WWW-Authenticate", &words))
    });
    upload(&peer.url(), &payload(SIZE), with(|o| login(o, AuthChoice::Any))).expect("uploaded");
    assert_eq!(peer.files(), [payload(SIZE)]);
    assert_eq!(whole_fragments(&peer), 4);
    // A wrong password is shown once.
    let peer = Peer::start(|_| Turn::Answer(ask_digest("n1")));
    let error = upload(&peer.url(), &payload(SIZE), with(|o| login(o, AuthChoice::Any)))
        .expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    let shown = |own: &&Request| !own.header("Authorization").is_empty();
    assert_eq!(peer.raw.requests().iter().filter(shown).count(), 1, "{:?}", peer.packets());
}

#[test]
fn a_nonce_that_is_too_old_for_a_reply_is_no_refusal() {
    let _rule = bitsup_server::rule!("AUT-03", "RPL-06");
    // Each nonce is good once.
    let mut nonce = 1;
    let peer = Peer::start(move |call| {
        if !is_logged_in(call.request, "Authorization", &nonce.to_string()) {
            let words = format!("Digest realm=\"up\", nonce=\"{nonce}\", qop=\"auth\", stale=true");
            return Turn::Answer(Reply::status(401, "Who").header("WWW-Authenticate", &words));
        }
        nonce += 1;
        match call.packet {
            "Fragment" if range(call.request).is_some_and(|(_, end)| end == 2500) => {
                Turn::After(received(2500).header("BITS-Reply-URL", "/r.bin"))
            }
            "GET" => Turn::Answer(Reply::status(200, "OK").body(b"the reply")),
            _ => Turn::Serve,
        }
    });
    let options = with(|o| {
        login(o, AuthChoice::Any);
        o.reply_to = ReplyTo::Memory(100_000);
    });
    let receipt = upload(&peer.url(), &payload(SIZE), options).expect("uploaded");
    assert_eq!(receipt.reply.as_deref(), Some(&b"the reply"[..]));
}

#[test]
fn what_answers_a_login_in_the_place_of_close_session_is_no_answer_to_it() {
    let _rule = bitsup_server::rule!("TRU-03");
    // All bytes are there, and the server goes away: it is busy, then it knows the session no more.
    let (mut asked, mut is_busy, mut is_lost) = (false, false, false);
    let peer = Peer::start(move |call| {
        if asked && !std::mem::replace(&mut is_busy, true) {
            return Turn::Answer(Reply::status(503, "Busy"));
        }
        if let Some(reply) = ntlm(call.request).filter(|_| call.packet == "Ping") {
            return Turn::Answer(reply);
        }
        match (call.packet, range(call.request)) {
            ("Fragment", Some((_, 2500))) if !std::mem::replace(&mut asked, true) => {
                Turn::After(received(2500).header("Connection", "close").then_close())
            }
            ("Close-Session", _) if !std::mem::replace(&mut is_lost, true) => {
                let reply = Reply::status(500, "No").header("BITS-Packet-Type", "Ack");
                Turn::Answer(reply.header("BITS-Error-Code", "0x8020001F"))
            }
            _ => Turn::Serve,
        }
    });
    let options = with(|o| {
        login(o, AuthChoice::Ntlm);
        o.verify = bitsup::VerifyPolicy::Never;
    });
    let receipt = upload(&peer.url(), &payload(SIZE), options).expect("sent again");
    assert_eq!((receipt.restarts, receipt.close_confirmed), (1, true), "{:?}", peer.packets());
}

#[test]
fn a_login_that_is_turned_away_leaves_no_close_unclear() {
    let (mut is_stored, mut is_busy) = (false, false);
    let peer = Peer::start(move |call| {
        if is_stored && !std::mem::replace(&mut is_busy, true) {
            return Turn::Answer(Reply::status(503, "Busy"));
        }
        if let Some(reply) =
            ntlm(call.request).filter(|_| ["Ping", "Create-Session"].contains(&call.packet))
        {
            return Turn::Answer(reply);
        }
        is_stored |= call.packet == "Fragment";
        match call.packet {
            "Fragment" => Turn::After(received(2500).header("Connection", "close").then_close()),
            _ => Turn::Serve,
        }
    });
    let client = Client::new().expect("client");
    let options = with(|o| login(o, AuthChoice::Ntlm));
    let mut session = client.session(&peer.url(), 2500, "x.bin", &options).expect("created");
    session.send(payload(SIZE)).expect("sent");
    let error = session.close().expect_err("busy");
    assert_eq!(error.http_status(), Some(503));
    assert!(!error.to_string().contains("unclear"), "{error} {:?}", peer.packets());
    session.close().expect("closed");
    assert_eq!(peer.files(), [payload(SIZE)]);
}

#[test]
fn a_proxys_digest_login_holds_no_fragment_back() {
    let _rule = bitsup_server::rule!("TRU-01", "LOG-01");
    let url = "http://origin.test/up/x.bin";
    let ask = || {
        let words = "Digest realm=\"up\", nonce=\"p1\", qop=\"auth\"";
        Turn::Answer(Reply::status(407, "Proxy login").header("Proxy-Authenticate", words))
    };
    for once in [true, false] {
        for auth in [AuthChoice::Any, AuthChoice::Digest] {
            // A proxy that remembers who has logged in, or asks each time.
            let mut known = false;
            let peer = Peer::start(move |call| {
                known |= is_logged_in(call.request, "Proxy-Authorization", "p1");
                let asks = if once {
                    !known
                } else {
                    call.request.header("Proxy-Authorization").is_empty()
                };
                if asks { ask() } else { Turn::Serve }
            });
            let options = with(|o| {
                o.proxy = ProxyChoice::Url(format!("http://{}", peer.raw.address()));
                o.no_proxy = Some(String::new());
                login(o, AuthChoice::Any);
                o.proxy_credentials = o.credentials.take();
                o.proxy_auth = auth;
            });
            upload(url, &payload(SIZE), options).expect("uploaded");
            assert_eq!(peer.files(), [payload(SIZE)]);
            assert_eq!(whole_fragments(&peer), 3);
            assert!(peer.raw.requests().iter().all(|own| own.header("Authorization").is_empty()));
        }
    }
}

/// The second message of NTLM ([MS-NLMP] 2.2.1.2), with a time in its target information.
fn ntlm_challenge() -> String {
    let mut info = vec![2, 0, 2, 0, b'X', 0, 7, 0, 8, 0];
    info.extend(133_000_000_000_000_000_u64.to_le_bytes());
    info.extend([0; 4]);
    let length = u16::try_from(info.len()).expect("short").to_le_bytes();
    let mut message = b"NTLMSSP\0\x02\0\0\0\0\0\0\0\x38\0\0\0".to_vec();
    message.extend(0xe289_8235_u32.to_le_bytes());
    message.extend(b"12345678\0\0\0\0\0\0\0\0");
    message.extend([length, length].concat());
    message.extend(b"\x38\0\0\0\x0a\0\x63\x45\0\0\0\x0f");
    message.extend(info);
    BASE64.encode(message)
}

/// What NTLM answers; `None`: the login is complete.
fn ntlm(request: &Request) -> Option<Reply> {
    let reply = Reply::status(401, "Unauthorized");
    let shown = request.header("Authorization");
    if shown.starts_with("NTLM TlRMTVNTUAAD") {
        None
    } else if shown.starts_with("NTLM TlRMTVNTUAAB") {
        Some(reply.header("WWW-Authenticate", &format!("NTLM {}", ntlm_challenge())))
    } else {
        Some(reply.header("WWW-Authenticate", "NTLM"))
    }
}

#[test]
fn ntlm_on_one_packet_only_is_answered_with_that_packet() {
    let _rule = bitsup_server::rule!("TRU-01", "AUT-01", "GIV-03");
    for packet in ["Create-Session", "Fragment", "Close-Session"] {
        for auth in [AuthChoice::Any, AuthChoice::Ntlm] {
            // Each of these packets is asked, whatever the connection has shown.
            let peer = Peer::start(move |call| match ntlm(call.request) {
                Some(reply) if call.packet == packet => Turn::Answer(reply),
                _ => Turn::Serve,
            });
            upload(&peer.url(), &payload(SIZE), with(|o| login(o, auth))).expect("uploaded");
            assert_eq!(peer.files(), [payload(SIZE)], "{packet}");
            whole_fragments(&peer);
            assert!(peer.raw.requests().len() < 32, "{:?}", peer.packets());
        }
    }
}

#[test]
fn a_login_that_is_never_enough_ends() {
    type Act = fn(&Call<'_>) -> Turn;
    let _rule = bitsup_server::rule!("GIV-03");
    let never: Act = |call| match call.packet {
        "Ping" => Turn::Serve,
        _ => Turn::Answer(Reply::status(401, "Who").header("WWW-Authenticate", "NTLM")),
    };
    // It takes the login with a Ping, and asks again at Create-Session.
    let again: Act = |call| match (call.packet, ntlm(call.request)) {
        ("Ping", Some(reply)) => Turn::Answer(reply),
        ("Ping", None) => Turn::Serve,
        (_, reply) => Turn::Answer(
            reply.unwrap_or_else(|| Reply::status(401, "Who").header("WWW-Authenticate", "NTLM")),
        ),
    };
    for act in [never, again] {
        let peer = Peer::start(act);
        let error = upload(&peer.url(), &payload(SIZE), with(|o| login(o, AuthChoice::Any)))
            .expect_err("never let in");
        assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
        assert!(peer.raw.requests().len() <= 32, "{:?}", peer.packets());
    }
    // Each nonce is called too old.
    let mut count = 0;
    let peer = Peer::start(move |_| {
        count += 1;
        let words = format!("Digest realm=\"up\", nonce=\"{count}\", stale=true");
        Turn::Answer(Reply::status(401, "Who").header("WWW-Authenticate", &words))
    });
    let error = upload(&peer.url(), &payload(SIZE), with(|o| login(o, AuthChoice::Any)))
        .expect_err("never let in");
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    assert!(peer.raw.requests().len() <= 32, "{:?}", peer.packets());
}

#[test]
fn a_proxy_that_calls_each_nonce_too_old_makes_no_loop_either() {
    let _rule = bitsup_server::rule!("GIV-03");
    for scheme in ["http", "https"] {
        let mut count = 0;
        let peer = Peer::start(move |_| {
            count += 1;
            let words = format!("Digest realm=\"up\", nonce=\"{count}\", stale=true");
            Turn::Answer(Reply::status(407, "Who").header("Proxy-Authenticate", &words))
        });
        let options = with(|o| {
            o.proxy = ProxyChoice::Url(format!("http://{}", peer.raw.address()));
            o.no_proxy = Some(String::new());
            o.proxy_credentials =
                Some(Credentials { user: "u".into(), password: Secret::new("secret") });
            o.max_attempts = Some(2);
        });
        let url = format!("{scheme}://origin.test/up/x.bin");
        upload(&url, &payload(SIZE), options).expect_err("never let in");
        assert!(peer.raw.requests().len() <= 32, "{:?}", peer.packets());
    }
}
