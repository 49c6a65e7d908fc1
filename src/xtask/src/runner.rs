//! Runs other programs, and several at once.

use std::fmt::Display;
use std::num::NonZero;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::Result;

/// Runs a program, whose failure is an error.
pub(crate) fn run(command: &mut Command) -> Result {
    let status = command.stdin(Stdio::null()).status();
    let status = status.map_err(|error| failure(command, error))?;
    if status.success() { Ok(()) } else { Err(failure(command, status).into()) }
}

/// Runs a program and returns what it prints, which is the same in every language.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).env("LC_ALL", "C").output();
    let output = output.map_err(|error| failure(command, error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let message = String::from_utf8_lossy(&output.stderr);
    Err(failure(command, format!("{} {}", output.status, message.trim())).into())
}

/// A command as it is typed, and what went wrong.
pub(crate) fn failure(command: &Command, cause: impl Display) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    format!("{}: {cause}", words.join(" "))
}

/// A process that ends with this.
#[derive(Debug)]
pub(crate) struct KillOnDrop(pub(crate) Child);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Works on the items in their order, on as many at once as there are cores; the results are in that order too.
pub(crate) fn at_once<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let queue = Mutex::new(items.iter().enumerate());
    let results = Mutex::new(Vec::new());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work_on = || {
        while let Some((number, item)) = next() {
            let result = work(item);
            results.lock().unwrap_or_else(PoisonError::into_inner).push((number, result));
        }
    };
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work_on))));
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_items() {
        let items: Vec<u32> = (0..100).collect();
        assert_eq!(at_once(&items, |item| item * 2), (0..200).step_by(2).collect::<Vec<_>>());
    }

    #[test]
    fn the_exit_code_decides_and_the_error_has_the_command_and_its_words() {
        assert!(run(&mut Command::new("true")).is_ok());
        let error =
            read(Command::new("sh").args(["-c", "echo no >&2; exit 3"])).expect_err("it fails");
        assert_eq!(error.to_string(), "sh -c echo no >&2; exit 3: exit status: 3 no");
        let error = run(&mut Command::new("a-missing-program")).expect_err("it cannot start");
        assert!(error.to_string().starts_with("a-missing-program: "), "{error}");
    }
}
