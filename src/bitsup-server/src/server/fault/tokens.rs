//! Words, texts, numbers and times of a fault script.

use std::time::Duration;

/// A result, or what is wrong with the line.
pub(super) type Parsed<T> = Result<T, String>;

/// A word, or a text that stood in quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    Text(Vec<u8>),
}

/// Splits a line; a colon outside of quotes is a word, `#` begins a comment.
pub(super) fn tokens(line: &str) -> Parsed<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '#' => break,
            ':' => tokens.push(Token::Word(":".into())),
            '"' => tokens.push(Token::Text(quoted(&mut characters)?)),
            space if space.is_whitespace() => {}
            first => {
                let mut word = String::from(first);
                while let Some(next) = characters
                    .next_if(|next| !next.is_whitespace() && !matches!(next, ':' | '"' | '#'))
                {
                    word.push(next);
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    Ok(tokens)
}

fn quoted(characters: &mut impl Iterator<Item = char>) -> Parsed<Vec<u8>> {
    let mut text = Vec::new();
    loop {
        match characters.next().ok_or("a text in quotes does not end")? {
            '"' => return Ok(text),
            '\\' => text.push(match characters.next() {
                Some('r') => b'\r',
                Some('n') => b'\n',
                Some('t') => b'\t',
                Some(same @ ('"' | '\\')) => same as u8,
                Some('x') => {
                    let digits: String = characters.take(2).collect();
                    u8::from_str_radix(&digits, 16)
                        .map_err(|_| format!("\\x takes two hexadecimal digits, not {digits:?}"))?
                }
                _ => return Err("after \\ comes one of r, n, t, x, \\ and \"".into()),
            }),
            other => text.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// A size: bytes, or K, M, G of 1024.
pub(super) fn number(word: &str) -> Option<u64> {
    let (digits, scale) = match word.strip_suffix(['K', 'M', 'G']) {
        Some(digits) if word.ends_with('K') => (digits, 10),
        Some(digits) if word.ends_with('M') => (digits, 20),
        Some(digits) => (digits, 30),
        None => (word, 0),
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << scale)
}

/// A time in ms, s or m; a bare number is seconds.
pub(super) fn duration(word: &str) -> Option<Duration> {
    let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("", 1000)];
    let (digits, milliseconds) =
        units.iter().find_map(|(unit, scale)| Some((word.strip_suffix(unit)?, *scale)))?;
    Some(Duration::from_millis(digits.parse::<u64>().ok()?.checked_mul(milliseconds)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times() {
        assert_eq!(
            ["7", "2K", "3M", "1G"].map(number),
            [Some(7), Some(2 << 10), Some(3 << 20), Some(1 << 30)]
        );
        assert_eq!(["", "K", "1k", "-1", "99999999999G"].map(number), [None; 5]);
        let milliseconds = |text| duration(text).map(|time| time.as_millis());
        assert_eq!(
            ["5ms", "5s", "5m", "5"].map(milliseconds),
            [Some(5), Some(5000), Some(300_000), Some(5000)]
        );
        assert_eq!(["", "s", "1h", "1.5s"].map(milliseconds), [None; 4]);
    }

    #[test]
    fn quotes_and_comments() {
        let word = |word: &str| Token::Word(word.into());
        let read = tokens("a 1: b\"c # \\x41\\\"\" # rest").expect("tokens");
        assert_eq!(
            read,
            [word("a"), word("1"), word(":"), word("b"), Token::Text(b"c # A\"".to_vec())]
        );
        for open in ["\"open", "\"a\\q\"", "\"\\x4\"", "\"\\"] {
            assert!(tokens(open).is_err(), "{open}");
        }
    }
}
