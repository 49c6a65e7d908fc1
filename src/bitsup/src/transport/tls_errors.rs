//! What the words of a TLS library mean, and what to do about them.
//!
//! The libraries have no numbers for the reasons that hold over their versions, only words.

/// One reason for which there is no connection over TLS.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TlsProblem {
    /// Any of these in the library's words, in lower case.
    signs: &'static [&'static str],
    /// What happened, as part of an error message.
    pub(crate) title: &'static str,
    /// The next step.
    pub(crate) advice: &'static str,
}

/// The reason in a message of libcurl or its TLS library.
pub(crate) fn of_words(words: &str) -> Option<&'static TlsProblem> {
    let words = words.to_ascii_lowercase();
    TABLE.iter().find(|problem| problem.signs.iter().any(|sign| words.contains(sign)))
}

/// The reason, if the peer told it in an alert. With TLS 1.3 a server does so after the handshake,
/// when libcurl takes it for a lost connection.
pub(crate) fn of_alert(words: &str) -> Option<&'static TlsProblem> {
    of_words(words).filter(|_| words.to_ascii_lowercase().contains("alert"))
}

/// What is wrong with the client certificate of ours, or its key.
pub(crate) static OWN_CERTIFICATE: TlsProblem = TlsProblem {
    signs: &[],
    title: "the client certificate cannot be used",
    advice: "Check the certificate's file, its key and the key's passphrase ({cert}, {key}, {key_password_file}). PEM and PKCS#12 are read; an old PKCS#12 file of Windows must be converted first (openssl pkcs12 -legacy).",
};

