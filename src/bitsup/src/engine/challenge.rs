//! The challenges of `WWW-Authenticate` and `Proxy-Authenticate` (RFC 9110 §11.6.1).
//!
//! The one parser of them: who chooses a scheme, who answers it and who tells of it read the same.

/// The most schemes of an answer that are looked at; servers offer five at most.
const MAX_SCHEMES: usize = 16;
/// The most parameters of a scheme that are kept; Digest has nine.
const MAX_PARAMETERS: usize = 16;
/// A scheme's name is at most so long; that of the longest known one is 13.
const MAX_NAME: usize = 40;
/// So much of a realm is told.
const MAX_REALM: usize = 200;

/// A scheme that a server or a proxy offers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Offer {
    /// Its name as it was written.
    pub(crate) name: String,
    /// Its name in lower case.
    pub(crate) scheme: String,
    /// What connection-bound schemes say: one word in base64.
    pub(crate) token: Option<String>,
    /// Names in lower case, values without their quotes.
    parameters: Vec<(String, String)>,
}

impl Offer {
    /// The value of a parameter.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let mut all = self.parameters.iter();
        all.find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The realm as it may be told.
    pub(crate) fn realm(&self) -> Option<String> {
        let realm: String = self.parameter("realm")?.chars().take(MAX_REALM).collect();
        Some(bitsup_proto::text::visible(&realm).into_owned())
    }
}

/// Whether a scheme, written in lower case, is among the offers.
pub(crate) fn has(offers: &[Offer], scheme: &str) -> bool {
    offers.iter().any(|offer| offer.scheme == scheme)
}

/// Reads the values of all header lines of an answer, in their order.
pub(crate) fn read<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Vec<Offer> {
    let mut offers = Vec::new();
    for value in values {
        for part in parts(&String::from_utf8_lossy(value)) {
            add_part(&mut offers, part.trim());
        }
    }
    offers
}

/// The pieces between commas that are not quoted.
fn parts(value: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    value.split(move |c: char| {
        let was_escaped = std::mem::take(&mut escaped);
        match c {
            '"' if !was_escaped => quoted = !quoted,
            '\\' if quoted && !was_escaped => escaped = true,
            ',' => return !quoted,
            _ => {}
        }
        false
    })
}

/// A piece begins a scheme (`Basic realm="x"`) or goes on with the last one (`nonce="y"`).
fn add_part(offers: &mut Vec<Offer>, part: &str) {
    let (word, rest) = part.split_once([' ', '\t']).unwrap_or((part, ""));
    let rest = rest.trim_start();
    let parameter = if word.is_empty() {
        return;
    } else if word.contains('=') || rest.starts_with('=') {
        part
    } else {
        if offers.len() == MAX_SCHEMES || word.len() > MAX_NAME {
            return;
        }
        let token = is_token(rest).then(|| rest.to_owned());
        let (name, scheme) = (word.to_owned(), word.to_ascii_lowercase());
        offers.push(Offer { name, scheme, token, parameters: Vec::new() });
        rest
    };
    let Some((name, value)) = parameter.split_once('=') else { return };
    if let Some(offer) = offers.last_mut().filter(|own| own.parameters.len() < MAX_PARAMETERS) {
        offer.parameters.push((name.trim().to_ascii_lowercase(), unquoted(value.trim())));
    }
}

/// Whether it is one word of `token68`, and no parameter.
fn is_token(text: &str) -> bool {
    let word = text.trim_end_matches('=');
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b);
    !word.is_empty() && word.bytes().all(legal)
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').map(|rest| rest.strip_suffix('"').unwrap_or(rest))
    else {
        return value.to_owned();
    };
    let mut escaped = false;
    let keep = |c: &char| {
        escaped = *c == '\\' && !escaped;
        !escaped
    };
    inner.chars().filter(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(value: &str) -> Vec<(String, Option<String>)> {
        let offers = read([value.as_bytes()]);
        offers.into_iter().map(|offer| (offer.scheme.clone(), offer.realm())).collect()
    }

    #[test]
    fn schemes_and_realms_are_told_apart() {
        let offer =
            |scheme: &str, realm: Option<&str>| (scheme.to_owned(), realm.map(str::to_owned));
        assert_eq!(told("Basic realm=\"up\""), [offer("basic", Some("up"))]);
        assert_eq!(told("Negotiate, NTLM"), [offer("negotiate", None), offer("ntlm", None)]);
        assert_eq!(told("NTLM TlRMTVNTUAAC=="), [offer("ntlm", None)]);
        assert_eq!(
            told("Digest nonce=\"a,Basic b\", realm=\"x \\\", NTLM\",qop=\"auth\" , basic Realm=y"),
            [offer("digest", Some("x \", NTLM")), offer("basic", Some("y"))]
        );
        assert_eq!(told("Digest realm = \"r\", nonce = \"n\""), [offer("digest", Some("r"))]);
        assert_eq!(told(", ,"), []);
        assert_eq!(told(&"a,".repeat(1000)).len(), MAX_SCHEMES);
    }

    #[test]
    fn tokens_and_parameters_are_kept() {
        let offers =
            read([&b"Negotiate YII=, NTLM TlRM"[..], b"Digest NONCE=\"a\\\\b\", qop=auth"]);
        let tokens: Vec<_> = offers.iter().map(|offer| offer.token.as_deref()).collect();
        assert_eq!(tokens, [Some("YII="), Some("TlRM"), None]);
        let digest = offers.last().expect("three");
        assert_eq!((digest.name.as_str(), digest.parameter("nonce")), ("Digest", Some("a\\b")));
        assert_eq!((digest.parameter("qop"), digest.parameter("opaque")), (Some("auth"), None));
    }
}
