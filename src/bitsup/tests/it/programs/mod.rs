//! Uploads through real server programs. A program that is not installed skips its tests by name.

mod apache;
mod binding;
mod guide;
mod haproxy;
mod kerberos;
mod logins;
mod nginx;
mod ntlm;
mod openssl;
mod socks;
mod squid;
