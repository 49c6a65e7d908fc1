//! An exchange on its way through libcurl: begun, ended, taken back.

use std::net::{Shutdown, SocketAddr};

use curl::easy::Easy2;
use curl::multi::{Easy2Handle, Multi};

use super::curl_handler::{ExchangeHandler, Limit};
use super::exchange::{Answer, Body, ConnectionId, Event, ExchangeFailure, FailureKind, Stats};
use super::failure::{self, Circumstances};
use super::pinned_connection::{ActiveExchange, PinnedConnection, Resolving, Route, State};

/// How libcurl or a limit ended an exchange.
pub(super) enum End {
    Curl(Result<(), curl::Error>),
    Limit(Limit),
    /// What passes a body on had to stop, see [`ExchangeHandler::take_stop`].
    Stopped,
}

/// Hands a prepared exchange to libcurl.
pub(super) fn begin(
    multi: &Multi,
    id: ConnectionId,
    pinned: &mut PinnedConnection,
    resolving: Resolving,
    many: bool,
) -> Result<(), ExchangeFailure> {
    let Resolving { mut easy, mut exchange, route, started } = resolving;
    if let Err(error) = pinned.configure(&mut easy, &mut exchange, &route, started, many) {
        let text = format!("{}: libcurl cannot do this: {error}", route.authority());
        pinned.state = State::Idle(easy);
        return Err(ExchangeFailure::unsent(FailureKind::Unsupported, text));
    }
    let added = multi.add2(easy).map_err(|error| error.to_string()).and_then(|mut handle| {
        handle.set_token(id.0).map_err(|error| error.to_string())?;
        Ok(handle)
    });
    match added {
        Ok(handle) => {
            pinned.state = State::Running(Box::new(ActiveExchange { handle, route }));
            Ok(())
        }
        Err(error) => {
            pinned.state = State::Idle(Easy2::new(ExchangeHandler::idle()));
            let text = format!("{}: libcurl cannot begin: {error}", route.authority());
            Err(ExchangeFailure::unsent(FailureKind::Internal, text))
        }
    }
}

/// Ends a connection's exchange with an event; `None` if it has none.
pub(super) fn finish(
    multi: &Multi,
    id: ConnectionId,
    pinned: &mut PinnedConnection,
    end: End,
) -> Option<Event> {
    let ActiveExchange { handle, route } = match std::mem::replace(&mut pinned.state, State::Moving)
    {
        State::Running(running) => *running,
        State::Resolving(resolving) => {
            return Some(unresolved(id, pinned, *resolving, "no answer within the time limit"));
        }
        other => {
            pinned.state = other;
            return None;
        }
    };
    let circumstances = Circumstances {
        os_error: handle.os_errno().unwrap_or_default(),
        through_proxy: route.through_proxy(),
        connect_status: handle.http_connectcode().unwrap_or_default(),
    };
    let local_port = handle.local_port().unwrap_or_default();
    let peer = peer_of(&handle);
    let invented = pinned.invented_name();
    let (mut easy, mut handler) = detach(multi, handle);
    pinned.keep_cookies(&mut easy);

    let clean = matches!(end, End::Curl(Ok(()))) && handler.leaves_connection_clean();
    // Work that libcurl left undone for a failed request (7.88: to rewind its body) would be done
    // at the handle's next one.
    pinned.state = State::Idle(if clean { easy } else { Easy2::new(ExchangeHandler::idle()) });
    let sockets = handler.take_sockets();
    let new_connection = !sockets.is_empty();
    pinned.settle_connection(sockets, handler.take_certificate(), local_port, clean, &route);

    let mut result = outcome(&mut handler, end, &route, &circumstances, &invented);
    if let Err(failure) = &mut result
        && matches!(failure.kind, FailureKind::ConnectionLost)
        && !new_connection
        && !handler.heard()
    {
        failure.kind = FailureKind::StaleConnection;
    }
    match &result {
        Ok(_) => pinned.note_answer(&route, peer),
        Err(failure) => {
            if matches!(
                failure.kind,
                FailureKind::ConnectFailed
                    | FailureKind::ConnectTimeout
                    | FailureKind::NoRoute
                    | FailureKind::ProxyFailed(None)
            ) {
                pinned.note_connect_failure(&route);
            }
        }
    }
    let (connect_time, sending_time, answer_delay) = handler.times();
    let stats = Stats {
        sent: handler.sent(),
        is_of_login: false,
        requests: handler.requests(),
        forwarded: route.is_forwarded(),
        new_connection,
        peer,
        connect_time,
        sending_time,
        answer_delay,
    };
    let (body, sink) = (handler.take_body(), handler.take_sink());
    let (number, origin) = (route.number, route.origin);
    Some(Event { pinned: id, number, result, body, sink, stats, origin, withheld: false })
}

