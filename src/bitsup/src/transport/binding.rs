//! What a login is bound to: the certificate of the TLS connection it travels on (RFC 5929,
//! `tls-server-end-point`), so that a man in the middle who terminates that TLS cannot pass it on.
//!
//! libcurl hands the handshake's messages, decrypted, to the debug callback where its TLS is
//! OpenSSL. The server's own certificate is the first in its message Certificate.

use sha2::{Digest, Sha224, Sha256, Sha384, Sha512, Sha512_224, Sha512_256};

/// The types of handshake messages (RFC 8446 §4).
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;

/// The tags of DER that lead to the hash function of a certificate's signature.
const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;
const EXPLICIT_0: u8 = 0xa0;
/// No length of a certificate needs more bytes: messages of handshakes are under 16 MiB.
const MAX_LENGTH_BYTES: u8 = 3;

/// Signatures whose hash function is part of their name, and RSA-PSS, which names it beside.
const RSA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01";
const RSA_PSS: u8 = 10;
const ECDSA_WITH_SHA2: &[u8] = b"\x2a\x86\x48\xce\x3d\x04\x03";
/// The hash functions of NIST by name.
const HASHES: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x02";

/// What is known of the certificate of a connection's server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum ServerCertificate {
    /// The TLS library does not tell of its handshakes, or there is no TLS.
    #[default]
    NotReported,
    /// It does, and no certificate that can be read came so far.
    Unknown,
    Known(Binding),
}

/// The hash of a server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Binding(Vec<u8>);

impl ServerCertificate {
    /// Takes one piece of what TLS received. The first certificate counts: a server that
    /// shows another one later is still the one whose name was checked.
    pub(super) fn received(&mut self, piece: &[u8]) {
        if let Self::Known(_) = self {
            return;
        }
        // Other pieces are heads of records, alerts and the like.
        match message(piece) {
            Some((CERTIFICATE, body)) => {
                *self = leaf(body).map_or(Self::Unknown, |der| Self::Known(Binding::of(der)));
            }
            Some((SERVER_HELLO, _)) => *self = Self::Unknown,
            _ => {}
        }
    }
}

impl Binding {
    /// That of a certificate in DER.
    pub(crate) fn of(certificate: &[u8]) -> Self {
        Self(match signature_hash(certificate) {
            Hash::Sha224 => Sha224::digest(certificate).to_vec(),
            Hash::Sha256 => Sha256::digest(certificate).to_vec(),
            Hash::Sha384 => Sha384::digest(certificate).to_vec(),
            Hash::Sha512 => Sha512::digest(certificate).to_vec(),
            Hash::Sha512Of224 => Sha512_224::digest(certificate).to_vec(),
            Hash::Sha512Of256 => Sha512_256::digest(certificate).to_vec(),
        })
    }

    /// What the mechanisms of logins call application data.
    pub(crate) fn application_data(&self) -> Vec<u8> {
        [b"tls-server-end-point:", &*self.0].concat()
    }
}

/// The type and the body of a handshake message; OpenSSL tells of whole ones.
fn message(piece: &[u8]) -> Option<(u8, &[u8])> {
    let (kind, rest) = piece.split_first()?;
    let (body, rest) = counted(rest)?;
    rest.is_empty().then_some((*kind, body))
}

/// The first certificate of a message: TLS 1.2 begins with the list, TLS 1.3 with a context
/// that is empty in handshakes. No message can be read both ways.
fn leaf(body: &[u8]) -> Option<&[u8]> {
    let whole_list = |body| counted(body).filter(|(_, rest)| rest.is_empty());
    let context_and_list = || body.strip_prefix(&[0]).and_then(whole_list);
    let (list, _) = whole_list(body).or_else(context_and_list)?;
    let (certificate, _) = counted(list)?;
    (!certificate.is_empty()).then_some(certificate)
}

/// What a length of three bytes stands before, and what follows.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<3>()?;
    let [high, middle, low] = length.map(usize::from);
    rest.split_at_checked(high << 16 | middle << 8 | low)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Sha512Of224,
    Sha512Of256,
}

/// The hash function of a certificate's signature. SHA-256 stands for MD5 and SHA-1 (RFC 5929
/// §4.1), and for signatures that have none, for which nothing is laid down: a server may see
/// it otherwise then, but no man in the middle can have it left out.
fn signature_hash(certificate: &[u8]) -> Hash {
    named_hash(certificate).unwrap_or(Hash::Sha256)
}

