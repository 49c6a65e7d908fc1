//! The five packets: MC-BUP §3.2.5.

use std::io;
use std::sync::Arc;

use hyper::Response;
use tokio::sync::OwnedMutexGuard;

use crate::server::ack::{
    self, BG_E_TOO_LARGE, CONTEXT_SERVER, E_INVALIDARG, ERROR_FILE_NOT_FOUND,
    ERROR_NO_SYSTEM_RESOURCES, Refusal,
};
use crate::server::config::{Config, Publish};
use crate::server::exchange::{Exchange, Stop, off_thread};
use crate::server::fault::Action;
use crate::server::packet::{ContentRange, PROTOCOL, Packet, PacketKind};
use crate::server::response::Body;
use crate::server::rooted_fs::PublishOptions;
use crate::server::session::{Phase, Record, Session, Turn};
use crate::server::store::CreateError;
use crate::server::target::{Target, TargetError};

type Done = Result<Response<Body>, Stop>;

/// The upload went away under the session: MC-BUP §3.2.5.2.7.
const VANISHED: Refusal = Refusal::new(404, ERROR_FILE_NOT_FOUND, CONTEXT_SERVER);

impl Exchange {
    /// Validates in the order of MC-BUP §3.2.5.2.3, then dispatches.
    pub(crate) async fn bits_post(&mut self) -> Done {
        let packet = Packet::parse(self.parts.version, &self.parts.headers)?;
        if self.shared.config.oversize_status == 404 && self.is_oversize(&packet) {
            return Ok(ack::http_only(404));
        }
        let target = Target::parse(self.parts.uri.path()).map_err(|error| match error {
            TargetError::Invalid => Refusal::invalid(),
            TargetError::Outside => Refusal::denied(),
        })?;
        self.check_right(packet.kind, &target).await?;
        if packet.content_length.is_none() {
            return Err(Refusal::new(411, E_INVALIDARG, CONTEXT_SERVER).into());
        }
        match (packet.kind, packet.session_id.as_deref(), packet.range) {
            (PacketKind::Ping, _, _) => Ok(ack::ack(200)),
            (PacketKind::Create, _, _) => self.create(target).await,
            (kind, Some(id), range) => {
                let session = self.find(id, &target).await?;
                match (kind, range) {
                    (PacketKind::Fragment, Some(_)) if self.is_oversize(&packet) => {
                        Err(Refusal::plain(413).into())
                    }
                    (PacketKind::Fragment, Some(range)) => self.fragment(session, range).await,
                    (PacketKind::Close, _) => self.close(session).await,
                    (PacketKind::Cancel, _) => self.cancel(session).await,
                    _ => Err(Refusal::invalid().into()),
                }
            }
            (_, None, _) => Err(Refusal::invalid().into()),
        }
    }

    /// Deletes the session of this packet and answers as if it had never been.
    pub(crate) async fn forget(&mut self) -> Done {
        if let Some(session) = self.session.as_deref().and_then(|id| self.shared.store.find(id)) {
            let (record, _) = session.take_turn().await;
            self.remove(session, record).await?;
        }
        Err(Refusal::session_not_found().into())
    }

    fn is_oversize(&self, packet: &Packet) -> bool {
        packet.kind == PacketKind::Fragment
            && self.shared.config.max_fragment < packet.content_length
            && self.shared.config.max_fragment.is_some()
    }

    async fn check_right(&self, kind: PacketKind, target: &Target) -> Result<(), Stop> {
        let (shared, target) = (Arc::clone(&self.shared), target.clone());
        let checked = off_thread(move || {
            if kind == PacketKind::Create {
                shared.root.check(&target, landing(&shared.config))
            } else {
                shared.root.check_inside(&target)
            }
        });
        Ok(checked.await??)
    }

    async fn find(&self, id: &str, target: &Target) -> Result<Arc<Session>, Stop> {
        let session = self.shared.store.find(id).ok_or_else(Refusal::session_not_found)?;
        if self.shared.config.session_bound_to_connection && session.connection != self.connection {
            let (record, _) = session.take_turn().await;
            self.remove(session, record).await?;
            return Err(Refusal::session_not_found().into());
        }
        // All packets of a session go to one path: MC-BUP §2.2.3.2.
        if session.target() != target {
            return Err(Refusal::invalid().into());
        }
        Ok(session)
    }