/// Ends a connection's exchange without an event and closes its TCP connection at once.
pub(super) fn take_back(multi: &Multi, pinned: &mut PinnedConnection) -> Option<Box<dyn Body>> {
    match std::mem::replace(&mut pinned.state, State::Moving) {
        State::Resolving(resolving) => {
            let Resolving { easy, exchange, .. } = *resolving;
            pinned.state = State::Idle(easy);
            exchange.body
        }
        State::Running(running) => {
            let (_, mut handler) = detach(multi, running.handle);
            pinned.state = State::Idle(Easy2::new(ExchangeHandler::idle()));
            pinned.drop_connection();
            for socket in handler.take_sockets() {
                drop(socket.shutdown(Shutdown::Both));
            }
            handler.take_body()
        }
        other => {
            pinned.state = other;
            None
        }
    }
}

/// The end of an exchange whose name was not resolved.
pub(super) fn unresolved(
    id: ConnectionId,
    pinned: &mut PinnedConnection,
    resolving: Resolving,
    text: &str,
) -> Event {
    let Resolving { easy, exchange, route, started } = resolving;
    pinned.state = State::Idle(easy);
    let kind = if route.through_proxy() {
        FailureKind::ProxyFailed(None)
    } else {
        FailureKind::NameNotResolved
    };
    let text =
        format!("{}: the name {} was not found: {text}", route.authority(), route.connect_host);
    let stats = Stats { connect_time: started.elapsed(), ..Stats::default() };
    let (result, number, origin) =
        (Err(ExchangeFailure::unsent(kind, text)), route.number, route.origin);
    let (body, sink) = (exchange.body, exchange.sink);
    Event { pinned: id, number, result, body, sink, stats, origin, withheld: false }
}

/// Takes a handle from libcurl, which closes the connection if the exchange was not over.
fn detach(
    multi: &Multi,
    mut handle: Easy2Handle<ExchangeHandler>,
) -> (Easy2<ExchangeHandler>, ExchangeHandler) {
    let mut handler = std::mem::replace(handle.get_mut(), ExchangeHandler::idle());
    handle.get_mut().setup = handler.setup.take();
    // It fails only for a handle of another multi; then a new one serves as well.
    let easy = multi.remove2(handle).unwrap_or_else(|_| Easy2::new(ExchangeHandler::idle()));
    (easy, handler)
}

fn peer_of(handle: &Easy2Handle<ExchangeHandler>) -> Option<SocketAddr> {
    let address = handle.primary_ip().ok()??.parse().ok()?;
    Some(SocketAddr::new(address, handle.primary_port().ok()?))
}

/// What became of an exchange.
fn outcome(
    handler: &mut ExchangeHandler,
    end: End,
    route: &Route,
    circumstances: &Circumstances,
    invented: &str,
) -> Result<Answer, ExchangeFailure> {
    let finished = matches!(end, End::Curl(Ok(())));
    if let Some(status) = handler.answer(finished) {
        return Ok(Answer {
            status: status.code,
            http10: status.http10,
            headers: handler.take_headers(),
            body_prefix: handler.take_body_prefix(),
            request_sent: handler.all_sent(),
        });
    }
    if let Some(error) = handler.take_lack() {
        return Err(ExchangeFailure::lacks(error));
    }
    let (kind, text) = match (handler.take_stop(), end) {
        (Some(stop), _) => failure::of_stop(stop),
        (None, End::Limit(limit)) => {
            let (kind, text) = failure::of_limit(limit);
            (kind, text.to_owned())
        }
        (None, End::Curl(Err(error))) => {
            let kind = failure::of_curl(&error, handler, circumstances);
            let text = failure::words(&error, &kind, handler, route.shows_proxy_login).map_or_else(
                || failure::detail(&error).replace(invented, &route.connect_host),
                str::to_owned,
            );
            match kind {
                FailureKind::Tls(Some(problem)) => (kind, format!("{} ({text})", problem.title)),
                FailureKind::ProxyFailed(Some(status)) if status != 407 => {
                    (kind, format!("the proxy makes no connection to it: it answers {status}"))
                }
                kind => (kind, text),
            }
        }
        // libcurl takes a connection that is closed among the header lines for a success.
        (None, End::Curl(Ok(())) | End::Stopped) => {
            (FailureKind::ConnectionLost, "closed before the answer was complete".to_owned())
        }
    };
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Err(ExchangeFailure {
        kind,
        sent: failure::sent(handler),
        idle: handler.idle_for(),
        message: format!("{}: {text}", route.authority()),
    })
}
