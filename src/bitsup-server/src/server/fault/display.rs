//! From [`FaultScript`] back to text that means the same.

use std::fmt::{self, Display, Formatter, Write as _};
use std::time::Duration;

use super::{Action, Answer, Fault, FaultScript, KINDS, Rule, When};

impl Display for FaultScript {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.rules.iter().try_for_each(|rule| writeln!(f, "{rule}"))
    }
}

impl Display for Rule {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name =
            KINDS.iter().find(|(_, kind)| *kind == self.kind).map_or("request", |(name, _)| name);
        match self.when {
            When::Always => write!(f, "{name}:")?,
            When::Only(only) => write!(f, "{name} {only}:")?,
            When::Between(first, last) => write!(f, "{name} {first}..{last}:")?,
            When::From(first) => write!(f, "{name} from {first}:")?,
            When::Every(step) => write!(f, "{name} every {step}:")?,
        }
        write!(f, "{}", self.fault)
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(action) = &self.action {
            write!(f, " {action}")?;
        }
        if let Some((time, after)) = self.stall {
            write!(f, " stall {}", Time(time))?;
            write_after(f, after)?;
        }
        if let Some(time) = self.delay {
            write!(f, " delay {}", Time(time))?;
        }
        if let Some(status) = self.status {
            write!(f, " status {status}")?;
        }
        self.without.iter().try_for_each(|name| write!(f, " without {name}"))?;
        self.with.iter().try_for_each(|header| write!(f, " with {}", Header(header)))?;
        self.adding.iter().try_for_each(|header| write!(f, " adding {}", Header(header)))?;
        if self.version_10 {
            f.write_str(" version 1.0")?;
        }
        if let Some(bytes) = &self.stray {
            write!(f, " stray {}", Quoted(bytes))?;
        }
        if let Some((bytes, time)) = self.trickle {
            write!(f, " trickle {bytes}/{}", Time(time))?;
        }
        Ok(())
    }
}

impl Display for Action {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let write_offset = |f: &mut Formatter<'_>, verb: &str, number: u64, status: u16| {
            write!(f, "{verb} {number}")?;
            if status == 200 { Ok(()) } else { write!(f, " as {status}") }
        };
        match self {
            Self::Drop { after, keep } => {
                f.write_str("drop")?;
                write_after(f, *after)?;
                f.write_str(keep.map_or("", |keep| if keep { " keep" } else { " discard" }))
            }
            Self::Swallow => f.write_str("swallow"),
            Self::Hang => f.write_str("hang"),
            Self::Garbage(bytes) => write!(f, "garbage {bytes}"),
            Self::Forget => f.write_str("forget"),
            Self::Answer(answer) => write!(f, "{answer}"),
            Self::Rewind { bytes, status } => write_offset(f, "rewind", *bytes, *status),
            Self::Offset { offset, status } => write_offset(f, "offset", *offset, *status),
        }
    }
}

impl Display for Answer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "answer {}", self.status)?;
        if self.after_work {
            f.write_str(" after work")?;
        }
        self.headers.iter().try_for_each(|header| write!(f, " header {}", Header(header)))?;
        if let Some(code) = self.error {
            write!(f, " error 0x{code:08x}")?;
        }
        if let Some(context) = self.context {
            write!(f, " context {context:#x}")?;
        }
        if self.body.is_empty() {
            Ok(())
        } else {
            write!(f, " body {}", Quoted(self.body.as_bytes()))
        }
    }
}

fn write_after(f: &mut Formatter<'_>, after: u64) -> fmt::Result {
    if after == 0 { Ok(()) } else { write!(f, " after {after}") }
}

struct Time(Duration);

impl Display for Time {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            whole if whole.is_multiple_of(1000) => write!(f, "{}s", whole / 1000),
            milliseconds => write!(f, "{milliseconds}ms"),
        }
    }
}

struct Header<'a>(&'a (String, String));

impl Display for Header<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (name, value) = self.0;
        Quoted(format!("{name}: {value}").as_bytes()).fmt(f)
    }
}

struct Quoted<'a>(&'a [u8]);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for byte in self.0 {
            match byte {
                b'"' | b'\\' => write!(f, "\\{}", *byte as char)?,
                b'\r' => f.write_str("\\r")?,
                b'\n' => f.write_str("\\n")?,
                0x20..0x7f => f.write_char(*byte as char)?,
                other => write!(f, "\\x{other:02x}")?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_script_reads_back_the_same() {
        let text = "fragment 3..5: drop after 70000 keep stall 1500ms after 10\n\
            create from 2: answer 503 after work header \"Retry-After: 2\" error 0x80070070 context 0x5 body \"<\\\"\\\\ü\\r\\n\"\n\
            request every 4: rewind 5 as 416 delay 2s status 201 without A with \"B: c\" adding \"B: d\" version 1.0 stray \"\\x00\\xff\" trickle 1/100ms\n\
            close: offset 7\nget: garbage 9\nhead 1: hang\nping 1: swallow\ncancel 1: forget\n";
        let script: FaultScript = text.parse().expect("script");
        let written = script.to_string();
        assert_eq!(written.parse::<FaultScript>().expect("written script"), script, "{written}");
        assert_eq!(written, text.replace('ü', "\\xc3\\xbc"));
    }
}
