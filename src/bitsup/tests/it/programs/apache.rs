//! Apache httpd in front of a BITS server.

use crate::common::peer::upload;
use crate::common::program::{Program, adapted};
use crate::common::wire::with;
use crate::common::{Setup, payload};

const APACHE: &str = include_str!("conf/apache.conf");

#[test]
fn an_upload_passes() {
    let setup = Setup::new(&[]);
    let server = setup.server.address().to_string();
    let apache = Program::start("apache2", 1, |place| {
        let port = place.port(0);
        let places = [("127.0.0.1:8080", &*server), ("*:80", &*format!("127.0.0.1:{port}"))];
        let modules =
            ["mpm_event", "authz_core", "reqtimeout", "proxy", "proxy_http"].map(|name| {
                format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n")
            });
        let folder = place.path().display();
        let around = format!(
            "ServerRoot {folder}\nDefaultRuntimeDir {folder}\nPidFile {folder}/pid\n\
             ErrorLog {folder}/error.log\nUser www-data\nGroup www-data\nServerName test.example\n\
             Listen 127.0.0.1:{port}\n"
        );
        let config = modules.concat() + &around + &adapted(APACHE, &places);
        ["-DFOREGROUND", "-f", &place.write("apache.conf", config)].map(str::to_owned).to_vec()
    });
    let Some(apache) = apache else { return };
    let bytes = payload(500_000);
    let options = with(|o| o.fragment_size = Some(150_000));
    let receipt = upload(&format!("http://{}/x.bin", apache.address(0)), &bytes, options);
    let receipt = receipt.expect("uploaded");
    assert_eq!((receipt.fragments, receipt.restarts), (4, 0), "{receipt:?}");
    assert!(setup.published("x.bin") == bytes);
}
