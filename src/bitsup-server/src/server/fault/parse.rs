//! From text to [`FaultScript`].

use std::str::FromStr;
use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue};

use super::tokens::{Parsed, Token, duration, number, tokens};
use super::{Action, Answer, Fault, FaultScript, FaultScriptError, KINDS, Kind, Rule, When};

/// Bytes of garbage unless the script says how many.
const GARBAGE: usize = 512;
/// Most bytes that `garbage` may ask for: they are held in memory.
const MAX_GARBAGE: u64 = 1024 * 1024;

/// What may follow the status of an answer.
const ANSWER_PARTS: [&str; 5] = ["after", "header", "error", "context", "body"];

impl FromStr for FaultScript {
    type Err = FaultScriptError;

    fn from_str(text: &str) -> Result<Self, FaultScriptError> {
        let mut rules = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let at_line = |problem| FaultScriptError { line: index + 1, problem };
            let tokens = tokens(line).map_err(at_line)?;
            if !tokens.is_empty() {
                rules.push(Words { tokens: &tokens }.rule().map_err(at_line)?);
            }
        }
        Ok(Self { rules })
    }
}

/// The words of a line that are still to be read.
struct Words<'a> {
    tokens: &'a [Token],
}

impl Words<'_> {
    fn rule(&mut self) -> Parsed<Rule> {
        let (kind, when) = self.selector()?;
        let mut fault = Fault::default();
        while let Some(verb) = self.word() {
            self.step(&verb, &mut fault)?;
        }
        match self.tokens.first() {
            Some(_) => Err("a text in quotes stands where a verb should".into()),
            None if fault == Fault::default() => {
                Err("nothing after the colon says what to do".into())
            }
            None => Ok(Rule { kind, when, fault }),
        }
    }

    fn selector(&mut self) -> Parsed<(Kind, When)> {
        let kind = match self.peek().and_then(|word| KINDS.iter().find(|(name, _)| *name == word)) {
            Some((_, kind)) => {
                self.word();
                *kind
            }
            None if matches!(self.peek(), Some("every" | "from")) => Kind::Request,
            None => {
                let names: Vec<_> = KINDS.iter().map(|(name, _)| *name).collect();
                return Err(format!("a rule begins with one of {}, every, from", names.join(", ")));
            }
        };
        let when = match self.word().as_deref() {
            Some(":") => return Ok((kind, When::Always)),
            Some("from") => When::From(self.occurrence()?),
            Some("every") => When::Every(self.occurrence()?),
            Some(word) => match word.split_once("..") {
                Some((first, last)) => When::Between(occurrence(first)?, occurrence(last)?),
                None => When::Only(occurrence(word)?),
            },
            None => return Err("a colon is missing before what to do".into()),
        };
        if matches!(when, When::Between(first, last) if first > last) {
            return Err("a range goes from a smaller to a larger number".into());
        }
        match self.word().as_deref() {
            Some(":") => Ok((kind, when)),
            _ => Err("a colon is missing before what to do".into()),
        }
    }

    fn step(&mut self, verb: &str, fault: &mut Fault) -> Parsed<()> {
        let action = match verb {
            "drop" => Action::Drop { after: self.after()?, keep: self.keep() },
            "swallow" => Action::Swallow,
            "hang" => Action::Hang,
            "forget" => Action::Forget,
            "garbage" => Action::Garbage(self.garbage()?),
            "rewind" => {
                Action::Rewind { bytes: self.number("rewind")?, status: self.offset_status()? }
            }
            "offset" => {
                Action::Offset { offset: self.number("offset")?, status: self.offset_status()? }
            }
            "answer" => {
                let word = self.word().unwrap_or_default();
                Action::Answer(self.answer(status(&word)?)?)
            }
            bare if status(bare).is_ok() => Action::Answer(self.answer(status(bare)?)?),
            modifier => return self.modifier(modifier, fault),
        };
        if fault.action.replace(action).is_some() {
            return Err(format!(
                "`{verb}` comes second: one rule does one of drop, swallow, hang, forget, garbage, rewind, offset, answer"
            ));
        }
        Ok(())
    }

    fn modifier(&mut self, verb: &str, fault: &mut Fault) -> Parsed<()> {
        match verb {
            "stall" => fault.stall = Some((self.duration("stall")?, self.after()?)),
            "delay" => fault.delay = Some(self.duration("delay")?),
            "status" => fault.status = Some(status(&self.word().unwrap_or_default())?),
            "without" => {
                let name = self.word().unwrap_or_default();
                HeaderName::from_bytes(name.as_bytes())
                    .map_err(|_| format!("not the name of a header: {name:?}"))?;
                fault.without.push(name);
            }
            "with" => fault.with.push(self.header()?),
            "adding" => fault.adding.push(self.header()?),
            "version" => {
                if self.word().as_deref() != Some("1.0") {
                    return Err("`version` takes 1.0".into());
                }
                fault.version_10 = true;
            }
            "stray" => fault.stray = Some(self.bytes("stray")?),
            "trickle" => fault.trickle = Some(self.pace()?),
            other => return Err(format!("no such verb: {other:?}")),
        }
        Ok(())
    }

    fn answer(&mut self, status: u16) -> Parsed<Answer> {
        let mut answer = Answer { status, ..Answer::default() };
        while let Some(part) =
            self.peek().and_then(|word| ANSWER_PARTS.iter().find(|part| **part == word))
        {
            self.word();
            match *part {
                "after" if self.word().as_deref() == Some("work") => answer.after_work = true,
                "after" => return Err("an answer is given at once or `after work`".into()),
                "header" => answer.headers.push(self.header()?),
                "error" => answer.error = Some(self.hexadecimal("error")?),
                "context" => answer.context = Some(self.hexadecimal("context")?),
                _ => {
                    answer.body = String::from_utf8(self.bytes("body")?)
                        .map_err(|_| "a body is UTF-8 text".to_owned())?;
                }
            }
        }
        Ok(answer)
    }

    fn after(&mut self) -> Parsed<u64> {
        if self.peek() != Some("after") {
            return Ok(0);
        }
        self.word();
        self.number("after")
    }

    fn keep(&mut self) -> Option<bool> {
        let keep = match self.peek()? {
            "keep" => true,
            "discard" => false,
            _ => return None,
        };
        self.word();
        Some(keep)
    }

    fn garbage(&mut self) -> Parsed<usize> {
        if !self.peek().is_some_and(|word| word.starts_with(|first: char| first.is_ascii_digit())) {
            return Ok(GARBAGE);
        }
        match self.number("garbage")? {
            bytes @ 1..=MAX_GARBAGE => Ok(bytes as usize),
            _ => Err(format!("garbage is 1 to {MAX_GARBAGE} bytes")),
        }
    }

    fn offset_status(&mut self) -> Parsed<u16> {
        if self.peek() != Some("as") {
            return Ok(200);
        }
        self.word();
        match status(&self.word().unwrap_or_default())? {
            status @ (200 | 416) => Ok(status),
            _ => Err("an offset is answered `as 200` or `as 416`".into()),
        }
    }

    fn header(&mut self) -> Parsed<(String, String)> {
        let text = String::from_utf8(self.bytes("a header")?)
            .map_err(|_| "a header is UTF-8 text".to_owned())?;
        let (name, value) = text
            .split_once(':')
            .ok_or_else(|| format!("a header is \"Name: value\", not {text:?}"))?;
        let (name, value) = (name.trim(), value.trim());
        if HeaderName::from_bytes(name.as_bytes()).is_err() || HeaderValue::from_str(value).is_err()
        {
            return Err(format!("a header is \"Name: value\" in plain characters, not {text:?}"));
        }
        Ok((name.to_owned(), value.to_owned()))
    }

    fn pace(&mut self) -> Parsed<(usize, Duration)> {
        let word = self.word().unwrap_or_default();
        let wanted = || format!("`trickle` takes bytes/time as in 1/100ms, not {word:?}");
        let (bytes, time) = word.split_once('/').ok_or_else(wanted)?;
        match number(bytes).and_then(|bytes| usize::try_from(bytes).ok()) {
            Some(bytes) if bytes > 0 => Ok((bytes, duration(time).ok_or_else(wanted)?)),
            _ => Err(wanted()),
        }
    }

    fn number(&mut self, after: &str) -> Parsed<u64> {
        let word = self.word().unwrap_or_default();
        number(&word).ok_or_else(|| {
            format!("`{after}` takes a number (with K, M or G if you like), not {word:?}")
        })
    }

    fn duration(&mut self, after: &str) -> Parsed<Duration> {
        let word = self.word().unwrap_or_default();
        duration(&word)
            .ok_or_else(|| format!("`{after}` takes a time as in 100ms, 30s or 2m, not {word:?}"))
    }

    fn hexadecimal(&mut self, after: &str) -> Parsed<u32> {
        let word = self.word().unwrap_or_default();
        word.strip_prefix("0x")
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .ok_or_else(|| format!("`{after}` takes a code as in 0x80070070, not {word:?}"))
    }

    fn occurrence(&mut self) -> Parsed<u64> {
        occurrence(&self.word().unwrap_or_default())
    }

    fn bytes(&mut self, after: &str) -> Parsed<Vec<u8>> {
        match self.tokens.split_first() {
            Some((Token::Text(bytes), rest)) => {
                self.tokens = rest;
                Ok(bytes.clone())
            }
            _ => Err(format!("{after} takes a text in double quotes")),
        }
    }

    fn peek(&self) -> Option<&str> {
        match self.tokens.first() {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn word(&mut self) -> Option<String> {
        match self.tokens.split_first() {
            Some((Token::Word(word), rest)) => {
                self.tokens = rest;
                Some(word.clone())
            }
            _ => None,
        }
    }
}

fn occurrence(word: &str) -> Parsed<u64> {
    match word.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("requests are counted from 1: {word:?} is no such number")),
    }
}

