//! The lines of an intent log: what the short uploads of a process note, in one file for all.
//!
//! A line has the name of an upload, the JSON of what it notes, and a checksum of both. What an upload
//! noted last counts, until a line without JSON ends it.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use super::record::seal;
use super::{Entry, Intent};

/// What is longer is for a file of its own.
const MAX_LINE: usize = 64 * 1024;

/// The line with which an upload notes `record`, an encoded [`Intent`] or [`Entry`], or ends. `None`: it
/// would be too long.
#[must_use]
pub fn log_line(id: &str, record: Option<&str>) -> Option<String> {
    let json = record.and_then(|record| record.lines().next()).unwrap_or_default();
    let body = format!("{id} {json}");
    (body.len() <= MAX_LINE).then(|| format!("{body} {:016x}\n", xxh3_64(body.as_bytes())))
}

/// What was noted last of each upload that has not ended, as it is in a file of its own. Any program may
/// have written the bytes: a line that is torn or not understood counts for nothing.
#[must_use]
pub fn open_records(bytes: &[u8]) -> BTreeMap<String, String> {
    let mut open = BTreeMap::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let Some((id, json)) = parse(line) else { continue };
        let record = seal(json);
        let bytes = record.as_bytes();
        if json.is_empty() {
            open.remove(id);
        } else if Intent::decode(bytes).is_ok() || Entry::decode(bytes).is_ok() {
            open.insert(id.to_owned(), record);
        }
    }
    open
}

fn parse(line: &[u8]) -> Option<(&str, &str)> {
    if line.len() > 2 * MAX_LINE {
        return None;
    }
    let (body, checksum) = std::str::from_utf8(line).ok()?.strip_suffix('\n')?.rsplit_once(' ')?;
    let (id, json) = body.split_once(' ')?;
    let is_whole = format!("{:016x}", xxh3_64(body.as_bytes())) == checksum;
    (is_whole && is_id(id)).then_some((id, json))
}

/// Whether it is the name of an upload, which cannot lead out of a folder.
#[must_use]
pub fn is_id(id: &str) -> bool {
    id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: [&str; 3] = ["0123456789abcdef", "1123456789abcdef", "2123456789abcdef"];

    fn intent(begun: u64) -> String {
        let intent = Intent::new("http://h/x".into(), "/x y\n".into(), 1, None, begun);
        intent.encode().expect("text")
    }

    #[test]
    fn the_last_record_counts_until_the_upload_ends() {
        let line = |at: usize, record: Option<&str>| log_line(IDS[at], record).expect("short");
        let (first, second, other) = (intent(1), intent(2), intent(3));
        let mut log = line(0, Some(&first)) + &line(1, Some(&other)) + &line(0, Some(&second));
        let open = open_records(log.as_bytes());
        assert_eq!((open.len(), &open[IDS[0]], &open[IDS[1]]), (2, &second, &other));
        log += &line(0, None);
        assert_eq!(open_records(log.as_bytes()).keys().collect::<Vec<_>>(), [IDS[1]]);
    }

    #[test]
    fn a_torn_line_and_rubbish_count_for_nothing() {
        let (first, second) = (intent(1), intent(2));
        let line = |record: &str| log_line(IDS[0], Some(record)).expect("short");
        let log = line(&first) + &line(&second);
        for length in line(&first).len()..log.len() {
            assert_eq!(open_records(&log.as_bytes()[..length])[IDS[0]], first, "{length}");
        }
        // What has the right checksum and is no record, or has a name that leads out of the folder.
        for (id, json) in [("../../../etc/xyz", first.as_str()), (IDS[1], "{}"), (IDS[2], "null")] {
            let log = line(&first) + &log_line(id, Some(json)).expect("short");
            assert_eq!(open_records(log.as_bytes()).len(), 1, "{id} {json}");
        }
        assert!(log_line(IDS[0], Some(&"x".repeat(MAX_LINE))).is_none());
    }

    #[test]
    fn an_altered_byte_costs_its_line_and_no_other() {
        let line = |at: usize| log_line(IDS[at], Some(&intent(at as u64))).expect("short");
        let log = line(0) + &line(1) + &line(2);
        for at in 0..log.len() {
            for flip in
                [1, 2, 0x80, log.as_bytes()[at] ^ b'\n'].into_iter().filter(|flip| *flip > 0)
            {
                let mut bytes = log.clone().into_bytes();
                bytes[at] ^= flip;
                let open = open_records(&bytes);
                // Without its end a line takes the next one with it.
                let is_end = log.as_bytes()[at] == b'\n';
                assert!(open.len() == 2 || (is_end && open.len() == 1), "{at} {flip}");
                for (id, record) in open {
                    let at = IDS.iter().position(|known| *known == id).expect("a known name");
                    assert_eq!(record, intent(at as u64));
                }
            }
        }
    }
}
