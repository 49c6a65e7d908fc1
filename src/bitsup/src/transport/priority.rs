//! What makes the packets of a polite upload go behind those of others. All of it is advice: a system that does
//! not know it, or does not allow it, sends as ever.

use socket2::{Domain, Socket};

/// Lower effort (RFC 8622): the code point 1, above the two bits of ECN.
pub(super) const LOWER_EFFORT: u32 = 1 << 2;

/// The bytes the system takes beyond those under way: a longer queue would hide how full the way is.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT: u32 = 16 * 1024;

/// Congestion controls that yield to others, the best first.
#[cfg(any(target_os = "linux", target_os = "android"))]
const YIELDING: [&str; 3] = ["ledbatpp", "ledbat", "lp"];

/// Marks a socket before it connects.
pub(super) fn lower(socket: &Socket, domain: Domain) {
    let _ = if domain == Domain::IPV6 {
        socket.set_tclass_v6(LOWER_EFFORT)
    } else {
        socket.set_tos_v4(LOWER_EFFORT)
    };
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        drop(socket.set_tcp_notsent_lowat(UNSENT));
        yield_to_others(socket);
    }
}

/// Looks each time: an administrator may load one meanwhile, and connections are few.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn yield_to_others(socket: &Socket) {
    let listed = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_available_congestion_control");
    if let Some(name) = yielding(&listed.unwrap_or_default()) {
        drop(socket.set_tcp_congestion(name.as_bytes()));
    }
}

/// The best of those that the system lists.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn yielding(listed: &str) -> Option<&'static str> {
    YIELDING.into_iter().find(|name| listed.split_ascii_whitespace().any(|one| one == *name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::Type;

    #[test]
    fn a_socket_is_marked_for_either_family() {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        lower(&socket, Domain::IPV4);
        assert_eq!(socket.tos_v4().expect("readable"), LOWER_EFFORT);
        // Not every machine has IPv6.
        if let Ok(socket) = Socket::new(Domain::IPV6, Type::STREAM, None) {
            lower(&socket, Domain::IPV6);
            assert_eq!(socket.tclass_v6().expect("readable"), LOWER_EFFORT);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_yielding_congestion_control_is_taken_if_there_is_one() {
        assert_eq!(yielding("reno bbr cubic\n"), None);
        assert_eq!(yielding(""), None);
        assert_eq!(yielding("reno lp cubic\n"), Some("lp"));
        assert_eq!(yielding("lp ledbat\n"), Some("ledbat"));
        assert_eq!(yielding("help alps\n"), None, "whole words");
    }
}
