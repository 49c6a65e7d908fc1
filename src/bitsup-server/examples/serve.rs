//! A server for tests in other languages: `serve ROOT [--fault SCRIPT] [--user U:P] [--host-id H] [--reply COMMAND] [--max-fragment N]`.
//! Prints its URL, then a line for each request (packet, target, status, `Content-Range`), and ends with its standard input.

use std::io::{Read, Write};
use std::sync::Arc;

use bitsup_server::{Config, Reply, Server};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let root = arguments.next().ok_or("the root folder is missing")?;
    let mut config = Config { root: root.into(), overwrite: true, ..Config::default() };
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or("an option without value")?;
        match option.as_str() {
            "--fault" => config.fault = Some(value.parse()?),
            "--user" => {
                let (user, password) = value.split_once(':').ok_or("--user takes user:password")?;
                config.basic_auth = Some((user.to_owned(), password.to_owned()));
            }
            "--host-id" => config.host_id = Some(value),
            "--reply" => config.reply = Some(Reply::Command(vec![value])),
            "--max-fragment" => config.max_fragment = Some(value.parse()?),
            other => return Err(format!("{other} is no option").into()),
        }
    }
    config.on_request = Some(Arc::new(|request| {
        let packet = request.packet_type().unwrap_or_else(|| request.method.clone());
        let status = request.status.map_or("-".into(), |status| status.to_string());
        let range = request.header("content-range").unwrap_or_default();
        println!("{packet} {} {status} {range}", request.target);
    }));
    let server = Server::start(config)?;
    println!("{}", server.url(""));
    std::io::stdout().flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    server.stop();
    Ok(())
}
