//! The integration tests, one program: a module a subject.

mod access;
mod faults;
mod packets;
mod peer;
mod replies;
mod rules;
mod storage;
