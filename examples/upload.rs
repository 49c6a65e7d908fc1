//! Uploads a file: `cargo run --example upload -- FILE URL`

use bitsup::{Client, Event, Flow, Source};

fn main() -> Result<(), bitsup::Error> {
    let mut arguments = std::env::args().skip(1);
    let (Some(file), Some(url)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: upload FILE URL");
        std::process::exit(2);
    };
    let client = Client::new()?;
    let upload = client
        .upload(Source::path(file)?, &url)
        .on_event(|event| {
            if let Event::Progress(progress) = event {
                eprintln!("{} {}/{}", progress.state.name(), progress.acknowledged, progress.total);
            }
            Flow::Continue
        })
        .start()?;
    match upload.wait() {
        Ok(receipt) => println!("{} bytes in {:?}", receipt.size, receipt.duration),
        Err(error) => {
            eprintln!("{error}\n{}", error.advice());
            std::process::exit(error.kind().exit_code().into());
        }
    }
    Ok(())
}
