//! The transport against raw sockets.

mod support;

mod answers;
mod connections;
mod cookies;
mod curl_handler;
mod limits;
mod logins;
mod proxies;
mod sendfile;
mod tls;
