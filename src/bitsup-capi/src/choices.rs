//! What was chosen for uploads, in the order in which it was chosen.

use std::sync::Arc;

use bitsup::{Credentials, Header, UploadOptions};

use crate::callbacks::{ProgressCallback, StateCallback, TranscriptCallback};
use crate::error::Failure;
use crate::hidden::Hidden;

/// All choices for one upload.
#[derive(Clone, Default)]
pub(crate) struct Choices {
    pub(crate) options: UploadOptions,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Hidden>,
    pub(crate) token: Option<Hidden>,
    pub(crate) proxy_user: Option<String>,
    pub(crate) proxy_password: Option<Hidden>,
    pub(crate) key_password: Option<Hidden>,
    pub(crate) progress: Option<ProgressCallback>,
    pub(crate) state: Option<StateCallback>,
    pub(crate) transcript: Option<TranscriptCallback>,
}

type Change = Arc<dyn Fn(&mut Choices) + Send + Sync>;

/// Changes to the defaults. They are kept as such, so that an upload's own win over its client's.
#[derive(Clone, Default)]
pub(crate) struct Changes(Vec<Change>);

impl Changes {
    pub(crate) fn push(&mut self, change: impl Fn(&mut Choices) + Send + Sync + 'static) {
        self.0.push(Arc::new(change));
    }

    /// Adds the changes that others have collected.
    pub(crate) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
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

    /// Puts users and passwords together, and reads the files that hold secrets.
    pub(crate) fn complete(mut self) -> Result<Self, Failure> {
        let options = &mut self.options;
        options.transcript = self.transcript.is_some();
        options.credentials = credentials(self.user.take(), self.password.take(), "")?;
        options.proxy_credentials =
            credentials(self.proxy_user.take(), self.proxy_password.take(), "proxy ")?;
        options.bearer_token = self.token.take().map(Hidden::reveal).transpose()?;
        options.tls.key_password = self.key_password.take().map(Hidden::reveal).transpose()?;
        Ok(self)
    }
}

fn credentials(
    user: Option<String>,
    password: Option<Hidden>,
    whose: &str,
) -> Result<Option<Credentials>, Failure> {
    match (user, password) {
        (Some(user), Some(password)) => {
            Ok(Some(Credentials { user, password: password.reveal()? }))
        }
        (None, None) => Ok(None),
        (Some(_), None) => Err(Failure::invalid(format!(
            "a {whose}user is set and no {whose}password: set both or none"
        ))),
        (None, Some(_)) => Err(Failure::invalid(format!(
            "a {whose}password is set and no {whose}user: set both or none"
        ))),
    }
}
