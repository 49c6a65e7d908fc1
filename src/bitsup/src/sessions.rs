//! Sessions that were kept, and how uploads go on with them.

use std::path::PathBuf;
use std::sync::Arc;

use bitsup_core::{AfterCancel, Opening};
use bitsup_proto::Checkpoint;

use crate::callbacks::{Listener, Subscriber};
use crate::client::{Client, ClientInner, UploadBuilder};
use crate::destination::Destination;
use crate::engine::{Check, Command, NewUpload};
use crate::error::{Error, ErrorKind, Left};
use crate::journal::{
    self, Contents, Difference, Entry, OpenedJournal, Proof, ResumeDecision, StateDirectory, Token,
};
use crate::options::UploadOptions;
use crate::progress::{Event, EventFilter, Flow};
use crate::source::{Opened, Source, changed};
use crate::upload::{Shared, Upload};

/// A session that was kept.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Its name in the state directory.
    pub id: String,
    /// The destination, without its query.
    pub url: String,
    /// The source.
    pub path: PathBuf,
    /// Size in bytes.
    pub size: u64,
    /// Bytes that the server acknowledged.
    pub acknowledged: u64,
    /// When the upload began and when it last got further: seconds since 1970.
    pub begun: u64,
    /// When it last got further.
    pub updated: u64,
    /// Whether an upload is running in it.
    pub in_use: bool,
    /// Whether the server may hold a session that is not known here, since the answer to its
    /// Create-Session was never stored. Where nothing was acknowledged, resuming begins anew.
    pub may_be_left: bool,
    /// What [`UploadOptions::note`] said.
    pub note: Option<String>,
}

impl Client {
    /// The sessions that were kept, oldest first. One whose journal cannot be read is an
    /// error in its place. Sends nothing, and makes and deletes no file.
    pub fn sessions(&self) -> Result<Vec<Result<SessionInfo, Error>>, Error> {
        let Some(directory) = self.inner().state_if_any()? else { return Ok(Vec::new()) };
        let mut sessions = Vec::new();
        for session in directory.list()? {
            match session {
                Ok((id, contents)) => sessions.extend(info(&directory, id, contents).map(Ok)),
                Err(error) => sessions.push(Err(error)),
            }
        }
        sessions.sort_by_key(|session| session.as_ref().map_or(0, |session| session.begun));
        Ok(sessions)
    }

    /// Begins to describe the continuation of a kept session, or a new one where its id was never stored.
    pub fn resume(&self, id: &str) -> Result<UploadBuilder, Error> {
        match self.contents(id)? {
            Contents { entry: Some(entry), .. } => {
                Ok(self.upload(Source::path(&entry.path)?, &entry.url).continuing())
            }
            Contents { intent: Some(intent), .. } => {
                Ok(self.upload(Source::path(&intent.path)?, &intent.url))
            }
            Contents { .. } => Err(unknown(id)),
        }
    }

    /// Cancels a kept session on the server and forgets it. Waits for the server. One that
    /// refuses is an error: it may keep the partial upload, and no other try would help.
    pub fn cancel_session(&self, id: &str, options: &UploadOptions) -> Result<(), Error> {
        self.cancel_with(id, options, None)
    }

    /// The same; calls `listener` for each event, as [`UploadBuilder::on_event`] does.
    pub fn cancel_session_on_event(
        &self,
        id: &str,
        options: &UploadOptions,
        listener: impl FnMut(&Event) -> Flow + Send + 'static,
    ) -> Result<(), Error> {
        self.cancel_with(id, options, Some(Box::new(listener)))
    }

    fn cancel_with(
        &self,
        id: &str,
        options: &UploadOptions,
        listener: Option<Listener>,
    ) -> Result<(), Error> {
        let directory = self.inner().state()?;
        let journal = directory.lock(id)?;
        let contents = journal::load(&journal)?;
        let lost_another = contents.lost_a_session();
        let entry = match contents {
            Contents { entry: Some(entry), .. } => entry,
            Contents { intent: Some(_), .. } => {
                journal::remove(&journal)?;
                return Err(left(
                    "the session is forgotten here, but its ID was never received: the server cannot be asked to cancel it",
                ));
            }
            Contents { .. } => return Err(unknown(id)),
        };
        let upload = cancel(
            self.inner(),
            OpenedJournal { journal, entry: Some(entry.clone()), lost: false },
            &entry,
            options,
            listener,
        )?;
        match upload.wait() {
            Err(error) if error.kind() == ErrorKind::Cancelled && error.may_be_left() => {
                Err(left("the session is forgotten here, but the server refused to cancel it"))
            }
            Err(error) if error.kind() != ErrorKind::Cancelled => Err(error),
            _ if lost_another => Err(left(
                "the session is cancelled, but another one may be left, whose ID was never received",
            )),
            _ => Ok(()),
        }
    }

