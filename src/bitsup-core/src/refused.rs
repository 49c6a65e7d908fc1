//! Logins that servers have refused.
//!
//! One that was refused never goes out again, by no upload of the client: three hundred
//! uploads with an expired password must not lock an account.

/// So many refused logins are remembered; a client has a few.
const MAX_REFUSED: usize = 100;

/// The refused logins, each with the site that refused it.
#[derive(Debug)]
pub(crate) struct Refused<L>(Vec<(String, L)>);

impl<L> Default for Refused<L> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<L: PartialEq> Refused<L> {
    /// Whether the site has refused it.
    pub(crate) fn has(&self, site: &str, login: &L) -> bool {
        self.0.iter().any(|(at, refused)| at == site && refused == login)
    }

    /// The site has refused it.
    pub(crate) fn add(&mut self, site: String, login: L) {
        if self.has(&site, &login) {
            return;
        }
        if self.0.len() == MAX_REFUSED {
            self.0.remove(0);
        }
        self.0.push((site, login));
    }
}
