//! Certificates for tests: authorities, and what they issue.

use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};

use super::program::{adapted, installed};

/// A certification authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

/// A certificate and its private key, in PEM.
pub(crate) struct Issued {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate that is valid now.
    pub(crate) fn issue(&self, name: &str) -> Issued {
        self.issue_for(name, 2020..2200)
    }

    /// A certificate for a host or a client, valid in these years.
    pub(crate) fn issue_for(&self, name: &str, years: std::ops::Range<i32>) -> Issued {
        let key = KeyPair::generate().expect("a key");
        let cert = params(name, years).signed_by(&key, &self.issuer).expect("a certificate");
        Issued { cert: cert.pem(), key: key.serialize_pem() }
    }
}

/// A certificate that no authority signed.
pub(crate) fn self_signed(name: &str) -> Issued {
    let key = KeyPair::generate().expect("a key");
    let cert = params(name, 2020..2200).self_signed(&key).expect("a certificate");
    Issued { cert: cert.pem(), key: key.serialize_pem() }
}

fn params(name: &str, years: std::ops::Range<i32>) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(years.start, 1, 1);
    params.not_after = date_time_ymd(years.end, 1, 1);
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params
}

impl Issued {
    /// Writes certificate and key into one file.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, format!("{}{}", self.cert, self.key)).expect("written");
        path
    }

    /// Converts it by the `openssl` program, which asks for `{in}` and `{out}` in its arguments;
    /// `None` if that is missing.
    pub(crate) fn converted(&self, folder: &Path, name: &str, arguments: &str) -> Option<PathBuf> {
        let (source, target) = (self.write(folder, "to-convert.pem"), folder.join(name));
        let places = [("{in}", source.to_str()?), ("{out}", target.to_str()?)];
        let arguments = adapted(arguments, &places);
        let mut command = Command::new(installed("openssl")?);
        let output = command.args(arguments.split(' ')).output().expect("openssl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(target)
    }
}
