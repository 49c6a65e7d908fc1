//! Digest logins (RFC 7616; RFC 2617 where a server knows no more).
//!
//! libcurl would find the nonce out with the packet itself, its body held back; a server that asks for
//! no login there takes that for an empty Fragment.

use std::fmt::Write as _;

use md5::{Digest as _, Md5};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::challenge::Offer;
use super::sent_hash::hexadecimal;
use crate::transport::Credentials;

/// A challenge of Digest, and how often it was answered.
#[derive(Clone, Debug)]
pub(crate) struct Digest {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    /// As the server wrote it; it is repeated so.
    algorithm: Option<String>,
    hash: Hash,
    /// The password is hashed with the nonces (`-sess`).
    is_session: bool,
    /// The server takes `qop=auth`.
    has_qop: bool,
    /// The server says that only the nonce was too old.
    pub(crate) is_stale: bool,
    count: u32,
}

#[derive(Clone, Copy, Debug)]
enum Hash {
    Md5,
    Sha256,
}

impl Digest {
    /// The first of these offers that can be answered.
    pub(crate) fn choose(offers: &[Offer]) -> Option<Self> {
        offers.iter().filter(|offer| offer.scheme == "digest").find_map(Self::read)
    }

    fn read(offer: &Offer) -> Option<Self> {
        let text = |name: &str| offer.parameter(name).map(str::to_owned);
        let algorithm = text("algorithm");
        let lower = algorithm.as_deref().unwrap_or("md5").to_ascii_lowercase();
        let (base, is_session) = match lower.strip_suffix("-sess") {
            Some(base) => (base, true),
            None => (lower.as_str(), false),
        };
        let hash = match base {
            "md5" => Hash::Md5,
            "sha-256" => Hash::Sha256,
            _ => return None,
        };
        let qop = offer.parameter("qop");
        let is_auth = |word: &str| word.trim().eq_ignore_ascii_case("auth");
        let has_qop = qop.is_some_and(|words| words.split(',').any(is_auth));
        // Only `auth-int` would want the body's hash before the body.
        if qop.is_some() && !has_qop {
            return None;
        }
        let is_stale =
            offer.parameter("stale").is_some_and(|word| word.eq_ignore_ascii_case("true"));
        Some(Self {
            realm: text("realm")?,
            nonce: text("nonce")?,
            opaque: text("opaque"),
            algorithm,
            hash,
            is_session,
            has_qop,
            is_stale,
            count: 0,
        })
    }

    /// The value of `Authorization` or `Proxy-Authorization` for one request.
    pub(crate) fn answer(
        &mut self,
        credentials: &Credentials,
        method: &str,
        target: &str,
    ) -> Zeroizing<String> {
        let own = uuid::Uuid::new_v4().simple().to_string();
        self.answer_with(&own, credentials, method, target)
    }

    fn answer_with(
        &mut self,
        cnonce: &str,
        credentials: &Credentials,
        method: &str,
        target: &str,
    ) -> Zeroizing<String> {
        self.count = self.count.saturating_add(1);
        let Self { realm, nonce, .. } = &*self;
        let count = format!("{:08x}", self.count);
        let mut secret =
            Zeroizing::new(self.hash.of(&[&credentials.user, realm, &credentials.password]));
        if self.is_session {
            secret = Zeroizing::new(self.hash.of(&[&secret, nonce, cnonce]));
        }
        let request = self.hash.of(&[method, target]);
        let response = if self.has_qop {
            self.hash.of(&[&secret, nonce, &count, cnonce, "auth", &request])
        } else {
            self.hash.of(&[&secret, nonce, &request])
        };
        let mut value = Zeroizing::new(format!(
            "Digest username={}, realm={}, nonce={}, uri={}",
            quoted(&credentials.user),
            quoted(realm),
            quoted(nonce),
            quoted(target)
        ));
        // Writing to a String cannot fail.
        if self.has_qop {
            let _ = write!(value, ", cnonce=\"{cnonce}\", nc={count}, qop=auth");
        } else if self.is_session {
            let _ = write!(value, ", cnonce=\"{cnonce}\"");
        }
        let _ = write!(value, ", response=\"{response}\"");
        if let Some(opaque) = &self.opaque {
            let _ = write!(value, ", opaque={}", quoted(opaque));
        }
        if let Some(algorithm) = &self.algorithm {
            let _ = write!(value, ", algorithm={algorithm}");
        }
        value
    }
}

impl Hash {
    /// The hash of the parts, with a colon between them, in hexadecimal digits.
    fn of(self, parts: &[&str]) -> String {
        let text = Zeroizing::new(parts.join(":"));
        match self {
            Self::Md5 => hexadecimal(&Md5::digest(text.as_bytes())),
            Self::Sha256 => hexadecimal(&<Sha256 as sha2::Digest>::digest(text.as_bytes())),
        }
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::super::challenge::read;
    use super::*;
    use crate::transport::AuthScheme;

    fn answer(challenge: &str, cnonce: &str, user: &str, password: &str) -> String {
        let mut digest = Digest::choose(&read([challenge.as_bytes()])).expect("readable");
        let scheme = AuthScheme::Digest;
        let password = password.to_owned().into();
        let credentials = Credentials { scheme, user: user.into(), password };
        digest.answer_with(cnonce, &credentials, "GET", "/dir/index.html").to_string()
    }

    /// The examples of RFC 7616 §3.9.1 and RFC 2617 §3.5.
    #[test]
    fn the_examples_of_the_rfcs_come_out() {
        let _rule = bitsup_server::rule!("AUT-08");
        let common = "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let challenge = format!("{common}, algorithm={algorithm}");
            let answer = answer(&challenge, cnonce, "Mufasa", "Circle of Life");
            assert!(answer.contains(&format!("response=\"{response}\"")), "{answer}");
            assert!(answer.contains("nc=00000001, qop=auth"), "{answer}");
            assert!(answer.ends_with(&format!("algorithm={algorithm}")), "{answer}");
        }
        let old = "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
        let answer = answer(old, "0a4f113b", "Mufasa", "Circle Of Life");
        assert!(answer.contains("response=\"6629fae49393a05397450978507c4ef1\""), "{answer}");
    }

    #[test]
    fn what_cannot_be_answered_is_passed_over() {
        let read = |text: &str| Digest::choose(&read([text.as_bytes()]));
        assert!(read("Digest realm=\"r\", nonce=\"n\", algorithm=SHA-512-256").is_none());
        assert!(read("Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\"").is_none());
        assert!(read("Digest realm=\"r\"").is_none());
        let second = read(
            "Digest realm=\"a\", nonce=\"1\", algorithm=X, Digest realm=\"b\", nonce=\"2\", stale=TRUE",
        );
        assert!(second.is_some_and(|own| own.realm == "b" && own.is_stale && !own.has_qop));
    }
}
