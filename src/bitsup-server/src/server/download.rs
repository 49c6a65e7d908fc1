//! GET and HEAD of published files and of replies: MC-BUP §3.5.5.

use std::fs::{File, Metadata};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use hyper::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName,
    HeaderValue, IF_RANGE, LAST_MODIFIED, RANGE, SERVER,
};
use hyper::{Method, Response, StatusCode};

use crate::server::ack;
use crate::server::ack::Refusal;
use crate::server::exchange::{Exchange, Shared, Stop, off_thread};
use crate::server::response::Body;
use crate::server::target::Target;

/// What a `Range` header asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Whole,
    Part { first: u64, last: u64 },
    Nothing,
}

impl Exchange {
    pub(crate) async fn download(&mut self) -> Result<Response<Body>, Stop> {
        let Ok(target) = Target::parse(self.parts.uri.path()) else {
            return Ok(ack::http_only(404));
        };
        let shared = Arc::clone(&self.shared);
        let opened = off_thread(move || open(&shared, &target))
            .await
            .map_err(|error| Refusal::from_io(&error))?;
        Ok(match opened {
            Ok((file, metadata)) => self.part_of(file, &metadata),
            Err(refusal) => ack::http_only(refusal.status),
        })
    }

    fn part_of(&self, file: File, metadata: &Metadata) -> Response<Body> {
        let size = metadata.len();
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        headers.insert(SERVER, ack::server_name());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if let Ok(modified) = metadata.modified() {
            set(headers, LAST_MODIFIED, &httpdate::fmt_http_date(modified));
            let nanoseconds =
                modified.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
            set(headers, ETAG, &format!("\"{nanoseconds:x}-{size:x}\""));
        }
        let (status, first, length) = match self.wanted(headers, size) {
            Wanted::Whole => (StatusCode::OK, 0, size),
            Wanted::Part { first, last } => {
                set(headers, CONTENT_RANGE, &format!("bytes {first}-{last}/{size}"));
                (StatusCode::PARTIAL_CONTENT, first, last - first + 1)
            }
            Wanted::Nothing => {
                set(headers, CONTENT_RANGE, &format!("bytes */{size}"));
                (StatusCode::RANGE_NOT_SATISFIABLE, 0, 0)
            }
        };
        set(headers, CONTENT_LENGTH, &length.to_string());
        *response.status_mut() = status;
        if self.parts.method == Method::GET {
            *response.body_mut() = Body::file(file, first, length);
        }
        response
    }

    fn wanted(&self, answer: &HeaderMap, size: u64) -> Wanted {
        let request = &self.parts.headers;
        // A part of another version than the one asked for must not be mixed with it.
        let same_version = |condition: &HeaderValue| {
            [ETAG, LAST_MODIFIED].iter().any(|name| answer.get(name) == Some(condition))
        };
        if !request.get(IF_RANGE).is_none_or(same_version) {
            return Wanted::Whole;
        }
        match request.get(RANGE).and_then(|value| value.to_str().ok()) {
            Some(text) => parse_range(text, size),
            None => Wanted::Whole,
        }
    }
}

fn open(shared: &Shared, target: &Target) -> Result<(File, Metadata), Refusal> {
    let file = match reply_of(shared, target) {
        Some(file) => file,
        None => shared.root.open_file(target)?,
    };
    let metadata = file.metadata().map_err(|error| Refusal::from_io(&error))?;
    Ok((file, metadata))
}

/// The reply file of the session that the path names, if it belongs to that folder.
fn reply_of(shared: &Shared, target: &Target) -> Option<File> {
    let (folders, id) = target.as_reply()?;
    let session = shared.store.find(id)?;
    (session.target().folders == folders).then(|| File::open(session.reply_path()).ok()).flatten()
}

/// One range; several, or another unit, are ignored as RFC 9110 allows.
fn parse_range(text: &str, size: u64) -> Wanted {
    let Some(range) = text.trim().strip_prefix("bytes=") else {
        return Wanted::Whole;
    };
    let Some((first, last)) = range.split_once('-') else {
        return Wanted::Whole;
    };
    let number = |digits: &str| {
        digits
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| digits.parse::<u64>().ok())
            .flatten()
    };
    match (number(first), number(last)) {
        (Some(first), Some(last)) if last < first => Wanted::Whole,
        (Some(first), _) if first >= size && (last.is_empty() || number(last).is_some()) => {
            Wanted::Nothing
        }
        (Some(first), Some(last)) => Wanted::Part { first, last: last.min(size - 1) },
        (Some(first), None) if last.is_empty() => Wanted::Part { first, last: size - 1 },
        (None, Some(0)) if first.is_empty() => Wanted::Nothing,
        (None, Some(_)) if first.is_empty() && size == 0 => Wanted::Nothing,
        (None, Some(tail)) if first.is_empty() => {
            Wanted::Part { first: size.saturating_sub(tail), last: size - 1 }
        }
        _ => Wanted::Whole,
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_ranges() {
        let part = |first, last| Wanted::Part { first, last };
        for (text, size, wanted) in [
            ("bytes=0-9976", 10240, part(0, 9976)),
            ("bytes=0-99999", 10, part(0, 9)),
            ("bytes=5-", 10, part(5, 9)),
            ("bytes=-3", 10, part(7, 9)),
            ("bytes=-30", 10, part(0, 9)),
            ("bytes=10-", 10, Wanted::Nothing),
            ("bytes=10-11", 10, Wanted::Nothing),
            ("bytes=0-0", 0, Wanted::Nothing),
            ("bytes=-1", 0, Wanted::Nothing),
            ("bytes=-0", 10, Wanted::Nothing),
            ("bytes=4-3", 10, Wanted::Whole),
            ("bytes=0-1,3-4", 10, Wanted::Whole),
            ("bytes=-", 10, Wanted::Whole),
            ("bytes=x-2", 10, Wanted::Whole),
            ("lines=0-1", 10, Wanted::Whole),
            ("bytes=99999999999999999999-", 10, Wanted::Whole),
        ] {
            assert_eq!(parse_range(text, size), wanted, "{text} of {size}");
        }
    }
}
