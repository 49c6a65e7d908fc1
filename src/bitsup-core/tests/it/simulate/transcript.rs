//! What happened in a run, line by line, for those who want to see it.

use std::time::Duration;

/// The lines so far, or nothing where they are not wanted: writing them takes longer than the run.
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    lines: Option<Vec<String>>,
}

impl Transcript {
    /// One that keeps every line.
    pub(crate) fn kept() -> Self {
        Self { lines: Some(Vec::new()) }
    }

    /// Adds a line.
    pub(crate) fn note(&mut self, now: Duration, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>14.6} {}", now.as_secs_f64(), line()));
        }
    }

    /// All lines.
    pub(crate) fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }

    /// The last `count` lines.
    pub(crate) fn last(&self, count: usize) -> &[String] {
        let lines = self.lines();
        lines.get(lines.len().saturating_sub(count)..).unwrap_or_default()
    }
}
