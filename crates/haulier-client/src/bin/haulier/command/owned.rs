//! What list, rm, edit and info share: the owner at this machine, and what stands in an owner's way.

use std::sync::Arc;

use haulier_client::owned::{ChooseError, OwnedError, Owner};
use haulier_client::progress::{Event, Progress};
use haulier_client::{Ambient, RetryPolicy};

use crate::config;
use crate::error::{Exit, Failure};
use crate::screen;

/// The owner of what this machine sent. A person waits for the answer, so it is not waited for as long as in a transfer.
pub(super) fn owner(json: bool) -> Result<Owner, Failure> {
    let state_dir = config::state_dir()?;
    Ok(Owner::new(state_dir, patience(), Ambient::system(), waits(json)))
}

/// Tries for a short while: nothing is under way that would be lost.
pub(super) fn patience() -> RetryPolicy {
    let standard = RetryPolicy::default();
    RetryPolicy { give_up: standard.first_contact * 3, ..standard }
}

/// Tells a person why it takes so long.
pub(super) fn waits(json: bool) -> Arc<dyn Progress> {
    Arc::new(Waits { json })
}

struct Waits {
    json: bool,
}

impl Progress for Waits {
    fn on(&self, event: Event) {
        if let (Event::Retry { reason, delay }, false) = (event, self.json)
            && delay.as_secs() > 0
        {
            screen::note(format_args!("trying again in {} s: {reason}", delay.as_secs()));
        }
    }
}

impl From<ChooseError> for Failure {
    fn from(error: ChooseError) -> Self {
        let (exit, advice) = match &error {
            ChooseError::NotAnId => (Exit::Usage, "Give a link in quotes, or an id as haulier list shows it."),
            ChooseError::TooShort => (Exit::Usage, "Give more digits of the id; haulier list shows them."),
            ChooseError::Unknown { .. } => (Exit::Gone, "haulier list shows what this machine sent."),
            ChooseError::Ambiguous { .. } => (Exit::Usage, "Give more digits of the id; haulier list --json has all."),
        };
        Self::new(exit, error.to_string(), advice)
    }
}

impl From<OwnedError> for Failure {
    fn from(error: OwnedError) -> Self {
        let (exit, advice) = match &error {
            OwnedError::Failed(error) => return error.clone().into(),
            OwnedError::NotOurs(_) => {
                (Exit::Gone, "Only the machine that sent it has the owner token; run haulier there, or let it expire.")
            }
            OwnedError::InUse(_) => (Exit::Other, "End the other process first, or let it finish."),
            OwnedError::Damaged(_) => (
                Exit::Other,
                "haulier rm --forget and the whole id removes it here; the server forgets the upload by itself.",
            ),
            OwnedError::Unfinished(_) => {
                (Exit::Pending, "Run the same send command again, and change it once it is sent.")
            }
            OwnedError::Legacy(_) => {
                (Exit::Input, "Nothing was changed. haulier rm deletes it; then it can be sent anew.")
            }
            OwnedError::NoDownloadLimits { .. } => (Exit::Input, "Nothing was changed. --expires shortens its life."),
        };
        Self::new(exit, error.to_string(), advice)
    }
}
