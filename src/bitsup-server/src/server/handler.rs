//! One request from its head to its answer: log, faults, credentials, then the work.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Incoming;
use hyper::header::{
    ALLOW, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, EXPECT, HeaderValue, WWW_AUTHENTICATE,
};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};

use crate::server::ack::{self, CONTEXT_SERVER};
use crate::server::body::RequestBody;
use crate::server::exchange::{Exchange, Shared, Stop, off_thread};
use crate::server::fault::{Action, Answer};
use crate::server::faulty_stream::{Control, Spoil};
use crate::server::log::Request;
use crate::server::packet::PacketKind;
use crate::server::response::Body;
use crate::server::session::Session;

enum Outcome {
    Answer(Response<Body>),
    Close,
    Hang,
}

/// Serves a request. The work is a task of its own, so that a connection that ends in the middle
/// of it does not leave it half done.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    control: Arc<Control>,
    request: hyper::Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    match tokio::spawn(handle(shared, Arc::clone(&control), request)).await {
        Ok(Outcome::Answer(response)) => Ok(response),
        Ok(Outcome::Hang) => pending().await,
        Ok(Outcome::Close) | Err(_) => {
            control.close();
            pending().await
        }
    }
}

/// Deletes a session whose id no client can have read.
pub(crate) async fn forget_unknown(shared: &Shared, session: Arc<Session>) {
    let store = Arc::clone(&shared.store);
    if off_thread(move || store.remove_unused(&session)).await.is_err() {
        tracing::warn!("an orphaned session was not deleted");
    }
}

async fn handle(
    shared: Arc<Shared>,
    control: Arc<Control>,
    request: hyper::Request<Incoming>,
) -> Outcome {
    control.asked();
    let (parts, incoming) = request.into_parts();
    let fault = shared.faults.next(parts.method.as_str(), PacketKind::of(&parts.headers));
    let number = shared.log.add(log_entry(&shared, &control, &parts));
    let read = Arc::new(AtomicU64::new(0));
    let body = RequestBody::new(incoming, Arc::clone(&read), shared.config.idle_timeout);
    let session = parts
        .headers
        .get("bits-session-id")
        .map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned());
    let mut exchange = Exchange {
        shared: Arc::clone(&shared),
        connection: control.number,
        parts,
        body,
        fault,
        session,
        made: None,
    };
    let mut outcome = exchange.act().await;
    if let Outcome::Answer(response) = &mut outcome {
        control.spoil(exchange.touch_up(response).await);
        if let Some(session) = exchange.made.take()
            && !control.made(Arc::clone(&session))
        {
            forget_unknown(&shared, session).await;
        }
    }
    let status = match &outcome {
        Outcome::Answer(_) if matches!(exchange.fault.action, Some(Action::Garbage(_))) => None,
        Outcome::Answer(response) => Some(response.status().as_u16()),
        Outcome::Close | Outcome::Hang => None,
    };
    let logged = shared.log.finish(number, read.load(Ordering::Relaxed), status, exchange.session);
    if let (Some(callback), Some(logged)) = (&shared.config.on_request, logged) {
        callback(&logged);
    }
    outcome
}

fn log_entry(shared: &Shared, control: &Control, parts: &Parts) -> Request {
    Request {
        number: 0,
        connection: control.number,
        time: shared.started.elapsed(),
        method: parts.method.to_string(),
        target: parts.uri.to_string(),
        version: format!("{:?}", parts.version),
        headers: parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
            .collect(),
        body: 0,
        status: None,
        session: None,
    }
}

impl Exchange {
    /// The work, or what the fault script puts in its place.
    async fn act(&mut self) -> Outcome {
        let action = self.fault.action.clone();
        if let Some((time, after)) = self.fault.stall {
            self.body.stall(time, after);
        }
        match &action {
            Some(Action::Drop { after, .. }) if self.has_body() => self.body.drop_after(*after),
            Some(Action::Drop { .. }) => return Outcome::Close,
            Some(Action::Answer(answer)) if !answer.after_work => {
                return self.finish(Ok(self.scripted(answer))).await;
            }
            Some(Action::Forget) => {
                let forgotten = self.forget().await;
                return self.finish(forgotten).await;
            }
            _ => {}
        }
        let done = self.work().await;
        let outcome = self.finish(done).await;
        match (action, outcome) {
            (Some(Action::Swallow), Outcome::Answer(_)) => Outcome::Close,
            (Some(Action::Hang), Outcome::Answer(_)) => Outcome::Hang,
            (Some(Action::Answer(answer)), Outcome::Answer(_)) => {
                Outcome::Answer(self.scripted(&answer))
            }
            (_, outcome) => outcome,
        }
    }

