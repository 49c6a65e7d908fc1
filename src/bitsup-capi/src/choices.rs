//! What was chosen for uploads, in the order in which it was chosen.

use std::sync::Arc;

use bitsup::{Credentials, Header, Secret, UploadOptions};

use crate::callbacks::{ProgressCallback, StateCallback};
use crate::error::Failure;

/// All choices for one upload.
#[derive(Clone, Default)]
pub(crate) struct Choices {
    pub(crate) options: UploadOptions,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) progress: Option<ProgressCallback>,
    pub(crate) state: Option<StateCallback>,
}

type Change = Arc<dyn Fn(&mut Choices) + Send + Sync>;

/// Changes to the defaults. They are kept as such, so that an upload's own win over its client's.
#[derive(Clone, Default)]
pub(crate) struct Changes(Vec<Change>);

impl Changes {
    pub(crate) fn push(&mut self, change: impl Fn(&mut Choices) + Send + Sync + 'static) {
        self.0.push(Arc::new(change));
    }

    pub(crate) fn apply(&self, choices: &mut Choices) {
        for change in &self.0 {
            change(choices);
        }
    }
}

impl Choices {
    /// One value a header name: the latest.
    pub(crate) fn set_header(&mut self, header: Header) {
        let headers = &mut self.options.headers;
        headers.retain(|old| !old.name().eq_ignore_ascii_case(header.name()));
        headers.push(header);
    }

    /// Puts user and password together.
    pub(crate) fn complete(mut self) -> Result<Self, Failure> {
        self.options.credentials = match (self.user.take(), self.password.take()) {
            (Some(user), Some(password)) => Some(Credentials { user, password }),
            (None, None) => None,
            (Some(_), None) => return Err(Failure::invalid("a user is set and no password")),
            (None, Some(_)) => return Err(Failure::invalid("a password is set and no user")),
        };
        Ok(self)
    }
}
