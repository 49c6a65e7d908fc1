//! Credentials for the server and for the proxy: asked for, sent, refused.

use alloc::format;

use crate::error::{Error, ErrorKind};

/// The credentials for one of the two, as far as the protocol minds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Login {
    Missing,
    /// There are some, and no server has asked for them.
    Ready,
    /// They go with every packet.
    Asked,
    /// They were refused and are never sent again, or retries would lock the account.
    Refused,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Logins {
    pub(super) server: Login,
    pub(super) proxy: Login,
}

impl Login {
    pub(super) fn new(usable: bool) -> Self {
        if usable { Self::Ready } else { Self::Missing }
    }

    /// Whether they go with the next packet.
    pub(super) fn is_sent(self) -> bool {
        self == Self::Asked
    }

    /// MC-BUP §3.1.5.1.7: a challenge to a request. Credentials that were not sent yet go with the same
    /// packet; those that it `carried` are refused, and `false` says that the packet cannot be sent again.
    pub(super) fn challenge(&mut self, carried: bool) -> bool {
        let usable = matches!(self, Self::Ready | Self::Asked) && !carried;
        if usable {
            *self = Self::Asked;
        } else if carried {
            *self = Self::Refused;
        }
        usable
    }

    /// A new try: they are sent when they are asked for.
    pub(super) fn rewind(&mut self) {
        if self.is_sent() {
            *self = Self::Ready;
        }
    }
}

impl Logins {
    pub(super) fn of(&mut self, proxy: bool) -> &mut Login {
        if proxy { &mut self.proxy } else { &mut self.server }
    }
}

pub(super) fn unauthorized(proxy: bool, refused: bool) -> Error {
    let (kind, who) =
        if proxy { (ErrorKind::ProxyAuth, "proxy") } else { (ErrorKind::Auth, "server") };
    let what = if refused { "refused the credentials" } else { "requires credentials" };
    Error::new(kind, format!("the {who} {what}"))
}