    async fn create(&mut self, target: Target) -> Done {
        let (shared, connection) = (Arc::clone(&self.shared), self.connection);
        let created = off_thread(move || shared.store.create(target, connection)).await?;
        let session = created.map_err(|error| match error {
            CreateError::TooMany => Refusal::new(503, ERROR_NO_SYSTEM_RESOURCES, CONTEXT_SERVER),
            CreateError::Io(error) => Refusal::from_io(&error),
        })?;
        self.session = Some(session.id.clone());
        self.made = Some(Arc::clone(&session));
        let mut response = ack::ack(200);
        let headers = response.headers_mut();
        ack::put(headers, "bits-protocol", PROTOCOL);
        ack::put(headers, "bits-session-id", &session.id);
        if let Some(host) = &self.shared.config.host_id {
            ack::put(headers, "bits-host-id", host);
            if let Some(seconds) = self.shared.config.host_id_fallback {
                ack::put(headers, "bits-host-id-fallback-timeout", &seconds.to_string());
            }
        }
        ack::put(headers, "accept-encoding", "identity");
        Ok(response)
    }

    async fn fragment(&mut self, session: Arc<Session>, range: ContentRange) -> Done {
        let shared = Arc::clone(&self.shared);
        let config = &shared.config;
        if config.max_upload.is_some_and(|most| range.total > most) {
            return Err(Refusal::new(500, BG_E_TOO_LARGE, CONTEXT_SERVER).into());
        }
        let (mut record, turn) = session.take_turn().await;
        present(&record)?;
        if record.total.is_some_and(|total| total != range.total) {
            return Err(Refusal::invalid().into());
        }
        session.touch(&mut record);
        if record.phase != Phase::Receiving {
            return Ok(self.fragment_ack(416, range.total, &record));
        }
        let mut skip = 0;
        if !config.appends_blindly {
            if record.total == Some(record.received) {
                // The application failed before: the resent fragment asks it again.
                self.body.drain().await?;
                self.complete(&session, &mut record).await?;
                return Ok(self.fragment_ack(200, range.total, &record));
            }
            if range.first > record.received || (range.first < record.received && !config.overlap) {
                return Err(Refusal::wrong_offset(record.received).into());
            }
            skip = record.received - range.first;
        }
        record.total = Some(range.total);
        self.store(&session, &mut record, skip, turn).await?;
        let mut offset = if config.appends_blindly { range.end() } else { record.received };
        let mut status = 200;
        if let Some((wanted, answer)) = self.other_offset(offset) {
            // Bytes after a lower offset are really forgotten, so the upload can still end well.
            record.received = record.received.min(wanted);
            (offset, status) = (wanted, answer);
        }
        self.save(&session, &record).await?;
        if offset == range.total && status == 200 {
            self.complete(&session, &mut record).await?;
        }
        Ok(self.fragment_ack(status, offset, &record))
    }

    /// Writes the body behind what is there.
    async fn store(
        &mut self,
        session: &Arc<Session>,
        record: &mut Record,
        skip: u64,
        turn: Turn,
    ) -> Result<(), Stop> {
        let config = &self.shared.config;
        let (owner, sync) = (Arc::clone(session), config.sync);
        let file = off_thread(move || owner.open_data()).await??;
        let kept = file.try_clone()?;
        let stored = self.body.store(file, record.received, skip, turn).await;
        let keep = match self.fault.action {
            Some(Action::Drop { keep: Some(keep), .. }) => keep,
            _ => config.keep_partial,
        };
        if stored.cut.is_none() || keep {
            record.received += stored.bytes;
        }
        if sync {
            off_thread(move || kept.sync_data()).await??;
        }
        if let Some(error) = stored.failure {
            tracing::warn!("cannot store a fragment: {error}");
            self.save(session, record).await?;
            return Err(error.into());
        }
        match stored.cut {
            None => Ok(()),
            Some(cut) => {
                self.save(session, record).await?;
                Err(Stop::Cut(cut))
            }
        }
    }

    /// The offset that the fault script tells instead of the true one.
    fn other_offset(&self, offset: u64) -> Option<(u64, u16)> {
        match self.fault.action {
            Some(Action::Rewind { bytes, status }) => Some((offset.saturating_sub(bytes), status)),
            Some(Action::Offset { offset, status }) => Some((offset, status)),
            _ => None,
        }
    }