    /// Forgets a kept session without telling the server.
    pub fn forget_session(&self, id: &str) -> Result<(), Error> {
        let directory = self.inner().state()?;
        journal::remove(&directory.lock(id)?)
    }

    /// A kept session as a token for [`Client::import`], here or elsewhere. It holds no
    /// password, but who has it can write to the upload.
    pub fn export(&self, id: &str) -> Result<String, Error> {
        let entry = self.contents(id)?.entry.ok_or_else(|| unknown(id))?;
        let token = Token {
            url: entry.url.clone(),
            checkpoint: entry.checkpoint.clone(),
            prefix: Some(Token::prefix_of(&entry.prefix)),
            modified: None,
            identity: Some(entry.identity),
        };
        token.encode().ok_or_else(|| {
            Error::new(ErrorKind::Internal, "the session cannot be written as a token")
        })
    }

    /// Begins to describe the continuation of a session from elsewhere. The source must
    /// hold the same bytes, which is checked before the last part goes out.
    pub fn import(&self, token: &str, source: Source) -> Result<UploadBuilder, Error> {
        let token = Token::decode(token)?;
        if token.checkpoint.size != source.size() {
            return Err(Error::new(
                ErrorKind::SourceChanged,
                format!(
                    "the source has {} bytes, and the upload that the token continues has {}",
                    source.size(),
                    token.checkpoint.size
                ),
            ));
        }
        let url = token.url.clone();
        Ok(self.upload(source, &url).with_token(token))
    }

    fn contents(&self, id: &str) -> Result<Contents, Error> {
        self.inner().state()?.read(id)
    }
}

fn unknown(id: &str) -> Error {
    Error::invalid(format!("there is no session {id}"))
}

/// A session that cannot be cancelled.
fn left(message: &'static str) -> Error {
    Error::new(ErrorKind::Refused, message)
        .with_left(Left::Part)
        .with_advice("A partial upload may remain on the server until it expires (IIS: 14 days); its administrator can delete it.")
}

fn info(directory: &StateDirectory, id: String, contents: Contents) -> Option<SessionInfo> {
    let url =
        |url: &str| Destination::parse(url).map_or_else(|_| String::new(), |url| url.to_string());
    let in_use = directory.is_locked(&id);
    let may_be_left = contents.lost_a_session();
    match contents {
        Contents { entry: Some(entry), .. } => Some(SessionInfo {
            id,
            url: url(&entry.url),
            path: entry.path,
            size: entry.checkpoint.size,
            acknowledged: entry.checkpoint.offset,
            begun: entry.begun,
            updated: entry.updated,
            in_use,
            may_be_left,
            note: entry.note,
        }),
        Contents { intent: Some(intent), .. } => Some(SessionInfo {
            id,
            url: url(&intent.url),
            path: intent.path,
            size: intent.size,
            acknowledged: 0,
            begun: intent.begun,
            updated: intent.begun,
            in_use,
            may_be_left,
            note: intent.note,
        }),
        Contents { .. } => None,
    }
}

/// Cancels a session of which only the journal is left.
pub(crate) fn cancel(
    client: &Arc<ClientInner>,
    kept: OpenedJournal,
    entry: &Entry,
    options: &UploadOptions,
    listener: Option<Listener>,
) -> Result<Upload, Error> {
    if listener.is_some() {
        client.make_ready()?;
    }
    let id = client.next_task();
    let shared = Arc::new(Shared::new(
        id,
        Subscriber::new(id, listener, EventFilter::default()),
        entry.checkpoint.size,
    ));
    let new = NewUpload {
        shared: Arc::clone(&shared),
        source: Source::bytes(Vec::new()),
        destination: Destination::parse(&entry.url)?,
        options: options.clone(),
        opening: Opening::CancelFirst(entry.checkpoint.clone(), AfterCancel::End),
        check: None,
        journal: Some(kept.journal),
        entry: Some(entry.clone()),
        warning: None,
        decides: false,
        reply_place: None,
    };
    client.send(Command::Start(id, Box::new(new)));
    Ok(Upload::new(shared, Arc::clone(client)))
}