fn named_hash(certificate: &[u8]) -> Option<Hash> {
    let (fields, _) = element(SEQUENCE, certificate)?;
    let (_, after_signed) = element(SEQUENCE, fields)?;
    let (algorithm, _) = element(SEQUENCE, after_signed)?;
    let (name, parameters) = element(OBJECT_IDENTIFIER, algorithm)?;
    if let Some([number]) = name.strip_prefix(ECDSA_WITH_SHA2) {
        return match number {
            1 => Some(Hash::Sha224),
            3 => Some(Hash::Sha384),
            4 => Some(Hash::Sha512),
            _ => None,
        };
    }
    match name.strip_prefix(RSA)? {
        [RSA_PSS] => {
            let (parameters, _) = element(SEQUENCE, parameters)?;
            let (hash, _) = element(EXPLICIT_0, parameters)?;
            let (hash, _) = element(SEQUENCE, hash)?;
            let (name, _) = element(OBJECT_IDENTIFIER, hash)?;
            match name.strip_prefix(HASHES)? {
                [2] => Some(Hash::Sha384),
                [3] => Some(Hash::Sha512),
                [4] => Some(Hash::Sha224),
                [5] => Some(Hash::Sha512Of224),
                [6] => Some(Hash::Sha512Of256),
                _ => None,
            }
        }
        [12] => Some(Hash::Sha384),
        [13] => Some(Hash::Sha512),
        [14] => Some(Hash::Sha224),
        [15] => Some(Hash::Sha512Of224),
        [16] => Some(Hash::Sha512Of256),
        _ => None,
    }
}

