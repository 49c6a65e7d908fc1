//! microsocks, a SOCKS5 server that wants a login.

use bitsup::{Credentials, ErrorKind, ProxyChoice, Secret};

use crate::common::peer::upload;
use crate::common::program::Program;
use crate::common::wire::with;
use crate::common::{Setup, payload};

#[test]
fn an_upload_passes_with_the_right_login_only() {
    let setup = Setup::new(&[]);
    let microsocks = Program::start("microsocks", 1, |place| {
        let port = place.port(0).to_string();
        ["-i", "127.0.0.1", "-p", &port, "-u", "u", "-P", "hunter2"].map(str::to_owned).to_vec()
    });
    let Some(microsocks) = microsocks else { return };
    let bytes = payload(1_000_000);
    let through = |scheme: &str, login: Option<(&str, &str)>| {
        with(|o| {
            o.fragment_size = Some(300_000);
            o.proxy = ProxyChoice::Url(format!("{scheme}://{}", microsocks.address(0)));
            o.no_proxy = Some(String::new());
            o.proxy_credentials = login.map(|(user, password)| Credentials {
                user: user.to_owned(),
                password: Secret::new(password),
            });
        })
    };
    for scheme in ["socks5h", "socks5"] {
        let receipt = upload(&setup.url(scheme), &bytes, through(scheme, Some(("u", "hunter2"))));
        assert_eq!(receipt.expect(scheme).fragments, 4);
        assert!(setup.published(scheme) == bytes);
    }
    let seen = setup.server.requests().len();
    for login in [Some(("u", "wrong")), None] {
        let error = upload(&setup.url("x"), &bytes, through("socks5h", login));
        let error = error.expect_err("no way through");
        assert_eq!(error.kind(), ErrorKind::ProxyAuth, "{login:?}: {error}");
        let words =
            if login.is_some() { "refused the credentials" } else { "requires credentials" };
        assert!(error.message().contains(words), "{error}");
    }
    assert_eq!(setup.server.requests().len(), seen);
}