/// The most particular first.
static TABLE: &[TlsProblem] = &[
    TlsProblem {
        signs: &["alert certificate required", "alert no certificate"],
        title: "the server requires a client certificate",
        advice: "Show one ({cert=FILE}), and its key if that is in another file ({key=FILE}).",
    },
    TlsProblem {
        signs: &["alert certificate expired"],
        title: "the server says that the client certificate has expired",
        advice: "Have the client certificate renewed, and check the clocks of both machines.",
    },
    TlsProblem {
        signs: &["alert certificate revoked"],
        title: "the server says that the client certificate was revoked",
        advice: "Have a new client certificate issued.",
    },
    TlsProblem {
        signs: &["alert unknown ca"],
        title: "the server does not trust the authority that issued the client certificate",
        advice: "Show a client certificate of an authority that the server trusts, or have this one added to its list (nginx: ssl_client_certificate; IIS: the machine's Trusted Root store).",
    },
    TlsProblem {
        signs: &[
            "alert bad certificate",
            "alert certificate unknown",
            "alert unsupported certificate",
            "alert access denied",
            "alert decrypt error",
        ],
        title: "the server does not take the client certificate",
        advice: "Check the dates, the issuer and the purpose (clientAuth) of the client certificate; the server's log says what is wrong with it.",
    },
    TlsProblem {
        signs: &[
            "alert protocol version",
            "unsupported protocol",
            "no protocols available",
            "wrong ssl version",
        ],
        title: "the server speaks old versions of TLS only",
        advice: "bitsup speaks TLS 1.2 and 1.3: have them enabled on the server (IIS: SChannel's Protocols keys; nginx: ssl_protocols TLSv1.2 TLSv1.3).",
    },
    TlsProblem {
        signs: &["handshake failure", "no shared cipher", "no ciphers available"],
        title: "the server and this client share no TLS version or cipher",
        advice: "Have TLS 1.2 with ECDHE and AES-GCM, or TLS 1.3, enabled on the server; a server that requires a client certificate may answer so too ({cert=FILE}).",
    },
    TlsProblem {
        signs: &[
            "wrong version number",
            "packet length too long",
            "http request",
            "record layer failure",
        ],
        title: "what answers at this port does not speak TLS",
        advice: "Check port and scheme: it may be http:// there, or a proxy has answered.",
    },
    TlsProblem {
        signs: &["in certificate chain"],
        title: "the server's certificate was issued by an authority that is not trusted here",
        advice: "If it is the right server, trust the authority: {ca_file=FILE} with its certificate, or add it to the system's store. {doctor} shows the certificates.",
    },
    TlsProblem {
        signs: &["self-signed certificate", "self signed certificate"],
        title: "the server shows a self-signed certificate",
        advice: "If it is the right server, trust this certificate ({ca_file=FILE} with it) and pin its key ({pinned_public_key}); better have one issued by an authority. {doctor} shows it.",
    },
    TlsProblem {
        signs: &[
            "unable to get local issuer",
            "unable to get issuer",
            "unable to verify the first",
        ],
        title: "the server's certificate was issued by an authority that is not known here",
        advice: "Trust the authority ({ca_file=FILE} with its certificate, or the system's store), or have the server send its intermediate certificates too. {doctor} shows what it sends.",
    },
    TlsProblem {
        signs: &["certificate has expired"],
        title: "a certificate of the server has expired",
        advice: "Have it renewed on the server, and check this machine's clock. {doctor} shows the dates of all its certificates.",
    },
    TlsProblem {
        signs: &["certificate is not yet valid"],
        title: "a certificate of the server is not valid yet",
        advice: "Check this machine's clock first. {doctor} shows the dates of all certificates of the server.",
    },
    TlsProblem {
        signs: &["certificate revoked"],
        title: "a certificate of the server was revoked",
        advice: "Do not send anything there; ask the administrator for a new certificate.",
    },
    TlsProblem {
        signs: &["subject name", "does not match target host", "subjectaltname"],
        title: "the server's certificate is for another name",
        advice: "Use in the URL a name that the certificate has, or have one issued for this name. {doctor} shows its names.",
    },
    TlsProblem {
        signs: &["pinned"],
        title: "the server's public key is not the pinned one",
        advice: "If the server's key was changed on purpose, pin the new one ({pinned_public_key}); else another host answers in its place.",
    },
    TlsProblem {
        signs: &["verify locations", "trust anchors", "ca cert", "cacert", "cafile"],
        title: "the CA certificates cannot be read",
        advice: "Give a file with certificates in PEM ({ca_file}).",
    },
    TlsProblem {
        signs: &["too weak", "too small", "legacy renegotiation"],
        title: "the server's TLS is too weak to be trusted",
        advice: "Have the server's certificate issued anew with a key of 2048 bits or more and SHA-256, and its TLS brought up to date.",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_libraries_are_understood() {
        for (words, title) in [
            (
                "SSL certificate problem: self-signed certificate in certificate chain",
                "authority that is not trusted",
            ),
            ("SSL certificate problem: self-signed certificate", "self-signed"),
            ("SSL certificate problem: certificate has expired", "expired"),
            (
                "SSL: no alternative certificate subject name matches target host name 'h'",
                "another name",
            ),
            (
                "OpenSSL SSL_read: error:0A00045C:SSL routines::tlsv13 alert certificate required",
                "requires a client certificate",
            ),
        ] {
            let found = of_words(words).expect(words);
            assert!(found.title.contains(title), "{words}: {}", found.title);
        }
        assert!(of_words("Connection refused").is_none());
    }

    #[test]
    fn advice_names_options_that_exist() {
        let _rule = bitsup_server::rule!("OUT-05");
        for problem in TABLE.iter().chain([&OWN_CERTIFICATE]) {
            assert_eq!(bitsup_proto::explain::unknown_name(problem.advice), None);
        }
    }

    #[test]
    fn only_what_the_peer_says_is_an_alert() {
        assert!(of_alert("error:0A000418:SSL routines::tlsv1 alert unknown ca").is_some());
        assert!(of_alert("SSL certificate problem: certificate has expired").is_none());
        assert!(of_alert("Recv failure: Connection reset by peer").is_none());
    }
}
