//! Which credentials a proxy is shown, and when.
//!
//! As with servers: in answer to a challenge, and those that were refused never again. A proxy
//! that makes a tunnel asks before anything of the upload is sent, and libcurl answers it.

use std::sync::Arc;

use bitsup_core::Site;

use super::Task;
use crate::credentials::{Credentials, Login};
use crate::engine::Core;
use crate::engine::auth::{self, for_transport};
use crate::options::ProxyChoice;
use crate::transport::{self, Answer, AuthScheme, Scheme};

impl Task {
    /// What the transport may show the proxy.
    pub(super) fn login_for_proxy(&self, core: &Core) -> Option<Arc<transport::Credentials>> {
        let credentials = self.options.proxy_credentials.as_ref()?;
        let scheme = self.proxy_scheme.unwrap_or_else(|| auth::of_tunnel(self.options.proxy_auth));
        (!self.has_proxy_refused(credentials, core)).then(|| for_transport(credentials, scheme))
    }

    /// The scheme to answer a proxy's challenge with: the strongest that proxy, build and caller have.
    pub(super) fn scheme_for_proxy(&self, answer: &Answer, core: &Core) -> Option<AuthScheme> {
        let credentials = self.options.proxy_credentials.as_ref()?;
        let is_usable = !self.has_proxy_refused(credentials, core);
        auth::choose_for_proxy(answer, &self.options).filter(|_| is_usable)
    }

    /// The proxy has refused the credentials, if there are any.
    pub(super) fn refuse_for_proxy(&self, core: &mut Core) {
        if let Some(credentials) = &self.options.proxy_credentials {
            let proxy = Site::proxy(self.proxy_site());
            core.refuse(&proxy, &Login::Password(credentials.clone()));
        }
    }

    /// Whether the proxy has refused these.
    pub(super) fn has_proxy_refused(&self, credentials: &Credentials, core: &Core) -> bool {
        core.has_refused(&Site::proxy(self.proxy_site()), &Login::Password(credentials.clone()))
    }

    /// The proxy on the way to the server that is spoken to.
    pub(super) fn proxy_site(&self) -> String {
        let scheme = if self.destination.https { Scheme::Https } else { Scheme::Http };
        self.proxy_on_way_to(scheme, self.other_host().unwrap_or(&self.destination.host))
    }

    /// The URL of a proxy without a login, as it is named to whom knows logins; empty if there is none.
    pub(super) fn proxy_on_way_to(&self, scheme: Scheme, host: &str) -> String {
        if let ProxyChoice::Url(url) = &self.options.proxy {
            return url.clone();
        }
        let except = self.options.no_proxy.as_deref();
        let proxy = self.options.transport_proxy().ok();
        let proxy = proxy.and_then(|choice| choice.for_origin(scheme, host, except).ok());
        proxy.flatten().map_or_else(String::new, |proxy| proxy.shown())
    }
}
