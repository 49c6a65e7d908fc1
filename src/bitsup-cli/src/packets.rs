//! Packets and Acks as lines, for `-v`, `--trace` and the demonstration.

use bitsup::{AckEvent, Event, PacketEvent};

use crate::format;

/// An event as a line, if it is one of those that are worth one. No line has a secret in it.
pub(crate) fn line(event: &Event) -> Option<String> {
    match event {
        Event::Packet(packet) => Some(packet_line(packet)),
        Event::Ack(ack) => Some(ack_line(ack)),
        Event::Notice(text) => Some(format!("   {text}")),
        Event::Retry { cause, delay, attempt } => {
            Some(format!("   {cause}; next try in {} (try {attempt})", format::time_left(*delay)))
        }
        _ => None,
    }
}

fn packet_line(event: &PacketEvent) -> String {
    let range = event.range.map_or(String::new(), |range| format!(" {}", bytes(range)));
    format!("-> {}{range} to {}", event.packet, event.host)
}

fn ack_line(event: &AckEvent) -> String {
    let offset = event.offset.map_or(String::new(), |offset| format!(", offset {offset}"));
    let time = format::time(event.duration);
    format!("<- {} {}{offset}, {time}", event.status, event.packet)
}

/// First and last byte, as `Content-Range` counts them.
fn bytes((first, length): (u64, u64)) -> String {
    format!("{first}-{}", first.saturating_add(length).saturating_sub(1))
}
