//! Text from servers, files and names, on its way to people.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt::Write as _;

/// Escapes the characters that could steer a terminal, end a line of a log, or make text look like
/// another one: control characters, directional formatting, and separators of lines and paragraphs.
/// Each becomes `\u{…}`; all others stay.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_hidden(c) {
            // Writing to a String cannot fail.
            let _ = write!(shown, "{}", c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Whether a character is one that [`visible`] escapes.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// A URL as it may be told: without its query, a login in it and the session's id, since who has one of
/// them can write to the upload or read its reply.
#[must_use]
pub fn masked_url(url: &str, session_id: Option<&str>) -> String {
    let (path, query) = match url.split_once(['?', '#']) {
        Some((path, _)) => (path, "?…"),
        None => (url, ""),
    };
    let (scheme, rest) = match path.split_once("//") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, path),
    };
    let (host, tail) = match scheme {
        Some(_) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest),
    };
    let mut tail = String::from(tail);
    // Braces may be escaped, and letters in another case.
    let id = session_id.unwrap_or_default().trim_matches(['{', '}']).to_ascii_lowercase();
    let find = |tail: &str| tail.to_ascii_lowercase().find(&id).filter(|_| !id.is_empty());
    while let Some(at) = find(&tail) {
        tail.replace_range(at..at + id.len(), "…");
    }
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let scheme = scheme.map(|scheme| [scheme, "//"].concat()).unwrap_or_default();
    visible(&[&scheme, host, &tail, query].concat()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_or_steers_is_escaped_and_nothing_else() {
        let _rule = bitsup_server::rule!("LOG-05");
        for plain in
            ["", "a b", "größe.bin", "文件.iso", "e\u{301}", "\u{645}\u{6cc}\u{200c}\u{62e}"]
        {
            assert!(matches!(visible(plain), Cow::Borrowed(same) if same == plain), "{plain}");
        }
        for (text, shown) in [
            ("a\0b", "a\\u{0}b"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("x\r\ny", "x\\u{d}\\u{a}y"),
            ("\u{85}\u{9b}", "\\u{85}\\u{9b}"),
            ("gnp\u{202e}exe", "gnp\\u{202e}exe"),
            ("\u{2066}x\u{2069}", "\\u{2066}x\\u{2069}"),
            ("a\u{2028}b\u{2029}", "a\\u{2028}b\\u{2029}"),
            ("\u{61c}\u{200f}", "\\u{61c}\\u{200f}"),
        ] {
            assert_eq!(visible(text), shown);
        }
    }

    #[test]
    fn a_url_is_told_without_what_opens_it() {
        let _rule = bitsup_server::rule!("LOG-04");
        let id = Some("{7DF0354D-249b-430f-820d-3d2a9bef4931}");
        let masked = |url: &str| masked_url(url, id);
        for brace in [("{", "}"), ("%7B", "%7d"), ("", "")] {
            let url = std::format!(
                "http://h/up/BITS-Sessions/Replies/{}7df0354d-249B-430f-820d-3d2a9bef4931{}/x",
                brace.0,
                brace.1
            );
            let shown = std::format!("http://h/up/BITS-Sessions/Replies/{}…{}/x", brace.0, brace.1);
            assert_eq!(masked(&url), shown);
        }
        assert_eq!(masked("/r?key=secret"), "/r?…");
        assert_eq!(masked("http://u:secret@h:1/r#secret"), "http://h:1/r?…");
        assert_eq!(masked("//u@h"), "//h");
        assert_eq!(masked_url("/r/x@y", Some("{}")), "/r/x@y");
        assert_eq!(masked_url("http://127.0.0.1/1/x1", Some("1")), "http://127.0.0.1/…/x…");
    }
}