    async fn work(&mut self) -> Result<Response<Body>, Stop> {
        if !self.is_authorized() {
            let mut response = ack::http_only(401);
            response.headers_mut().insert(WWW_AUTHENTICATE, basic_challenge());
            return Ok(response);
        }
        match self.parts.method.as_str() {
            "BITS_POST" => self.bits_post().await,
            "GET" | "HEAD" => self.download().await,
            _ => {
                let mut response = ack::http_only(405);
                response
                    .headers_mut()
                    .insert(ALLOW, HeaderValue::from_static("GET, HEAD, BITS_POST"));
                Ok(response)
            }
        }
    }

    /// Turns the end of the work into an answer. The rest of the body is read first: a
    /// client that sends first and reads then would not see the answer otherwise.
    async fn finish(&mut self, done: Result<Response<Body>, Stop>) -> Outcome {
        let mut response = match done {
            Ok(response) => response,
            Err(Stop::Refused(refusal)) => ack::refuse(refusal, self.shared.config.error_headers),
            Err(Stop::Cut(cut)) => {
                tracing::debug!("request without an answer: body {cut:?}");
                return Outcome::Close;
            }
        };
        // A client that waits for permission to send is spared the sending.
        let drained = if self.parts.headers.contains_key(EXPECT) && !self.body.was_read() {
            Ok(false)
        } else {
            self.body.drain().await
        };
        match drained {
            Ok(true) => {}
            Ok(false) => {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Err(_) => return Outcome::Close,
        }
        Outcome::Answer(response)
    }

    fn is_authorized(&self) -> bool {
        let Some((user, password)) = &self.shared.config.basic_auth else {
            return true;
        };
        let shown = self.parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some((scheme, credentials)) = shown.and_then(|value| value.split_once(' ')) else {
            return false;
        };
        scheme.eq_ignore_ascii_case("Basic")
            && STANDARD
                .decode(credentials.trim())
                .is_ok_and(|bytes| bytes == format!("{user}:{password}").as_bytes())
    }

    fn has_body(&self) -> bool {
        self.parts.headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0")
    }

    fn scripted(&self, answer: &Answer) -> Response<Body> {
        let mut response = ack::ack(answer.status);
        let headers = response.headers_mut();
        if let Some(code) = answer.error {
            ack::put_error(
                headers,
                self.shared.config.error_headers,
                code,
                answer.context.unwrap_or(CONTEXT_SERVER),
            );
        }
        if answer.status == 401 {
            headers.insert(WWW_AUTHENTICATE, basic_challenge());
        }
        ack::put(headers, "content-length", &answer.body.len().to_string());
        // To HEAD there is no body, whatever its length says.
        if self.parts.method != Method::HEAD {
            *response.body_mut() = Body::text(answer.body.clone());
        }
        response
    }

    /// Acts out what the script says about an answer as such.
    async fn touch_up(&mut self, response: &mut Response<Body>) -> Spoil {
        let fault = &self.fault;
        if let Some(time) = fault.delay {
            tokio::time::sleep(time).await;
        }
        if let Some(status) = fault.status.and_then(|status| StatusCode::from_u16(status).ok()) {
            *response.status_mut() = status;
        }
        // Headers go in below the HTTP library, which would stumble over a wrong length.
        let scripted = match &fault.action {
            Some(Action::Answer(answer)) => answer.headers.as_slice(),
            _ => &[],
        };
        let set = scripted.iter().chain(&fault.with);
        let line = |(name, value): &(String, String)| format!("{name}: {value}\r\n");
        Spoil {
            instead: match fault.action {
                Some(Action::Garbage(bytes)) => Some(garbage(bytes)),
                _ => None,
            },
            without: set.clone().map(|(name, _)| name).chain(&fault.without).cloned().collect(),
            lines: set.chain(&fault.adding).map(line).collect(),
            version_10: fault.version_10,
            stray: fault.stray.clone().unwrap_or_default(),
            trickle: fault.trickle,
        }
    }
}

fn basic_challenge() -> HeaderValue {
    HeaderValue::from_static("Basic realm=\"bitsup\"")
}

/// The same bytes each time, so that a report with a script can be repeated; no byte of them
/// begins an answer.
fn garbage(bytes: usize) -> Vec<u8> {
    (0..bytes)
        .map(|index| (index.wrapping_mul(197).wrapping_add(index >> 8) ^ 0x95) as u8)
        .collect()
}
