//! nginx in front of a BITS server.

use crate::common::Setup;
use crate::common::payload;
use crate::common::peer::upload;
use crate::common::program::{Place, Program, adapted};
use crate::common::wire::with;

const PLAIN: &str = include_str!("conf/nginx.conf");

/// All around the servers: one process in the foreground, and nothing outside of the folder.
fn arguments(place: &Place, servers: &str) -> Vec<String> {
    let folder = place.path().display();
    let servers = place.write("servers.conf", servers);
    let main = place.write(
        "nginx.conf",
        format!(
            "daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log {folder}/error.log;\n\
             events {{ worker_connections 256; }}\n\
             http {{\n  access_log {folder}/access.log;\n  client_body_temp_path {folder}/body;\n  \
             proxy_temp_path {folder}/proxy;\n  fastcgi_temp_path {folder}/fastcgi;\n  \
             uwsgi_temp_path {folder}/uwsgi;\n  scgi_temp_path {folder}/scgi;\n  \
             include {servers};\n}}\n"
        ),
    );
    ["-e", "stderr", "-p", &place.file(""), "-c", &main].map(str::to_owned).to_vec()
}

#[test]
fn an_upload_passes() {
    let setup = Setup::new(&[]);
    let server = setup.server.address().to_string();
    let nginx = Program::start("nginx", 1, |place| {
        let listen = format!("listen 127.0.0.1:{};", place.port(0));
        arguments(place, &adapted(PLAIN, &[("127.0.0.1:8080", &server), ("listen 80;", &listen)]))
    });
    let Some(nginx) = nginx else { return };
    let bytes = payload(3_000_000);
    let options = with(|o| o.fragment_size = Some(700_000));
    let receipt = upload(&format!("http://{}/x.bin", nginx.address(0)), &bytes, options);
    assert_eq!(receipt.expect("uploaded").fragments, 5);
    assert!(setup.published("x.bin") == bytes);
}