/// How an upload with a kept session begins.
pub(crate) fn opening(
    entry: &Entry,
    source: &Source,
    options: &UploadOptions,
) -> Result<(Opening, Option<Check>), Error> {
    let checkpoint = entry.checkpoint.clone();
    let proof = match entry.standing(options.fresh, source.identity()) {
        ResumeDecision::Replaced => {
            return Ok((Opening::CancelFirst(checkpoint, AfterCancel::Upload), None));
        }
        ResumeDecision::Changed(difference) => {
            return Ok((refuse(checkpoint, entry, difference), None));
        }
        ResumeDecision::Unproven => {
            return Ok((Opening::CancelFirst(checkpoint, AfterCancel::Restart), None));
        }
        ResumeDecision::Unclear => Proof::Pending,
        ResumeDecision::Continued => Proof::Given,
    };
    let opened = source.open()?;
    if !entry.prefix.check_end(&opened).map_err(|error| unreadable(&error))? {
        let difference = "it holds other bytes than those that were sent";
        return Ok((refuse(checkpoint, entry, difference), None));
    }
    let prefix = entry.prefix.clone();
    let full = options.resume_check == crate::ResumeCheck::Full && prefix.blocks() > 0;
    let check = (full || proof == Proof::Pending).then(|| {
        Box::new(move |source: &Opened, go_on: &dyn Fn() -> bool| prefix.check_all(source, go_on))
            as Check
    });
    Ok((Opening::Resume(checkpoint, proof), check))
}

/// How an upload with a token begins.
pub(crate) fn opening_of_token(
    token: &Token,
    source: &Source,
) -> Result<(Opening, Option<Check>), Error> {
    let other = |what: &str| {
        let name = source.name().unwrap_or("the source").to_owned();
        changed(&name, what)
    };
    let known = token.identity.zip(source.identity());
    if known.is_some_and(|(then, now)| then.compare(&now) == Difference::None) {
        return Ok((Opening::Resume(token.checkpoint.clone(), Proof::Given), None));
    }
    let reaches = |(blocks, _, tail, _): &(usize, u64, u64, u64)| {
        (*blocks as u64).saturating_mul(journal::BLOCK).saturating_add(*tail)
            >= token.checkpoint.offset
    };
    let Some((blocks, digest, tail_length, tail)) = token.prefix.filter(reaches) else {
        return Err(other("it is not the file that was sent, and no hash covers its bytes"));
    };
    let opened = source.open()?;
    let length = (blocks as u64).saturating_mul(journal::BLOCK).saturating_add(tail_length);
    let same = journal::check_tail(&opened, blocks as u64, tail_length, tail);
    if length > source.size() || !same.map_err(|error| unreadable(&error))? {
        return Err(other("it holds other bytes than those that were sent"));
    }
    let check: Check = Box::new(move |source: &Opened, go_on: &dyn Fn() -> bool| {
        let hashed = journal::hash_prefix(source, length, go_on)?;
        Ok(hashed.is_none_or(|prefix| prefix.agrees_with(blocks, digest, (tail_length, tail))))
    });
    Ok((Opening::Resume(token.checkpoint.clone(), Proof::Withheld), Some(check)))
}

/// The session cannot be finished any more: it is cancelled, and the next start is a new one.
fn refuse(checkpoint: Checkpoint, entry: &Entry, difference: &str) -> Opening {
    let error = changed(&entry.path.display(), difference)
        .with_advice("The interrupted upload of the old content was cancelled; start again to upload the new one.");
    Opening::CancelFirst(checkpoint, AfterCancel::Fail(error.into_protocol()))
}

fn unreadable(error: &std::io::Error) -> Error {
    Error::local("cannot read the source", error)
}
