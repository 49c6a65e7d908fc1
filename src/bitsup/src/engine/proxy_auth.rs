//! Which credentials a proxy is shown, and when.
//!
//! As with servers: in answer to a challenge, and those that were refused never again. A proxy
//! that makes a tunnel asks before anything of the upload is sent, and libcurl answers it.

use std::sync::Arc;

use bitsup_core::Site;

use super::Core;
use super::auth::{self, for_transport};
use crate::credentials::{Credentials, Login, Role};
use crate::options::{ProxyChoice, UploadOptions};
use crate::transport::{self, Answer, AuthScheme};

/// What the transport may show the proxy; `asked` is the scheme it was asked for, if it was.
pub(crate) fn login(
    options: &UploadOptions,
    asked: Option<AuthScheme>,
    core: &Core,
) -> Option<Arc<transport::Credentials>> {
    let credentials = options.proxy_credentials.as_ref()?;
    let scheme = asked.unwrap_or_else(|| auth::of_tunnel(options.proxy_auth));
    (!was_refused(options, credentials, core)).then(|| for_transport(credentials, scheme))
}

/// The scheme to answer a proxy's challenge with: the strongest that proxy, build and caller have.
pub(crate) fn choose(answer: &Answer, options: &UploadOptions, core: &Core) -> Option<AuthScheme> {
    let credentials = options.proxy_credentials.as_ref()?;
    let is_usable = !was_refused(options, credentials, core);
    auth::choose(answer, Role::Proxy, options, false).filter(|_| is_usable)
}

/// The proxy has refused the credentials, if there are any.
pub(crate) fn refuse(options: &UploadOptions, core: &mut Core) {
    if let Some(credentials) = &options.proxy_credentials {
        core.refuse(&Site::proxy(site(options)), &Login::Password(credentials.clone()));
    }
}

/// Whether the proxy has refused these.
pub(crate) fn was_refused(options: &UploadOptions, credentials: &Credentials, core: &Core) -> bool {
    core.has_refused(&Site::proxy(site(options)), &Login::Password(credentials.clone()))
}

/// The proxy's URL; empty if the environment names it.
pub(crate) fn site(options: &UploadOptions) -> String {
    match &options.proxy {
        ProxyChoice::Url(url) => url.clone(),
        _ => String::new(),
    }
}
