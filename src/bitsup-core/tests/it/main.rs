//! The integration tests, one program: a module a subject.

mod fragment_size;
mod simulate;