    /// All bytes are there: the reply is made and, if asked, the file published.
    async fn complete(&mut self, session: &Arc<Session>, record: &mut Record) -> Result<(), Stop> {
        if let Some(reply) = &self.shared.config.reply {
            record.reply_url = Some(
                crate::server::reply::make(reply, session, self.shared.config.reply_timeout)
                    .await?,
            );
            record.phase = Phase::Replied;
        }
        if self.shared.config.publish == Publish::AtLastFragment && self.lands() {
            self.publish(session, record).await?;
            record.phase = Phase::Published;
        }
        self.save(session, record).await
    }

    async fn close(&mut self, session: Arc<Session>) -> Done {
        let (mut record, _) = session.take_turn().await;
        present(&record)?;
        // A session that is closed too early is discarded: no part of a file ever appears.
        if record.phase != Phase::Published && record.is_complete() && self.lands() {
            // A run before may have ended between the move and the session's deletion.
            let moved = record.phase == Phase::Publishing
                && !tokio::fs::try_exists(session.data_path()).await?;
            if !moved {
                record.phase = Phase::Publishing;
                self.save(&session, &record).await?;
                self.publish(&session, &record).await?;
            }
        }
        self.remove(Arc::clone(&session), record).await?;
        Ok(self.with_session_id(ack::ack(200), &session.id))
    }

    async fn cancel(&mut self, session: Arc<Session>) -> Done {
        let (record, _) = session.take_turn().await;
        present(&record)?;
        self.remove(Arc::clone(&session), record).await?;
        Ok(self.with_session_id(ack::ack(200), &session.id))
    }

    fn lands(&self) -> bool {
        self.shared.config.reply.is_none() || self.shared.config.reply_keeps_upload
    }

    async fn publish(&self, session: &Arc<Session>, record: &Record) -> Result<(), Stop> {
        let (shared, session, record) =
            (Arc::clone(&self.shared), Arc::clone(session), record.clone());
        let published = off_thread(move || {
            // Bytes that do not count, of a body that was cut, are cut off.
            let data = session.open_data().and_then(|file| file.set_len(record.received));
            match data {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Err(VANISHED),
                Err(error) => Err(Refusal::from_io(&error)),
                Ok(()) => shared.root.publish(
                    &session.data_path(),
                    &record.target,
                    landing(&shared.config),
                ),
            }
        });
        Ok(published.await??)
    }

    async fn save(&self, session: &Arc<Session>, record: &Record) -> Result<(), Stop> {
        let (session, record, sync) =
            (Arc::clone(session), record.clone(), self.shared.config.sync);
        Ok(off_thread(move || session.save(&record, sync)).await??)
    }

    async fn remove(
        &self,
        session: Arc<Session>,
        mut record: OwnedMutexGuard<Record>,
    ) -> Result<(), Stop> {
        let shared = Arc::clone(&self.shared);
        let removed = off_thread(move || shared.store.remove(&session, &mut record)).await?;
        Ok(removed?)
    }

    fn fragment_ack(&self, status: u16, offset: u64, record: &Record) -> Response<Body> {
        let mut response = ack::ack(status);
        ack::put(response.headers_mut(), "bits-received-content-range", &offset.to_string());
        if let Some(url) = &record.reply_url {
            ack::put(response.headers_mut(), "bits-reply-url", url);
        }
        if status == 200 { self.with_session_id(response, &record.id) } else { response }
    }

    fn with_session_id(&self, mut response: Response<Body>, id: &str) -> Response<Body> {
        if self.shared.config.session_id_in_acks {
            ack::put(response.headers_mut(), "bits-session-id", id);
        }
        response
    }
}

/// A packet that waited for its turn may find its session gone.
fn present(record: &Record) -> Result<(), Refusal> {
    if record.phase == Phase::Gone { Err(Refusal::session_not_found()) } else { Ok(()) }
}

fn landing(config: &Config) -> PublishOptions {
    PublishOptions {
        overwrite: config.overwrite,
        create_dirs: config.create_dirs,
        conflict_status: config.conflict_status,
        sync: config.sync,
    }
}
