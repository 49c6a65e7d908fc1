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
}
