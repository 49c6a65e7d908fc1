//! Runs a command whose output people see as it comes while we count its tests, and several at once.

use std::io::{self, Read, Write};
use std::num::NonZero;
use std::panic;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::Result;
use crate::tally::Tally;

/// Works on the items in their order, on as many at once as there are cores; the results are in that order too.
pub(crate) fn at_once<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let work_on = || {
        let mut own = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(number) else { return own };
            own.push((number, work(item)));
        }
    };
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let mut results: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work_on)).collect();
        let joined = workers.into_iter().map(thread::ScopedJoinHandle::join);
        joined.flat_map(|own| own.unwrap_or_else(|cause| panic::resume_unwind(cause))).collect()
    });
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Runs the command to its end, copies its standard output and counts what its lines say. Returns whether it
/// succeeded.
pub(crate) fn run(
    command: &mut Command,
    output: &mut dyn Write,
    tally: &mut Tally,
) -> Result<bool> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{program} cannot be started: {error}"))?;
    if let Some(from) = child.stdout.take() {
        copy_and_count(from, output, tally)?;
    }
    Ok(child.wait()?.success())
}

/// Writes each piece at once, not line by line: pytest's dots come without a line end.
fn copy_and_count(mut from: impl Read, to: &mut dyn Write, tally: &mut Tally) -> io::Result<()> {
    let mut piece = [0; 8192];
    let mut line = Vec::new();
    loop {
        let length = from.read(&mut piece)?;
        let Some(piece) = piece.get(..length).filter(|piece| !piece.is_empty()) else {
            break;
        };
        to.write_all(piece)?;
        to.flush()?;
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                tally.read_line(&String::from_utf8_lossy(&line));
                line.clear();
            }
        }
    }
    tally.read_line(&String::from_utf8_lossy(&line));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte a read.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.take(1).read(buffer).inspect(|&length| {
                self.0 = self.0.get(length..).unwrap_or_default();
            })
        }
    }

    #[test]
    fn output_is_copied_as_it_is_and_counted() {
        let output = b"\xff noise\n2 passed, 0 failed, 1 skipped\n3 passed, 1 failed";
        let mut copy = Vec::new();
        let mut tally = Tally::default();
        copy_and_count(Slow(output), &mut copy, &mut tally).expect("memory does not fail");
        assert_eq!(copy, output);
        assert_eq!((tally.passed, tally.failed, tally.skipped), (5, 1, 1));
    }

    #[test]
    fn results_are_in_the_order_of_the_items() {
        let items: Vec<u32> = (0..100).collect();
        assert_eq!(at_once(&items, |item| item * 2), (0..200).step_by(2).collect::<Vec<_>>());
    }

    #[test]
    fn the_exit_code_decides() {
        let mut tally = Tally::default();
        let mut run = |program| run(&mut Command::new(program), &mut Vec::new(), &mut tally);
        assert!(run("true").expect("it starts"));
        assert!(!run("false").expect("it starts"));
        let error = run("a-program-that-does-not-exist").expect_err("it cannot start");
        assert!(error.to_string().contains("cannot be started"));
    }
}
