//! The integration tests, one program: a module a subject.

mod bad_input;
mod commands;
mod common;
mod cores;
mod doctor;
mod documents;
mod faults;
mod guides;
mod json;
mod kept;
mod kills;
mod logins;
mod memory;
mod output;
mod proxies;
mod random_servers;

mod replay;
mod scale;
mod secrets;
mod signals;
mod telling;
mod upload;