/// The content of the DER element with that tag, and what follows.
fn element(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first().filter(|_| *found == tag)?;
    let (length, rest) = match first.checked_sub(0x80) {
        None => (usize::from(*first), rest),
        Some(count @ 1..=MAX_LENGTH_BYTES) => {
            let (length, rest) = rest.split_at_checked(usize::from(count))?;
            (length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        }
        Some(_) => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use openssl::asn1::Asn1Time;
    use openssl::ec::{EcGroup, EcKey};
    use openssl::hash::MessageDigest;
    use openssl::nid::Nid;
    use openssl::pkey::{PKey, Private};
    use openssl::rsa::Rsa;
    use openssl::x509::X509;
    use proptest::prelude::*;

    use super::*;

    fn signed(key: &PKey<Private>, digest: MessageDigest) -> X509 {
        let mut builder = X509::builder().expect("a builder");
        builder.set_pubkey(key).expect("a key");
        builder.set_not_before(&Asn1Time::days_from_now(0).expect("a time")).expect("set");
        builder.set_not_after(&Asn1Time::days_from_now(1).expect("a time")).expect("set");
        builder.sign(key, digest).expect("signed");
        builder.build()
    }

    fn three(length: usize) -> [u8; 3] {
        let [.., high, middle, low] = length.to_be_bytes();
        [high, middle, low]
    }

    fn counted_bytes(bytes: &[u8]) -> Vec<u8> {
        [&three(bytes.len()), bytes].concat()
    }

    /// The message of a server with these certificates, of TLS 1.2 or 1.3.
    fn certificate_message(certificates: &[&[u8]], is_13: bool) -> Vec<u8> {
        let mut list = Vec::new();
        for certificate in certificates {
            list.extend(counted_bytes(certificate));
            list.extend(if is_13 { &[0_u8, 0][..] } else { &[] });
        }
        let context: &[u8] = if is_13 { &[0] } else { &[] };
        let body = [context, &counted_bytes(&list)].concat();
        [&[CERTIFICATE], &*counted_bytes(&body)].concat()
    }

    fn read(message: &[u8]) -> ServerCertificate {
        let mut certificate = ServerCertificate::Unknown;
        certificate.received(message);
        certificate
    }

    #[test]
    fn the_hash_is_that_of_the_signature_and_sha_256_for_weak_ones() {
        let rsa = PKey::from_rsa(Rsa::generate(2048).expect("a key")).expect("a key");
        let curve = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a curve");
        let ec = PKey::from_ec_key(EcKey::generate(&curve).expect("a key")).expect("a key");
        let ed = PKey::generate_ed25519().expect("a key");
        let (sha224, sha256) = (MessageDigest::sha224(), MessageDigest::sha256());
        let (sha384, sha512) = (MessageDigest::sha384(), MessageDigest::sha512());
        for (key, signed_by, hashed_by) in [
            (&rsa, MessageDigest::md5(), sha256),
            (&rsa, MessageDigest::sha1(), sha256),
            (&rsa, sha224, sha224),
            (&rsa, sha256, sha256),
            (&rsa, sha384, sha384),
            (&rsa, sha512, sha512),
            (&ec, MessageDigest::sha1(), sha256),
            (&ec, sha224, sha224),
            (&ec, sha256, sha256),
            (&ec, sha384, sha384),
            (&ec, sha512, sha512),
            (&ed, MessageDigest::null(), sha256),
        ] {
            let certificate = signed(key, signed_by);
            let wanted = certificate.digest(hashed_by).expect("a hash").to_vec();
            let der = certificate.to_der().expect("DER");
            assert_eq!(Binding::of(&der).0, wanted, "{:?}", signed_by.type_().long_name());
        }
    }

    #[test]
    fn the_hash_of_rsa_pss_stands_beside_its_name() {
        let sequence = |content: &[u8]| [&[SEQUENCE, content.len() as u8], content].concat();
        let name = |prefix: &[u8], last: u8| {
            [&[OBJECT_IDENTIFIER, prefix.len() as u8 + 1], prefix, &[last]].concat()
        };
        let certificate = |parameters: &[u8]| {
            let algorithm = sequence(&[&name(RSA, RSA_PSS), parameters].concat());
            sequence(&[&sequence(b""), &*algorithm, b"\x03\x01\x00"].concat())
        };
        for (number, wanted) in [
            (1, Hash::Sha256),
            (2, Hash::Sha384),
            (3, Hash::Sha512),
            (4, Hash::Sha224),
            (5, Hash::Sha512Of224),
            (6, Hash::Sha512Of256),
            (7, Hash::Sha256),
        ] {
            let hash = sequence(&name(HASHES, number));
            let parameters = sequence(&[&[EXPLICIT_0, hash.len() as u8], &*hash].concat());
            assert_eq!(signature_hash(&certificate(&parameters)), wanted);
        }
        // Without parameters it is SHA-1.
        assert_eq!(signature_hash(&certificate(&sequence(b""))), Hash::Sha256);
        assert_eq!(signature_hash(b"no certificate"), Hash::Sha256);
    }

    #[test]
    fn what_is_bound_to_begins_with_its_kind() {
        let text = Binding::of(b"").application_data();
        let (kind, hash) = text.split_at(21);
        let mut shown = String::new();
        for byte in hash {
            write!(shown, "{byte:02x}").expect("memory");
        }
        assert_eq!(kind, b"tls-server-end-point:");
        assert!(shown.starts_with("e3b0c44298fc1c14") && shown.len() == 64, "{shown}");
    }

    #[test]
    fn the_first_certificate_of_the_first_message_counts() {
        let long = vec![7; 70_000];
        for is_13 in [false, true] {
            for certificates in [&[&b"leaf"[..]][..], &[b"leaf", b"issuer"], &[&long, b"issuer"]] {
                let message = certificate_message(certificates, is_13);
                let known = read(&message);
                assert_eq!(known, ServerCertificate::Known(Binding::of(certificates[0])));
                let mut again = known.clone();
                again.received(&certificate_message(&[b"other"], is_13));
                again.received(&[&[SERVER_HELLO], &*counted_bytes(b"hello")].concat());
                assert_eq!(again, known);
            }
            for none in [&[][..], &[&b""[..], b"issuer"]] {
                let message = certificate_message(none, is_13);
                assert_eq!(read(&message), ServerCertificate::Unknown);
            }
        }
    }

    #[test]
    fn what_is_cut_off_or_too_long_is_no_certificate() {
        for is_13 in [false, true] {
            let message = certificate_message(&[b"leaf", b"issuer"], is_13);
            for length in 0..message.len() {
                assert_eq!(read(&message[..length]), ServerCertificate::Unknown);
            }
            let longer = [&*message, b"\0"].concat();
            assert_eq!(read(&longer), ServerCertificate::Unknown);
            // Lengths inside that do not fit.
            for position in 4..message.len() - 1 {
                let mut wrong = message.clone();
                wrong[position] = wrong[position].wrapping_add(0x80);
                let read = read(&wrong);
                let leaf = ServerCertificate::Known(Binding::of(b"leaf"));
                let begins = position < if is_13 { 11 } else { 10 };
                assert!(!begins || read != leaf, "{position}");
            }
        }
    }

    #[test]
    fn other_pieces_say_nothing_and_a_handshake_without_a_certificate_is_seen() {
        let mut certificate = ServerCertificate::default();
        // The head of a record, the type inside of one, an alert, a ticket.
        let ticket = [&[4], &*counted_bytes(b"ticket")].concat();
        for piece in [&b"\x16\x03\x03\x00\x7a"[..], b"\x16", b"\x02\x28", b"", &ticket] {
            certificate.received(piece);
            assert_eq!(certificate, ServerCertificate::NotReported);
        }
        certificate.received(&[&[SERVER_HELLO], &*counted_bytes(b"hello")].concat());
        assert_eq!(certificate, ServerCertificate::Unknown);
        // A compressed certificate (RFC 8879).
        certificate.received(&[&[25], &*counted_bytes(b"compressed")].concat());
        assert_eq!(certificate, ServerCertificate::Unknown);
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_much(piece in proptest::collection::vec(any::<u8>(), 0..80)) {
            let body = [&[CERTIFICATE], &*counted_bytes(&piece)].concat();
            read(&body);
            read(&piece);
            Binding::of(&piece);
        }
    }
}