fn status(word: &str) -> Parsed<u16> {
    match word.parse() {
        // 1xx are not answers, and the HTTP library would not send them as such.
        Ok(status @ 200..=999) => Ok(status),
        _ => Err(format!("not the status of an answer: {word:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Fault {
        let script: FaultScript = format!("request: {text}").parse().expect("script");
        script.rules[0].fault.clone()
    }

    #[test]
    fn answers_take_their_parts_in_any_order() {
        let Some(Action::Answer(answer)) =
            fault(r#"503 error 0x80070070 header "Retry-After: 2" body "<p>\"\x41\"" after work"#)
                .action
        else {
            panic!("an answer");
        };
        let header = ("Retry-After".to_owned(), "2".to_owned());
        let wanted = Answer {
            status: 503,
            after_work: true,
            headers: vec![header],
            error: Some(0x8007_0070),
            context: None,
            body: "<p>\"A\"".into(),
        };
        assert_eq!(answer, wanted);
    }

    #[test]
    fn modifiers_stand_beside_an_action() {
        let fault = fault(
            r#"swallow stall 30s after 1K delay 5 with "A: b:c" without X-Y trickle 2/10ms # why"#,
        );
        assert_eq!(fault.action, Some(Action::Swallow));
        assert_eq!(fault.stall, Some((Duration::from_secs(30), 1024)));
        assert_eq!(fault.delay, Some(Duration::from_secs(5)));
        assert_eq!(fault.with, [("A".to_owned(), "b:c".to_owned())]);
        assert_eq!(fault.without, ["X-Y"]);
        assert_eq!(fault.trickle, Some((2, Duration::from_millis(10))));
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let bad = [
            "nothing 1: drop",
            "fragment 0: drop",
            "fragment 3..2: drop",
            "fragment 1 drop",
            "fragment 1:",
            "fragment",
            "fragment 1: explode",
            "fragment 1: drop hang",
            "fragment 1: answer 42",
            "fragment 1: stall soon",
            "fragment 1: with \"no colon\"",
            "fragment 1: with \"A: b\\nc\"",
            "fragment 1: stray \"open",
            "fragment 1: trickle 0/1s",
            "fragment 1: error 0x5",
            "fragment 1: rewind 5 as 500",
            "fragment 1: drop after 99999999999G",
            "request 1: \"text\"",
            "fragment every 0: drop",
            "fragment 1: garbage 2M",
            "fragment 1: version 2",
            "request 1: answer 200 error 5",
        ];
        for line in bad {
            let error = format!("# comment\n\n{line}\n").parse::<FaultScript>().expect_err(line);
            assert_eq!(error.line, 3, "{line}");
            assert!(!error.problem.is_empty() && !error.problem.contains('\n'), "{line}");
        }
    }
}
