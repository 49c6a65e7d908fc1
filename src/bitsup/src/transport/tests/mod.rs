//! The transport against raw sockets.

mod support;

mod answers;
mod connections;
mod cookies;
mod limits;
mod logins;
mod past;
mod proxies;
mod tls;
mod wire;
