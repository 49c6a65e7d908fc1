//! What is known about an exchange that went wrong beyond its status: words for the error.
//!
//! Answers that come from no BITS server carry the name of their sender and a page that says
//! why. Both come from strangers and are only compared with what is known; nothing of them is
//! repeated.

use bitsup_proto::Remark;

use crate::error::ErrorKind;
use crate::transport::Answer;

/// What is known about an answer.
pub(crate) fn remark(answer: &Answer) -> Option<&'static Remark> {
    let is_bits = ["BITS-Packet-Type", "BITS-Error-Code"]
        .iter()
        .any(|name| answer.headers.get(name).is_some());
    if is_bits {
        return None;
    }
    let mut words = String::new();
    for name in ["Server", "X-Squid-Error"] {
        let value = answer.headers.get(name).unwrap_or_default();
        words += &name.to_ascii_lowercase();
        words += ": ";
        words += &String::from_utf8_lossy(value).to_ascii_lowercase();
        words.push('\n');
    }
    words += &String::from_utf8_lossy(&answer.body_prefix).to_ascii_lowercase();
    let cause = CAUSES.iter().find(|cause| {
        cause.statuses.contains(&answer.status)
            && cause.signs.iter().any(|sign| words.contains(sign))
    })?;
    Some(&cause.remark)
}

/// A page, or an answer of a product, that is given for a reason.
struct Cause {
    statuses: &'static [u16],
    /// Any of these in `Server`, `X-Squid-Error` or on the page, in lower case.
    signs: &'static [&'static str],
    remark: Remark,
}

static CAUSES: &[Cause] = &[
    // nginx completes the handshake and then answers 400; IIS has numbers below 403.
    Cause {
        statuses: &[400, 403, 496],
        signs: &["no required ssl certificate", "403.7", "client certificate required"],
        remark: Remark {
            kind: Some(ErrorKind::Tls),
            message: Some("the server requires a client certificate"),
            advice: "Show one ({cert=FILE}), and its key if that is in another file ({key=FILE}).",
        },
    },
    Cause {
        statuses: &[400, 403, 495],
        signs: &["ssl certificate error", "403.13", "403.16", "403.17"],
        remark: Remark {
            kind: Some(ErrorKind::Tls),
            message: Some("the server does not take the client certificate"),
            advice: "It has expired or was revoked, or the server does not trust the authority that issued it: look at its dates and issuer (openssl x509 -noout -dates -issuer), and into the server's log.",
        },
    },
    Cause {
        statuses: &[400],
        signs: &[
            "plain http request was sent to https port",
            "speaking plain http to an ssl-enabled",
        ],
        remark: Remark {
            kind: None,
            message: Some("the server speaks TLS at this port"),
            advice: "Write https:// in the URL.",
        },
    },
    // Who knows the verb BITS_POST, and who does not.
    Cause {
        statuses: &[403, 405, 501],
        signs: &["x-squid-error: err_"],
        remark: Remark {
            kind: None,
            message: Some("the proxy (squid) denies the request"),
            advice: "Have squid allow the method: an acl such as `acl uploads method BITS_POST` with `http_access allow uploads`, and no rule before it that denies it; or reach the host without the proxy ({no_proxy}). {post_override} sends POST instead, to a server that takes that.",
        },
    },
    Cause {
        statuses: &[403],
        signs: &["request forbidden by administrative rules"],
        remark: Remark {
            kind: None,
            message: Some("a rule of haproxy denies the request"),
            advice: "Have haproxy allow the method BITS_POST: look for `http-request deny` with a condition on `method` in its frontend and backend. {post_override} sends POST instead, to a server that takes that.",
        },
    },
    Cause {
        statuses: &[200, 403],
        signs: &["the requested url was rejected. please consult with your administrator"],
        remark: Remark {
            kind: Some(ErrorKind::Refused),
            message: Some("a web application firewall rejects the request"),
            advice: "Have the firewall allow the method BITS_POST for this path (F5: Allowed Methods of the policy); its log has the support ID that is on the page. {post_override} sends POST instead, to a server that takes that.",
        },
    },
    Cause {
        statuses: &[404],
        signs: &["404.6", "verb denied"],
        remark: Remark {
            kind: None,
            message: Some("IIS denies the verb BITS_POST"),
            advice: "Have request filtering allow it for this folder: <requestFiltering><verbs><add verb=\"BITS_POST\" allowed=\"true\" /></verbs></requestFiltering>.",
        },
    },
    Cause {
        statuses: &[403, 405, 501],
        signs: &["server: nginx"],
        remark: Remark {
            kind: None,
            message: Some("nginx does not pass the request on"),
            advice: "Have nginx pass this path to the BITS server (proxy_pass): it does not know BITS_POST itself. Where `limit_except` or a rule lists methods, BITS_POST must be among them.",
        },
    },
    Cause {
        statuses: &[403, 405, 501],
        signs: &["server: apache"],
        remark: Remark {
            kind: None,
            message: Some("Apache httpd does not pass the request on"),
            advice: "Have Apache pass this path to the BITS server (ProxyPass): it does not know BITS_POST itself. Where `AllowMethods`, `<Limit>` or ModSecurity (tx.allowed_methods) list methods, BITS_POST must be among them.",
        },
    },
    Cause {
        statuses: &[405, 501],
        signs: &["server: microsoft-iis"],
        remark: Remark {
            kind: None,
            message: Some("IIS does not take BITS uploads here"),
            advice: "Enable BITS uploads for this folder (IIS Manager: BITS Uploads; PowerShell: the WMI object's EnableBITSUploads), install the feature BITS-IIS-Ext, and let no handler or UrlScan rule block the verb BITS_POST.",
        },
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_names_options_that_exist() {
        let _rule = bitsup_server::rule!("OUT-05");
        for cause in CAUSES {
            assert_eq!(bitsup_proto::explain::unknown_name(cause.remark.advice), None);
        }
    }
}
