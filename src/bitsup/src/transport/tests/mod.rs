//! The transport against raw sockets.

mod support;

mod wire;
