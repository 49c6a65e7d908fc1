//! Which credentials a proxy is shown, and when.
//!
//! As with servers: in answer to a challenge, and those that were refused never again. A proxy
//! that makes a tunnel asks before anything of the upload is sent, and libcurl answers it.
//! The environment may name two proxies, and a reply may lie behind the other one.

use bitsup_core::Site;

use super::Task;
use crate::credentials::{Credentials, Login, Role};
use crate::engine::Core;
use crate::engine::auth::{self, for_transport};
use crate::options::ProxyChoice;
use crate::transport::{Answer, AuthScheme, Exchange, Origin};

/// The login at the proxy of the exchange under way, or of the last one.
#[derive(Default)]
pub(super) struct ProxyLogin {
    /// The proxy's URL without a login, as it is named to whom knows logins; empty if there is none.
    pub(super) site: String,
    /// The scheme that one which forwards requests is answered with, once it has asked.
    pub(super) scheme: Option<AuthScheme>,
    /// What the exchange may show.
    shown: Option<Credentials>,
}

impl Task {
    /// Gives an exchange what its proxy may see.
    pub(super) fn log_in_at_proxy(&mut self, exchange: &mut Exchange, core: &Core) {
        let options = &self.options;
        if options.proxy_credentials.is_none() && options.credential_callback.is_none() {
            return;
        }
        let site = self.proxy_on_way_to(&exchange.origin);
        if site != self.proxy.site {
            self.proxy = ProxyLogin { site, ..ProxyLogin::default() };
        }
        if self.proxy.site.is_empty() {
            return;
        }
        self.proxy.shown = self.credentials_for_proxy(core);
        let scheme = self.proxy.scheme.unwrap_or_else(|| auth::of_tunnel(self.options.proxy_auth));
        exchange.proxy_auth = self.proxy.shown.as_ref().map(|own| for_transport(own, scheme));
    }

    /// The caller's own for the proxy of the upload, or what the callback answered last for this proxy, unless it was refused.
    pub(super) fn credentials_for_proxy(&self, core: &Core) -> Option<Credentials> {
        let own = self.options.proxy_credentials.clone();
        let own = own.filter(|_| self.proxy.site == self.proxy_of_upload());
        let given = match self.given(Role::Proxy, core) {
            Some((Login::Password(credentials), _)) => Some(credentials),
            _ => None,
        };
        let site = Site::proxy(&*self.proxy.site);
        let is_refused = |own: &Credentials| core.has_refused(&site, &Login::Password(own.clone()));
        [own, given].into_iter().flatten().find(|own| !is_refused(own))
    }

    /// The scheme to answer a proxy's challenge with: the strongest that proxy, build and caller have.
    pub(super) fn scheme_for_proxy(&self, answer: &Answer, core: &Core) -> Option<AuthScheme> {
        self.credentials_for_proxy(core)?;
        auth::choose(answer, Role::Proxy, &self.options, false)
    }

    /// Whether the exchange under way may have shown the proxy something.
    pub(super) fn showed_to_proxy(&self) -> bool {
        self.proxy.shown.is_some()
    }

    /// The proxy has refused what it was shown.
    pub(super) fn refused_by_proxy(&mut self, core: &mut Core) {
        if let Some(shown) = self.proxy.shown.take() {
            core.refuse(&Site::proxy(&*self.proxy.site), &Login::Password(shown));
        }
    }

    /// The proxy on the way to the server that the upload goes to.
    fn proxy_of_upload(&self) -> String {
        self.proxy_on_way_to(&self.destination.origin_at(self.driver.host()))
    }

    fn proxy_on_way_to(&self, origin: &Origin) -> String {
        if let ProxyChoice::Url(url) = &self.options.proxy {
            return url.clone();
        }
        let except = self.options.no_proxy.as_deref();
        let proxy = self.options.transport_proxy().ok();
        let proxy = proxy.and_then(|choice| choice.for_origin(origin, except).ok());
        proxy.flatten().map_or_else(String::new, |proxy| proxy.shown())
    }
}
