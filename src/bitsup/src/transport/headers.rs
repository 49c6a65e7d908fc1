//! The header lines of one answer, bounded.

/// All header lines of all answers to one request together. IIS sends less than 1 KiB; with
/// cookies and policies of a gateway in front it can be 8 KiB. libcurl's own limits (100 KiB a
/// line, 300 KiB together) differ between versions.
pub(super) const MAX_HEADER_BYTES: usize = 64 * 1024;

/// The number of those lines: what servers send has at most some dozens.
pub(super) const MAX_HEADER_LINES: usize = 200;

/// Header lines in the order of the wire; names and values as raw bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Headers {
    bytes: Vec<u8>,
    /// Ends of name and value of each line in `bytes`.
    ends: Vec<(usize, usize)>,
}

impl Headers {
    /// Name and value of each line; values without the blanks around.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut start = 0;
        self.ends.iter().filter_map(move |&(name_end, value_end)| {
            let name = self.bytes.get(start..name_end)?;
            let value = self.bytes.get(name_end..value_end)?;
            start = value_end;
            Some((name, value))
        })
    }

    /// The values of all lines of this name, in any case.
    pub(crate) fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.iter()
            .filter(|(candidate, _)| candidate.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// The value of the first line of this name, in any case.
    pub(crate) fn get<'a>(&'a self, name: &'a str) -> Option<&'a [u8]> {
        self.get_all(name).next()
    }

    /// The same as text, if it is that.
    pub(crate) fn text<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        std::str::from_utf8(self.get(name)?).ok()
    }

    /// The same as a number.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    /// Whether a comma-separated list in lines of this name has this word, in any case.
    pub(super) fn has_word(&self, name: &str, word: &str) -> bool {
        self.get_all(name)
            .flat_map(|value| value.split(|byte| *byte == b','))
            .any(|item| item.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
    }

    /// Adds a line as it stood on the wire. A line that begins with a blank continues the one
    /// before; a line without a colon is left out.
    pub(super) fn push_line(&mut self, line: &[u8]) {
        let folded = line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t'));
        if folded {
            if let Some((_, value_end)) = self.ends.last_mut() {
                self.bytes.push(b' ');
                self.bytes.extend_from_slice(line.trim_ascii());
                *value_end = self.bytes.len();
            }
        } else if let Some(colon) = line.iter().position(|byte| *byte == b':') {
            let (name, rest) = line.split_at(colon);
            let value = rest.get(1..).unwrap_or_default();
            self.bytes.extend_from_slice(name.trim_ascii());
            let name_end = self.bytes.len();
            self.bytes.extend_from_slice(value.trim_ascii());
            self.ends.push((name_end, self.bytes.len()));
        }
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::Headers;

    #[test]
    fn lines_are_kept_in_order_and_found_in_any_case() {
        let mut headers = Headers::default();
        for line in ["BITS-Packet-Type: Ack\r\n", "no colon\r\n", "X:1\r\n", "x: \r\n"] {
            headers.push_line(line.as_bytes());
        }
        let lines: Vec<_> = headers.iter().collect();
        assert_eq!(
            lines,
            [
                (&b"BITS-Packet-Type"[..], &b"Ack"[..]),
                (&b"X"[..], &b"1"[..]),
                (&b"x"[..], &b""[..])
            ]
        );
        assert_eq!(headers.get("bits-packet-type"), Some(&b"Ack"[..]));
        assert_eq!(headers.get_all("X").count(), 2);
        assert_eq!(headers.get("Y"), None);
    }

    #[test]
    fn a_folded_line_continues_the_value_before() {
        let mut headers = Headers::default();
        headers.push_line(b" lost\r\n");
        headers.push_line(b"Connection: keep-alive,\r\n");
        headers.push_line(b"\t Close\r\n");
        assert_eq!(headers.get("connection"), Some(&b"keep-alive, Close"[..]));
        assert!(headers.has_word("Connection", "close"));
        assert!(!headers.has_word("Connection", "keep"));
    }
}
