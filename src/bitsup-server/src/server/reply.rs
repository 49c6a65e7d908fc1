//! Upload-reply: what the server application says.

use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::process::Command;

use crate::server::ack::{APPLICATION_TIMED_OUT, CONTEXT_APPLICATION, E_FAIL, Refusal};
use crate::server::config::Reply;
use crate::server::exchange::off_thread;
use crate::server::session::Session;

/// Gets the reply to a complete upload and returns its URL for the client. The command is told
/// of it by reference: the paths of the request and of the reply file are its last arguments.
pub(crate) async fn make(
    reply: &Reply,
    session: &Arc<Session>,
    limit: Duration,
) -> Result<String, Refusal> {
    match reply {
        Reply::StaticUrl(url) => Ok(url.clone()),
        Reply::Command(words) => {
            run(words, session, limit).await?;
            // Relative and with backslashes, as IIS writes it: MC-BUP §4.2.
            Ok(format!(r"BITS-Sessions\Replies\{}\responsefile.bin", session.id))
        }
    }
}

async fn run(words: &[String], session: &Arc<Session>, limit: Duration) -> Result<(), Refusal> {
    let failed = |what: String| {
        tracing::warn!("the reply command failed: {what}");
        Refusal::new(500, E_FAIL, CONTEXT_APPLICATION)
    };
    let (program, arguments) = words.split_first().ok_or_else(|| failed("it is empty".into()))?;
    let running = Command::new(program)
        .args(arguments)
        .arg(session.data_path())
        .arg(session.reply_path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let mut running = running.map_err(|error| failed(format!("{program}: {error}")))?;
    match tokio::time::timeout(limit, running.wait()).await {
        Err(_) => {
            return Err(Refusal::new(408, APPLICATION_TIMED_OUT, CONTEXT_APPLICATION));
        }
        Ok(Err(error)) => return Err(failed(error.to_string())),
        Ok(Ok(status)) if !status.success() => return Err(failed(status.to_string())),
        Ok(Ok(_)) => {}
    }
    // A command that wrote no reply gave an empty one.
    let session = Arc::clone(session);
    let there = off_thread(move || {
        std::fs::OpenOptions::new().append(true).create(true).open(session.reply_path()).map(drop)
    });
    there.await.and_then(|made| made).map_err(|error: io::Error| Refusal::from_io(&error))
}
