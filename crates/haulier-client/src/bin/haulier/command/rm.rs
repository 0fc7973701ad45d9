//! `haulier rm`.

use haulier_client::Error;
use haulier_client::owned::{Owned, OwnedError, Owner, Removed};
use haulier_wire::TransferId;
use serde_json::json;

use super::owned;
use crate::cli::RmArgs;
use crate::error::Failure;
use crate::{screen, text};

/// Deletes one after the other. All are tried; the command fails if one of them did.
pub(super) async fn run(args: &RmArgs) -> Result<(), Failure> {
    let owner = owned::owner(args.json)?;
    let known = owner.list().await?;
    let (mut failures, mut told) = (Vec::new(), Ok(()));
    for wanted in &args.wanted {
        match remove(&owner, &known, (wanted, args.forget)).await {
            // Nobody reads it any more: no reason to leave the others undone.
            Ok((id, removed)) => told = told.and(tell(&known, id, removed, args.json)),
            Err(failure) => failures.push(failure),
        }
    }
    if args.forget && !args.json && failures.len() < args.wanted.len() {
        screen::note("No server was asked: what one has stays there until it expires, and cannot be deleted any more.");
    }
    // The last one is told where every command's failure is told.
    let Some(last) = failures.pop() else { return told };
    let some_are_done = failures.len() + 1 < args.wanted.len();
    failures.iter().for_each(|failure| failure.tell(args.json));
    if some_are_done && !args.json {
        last.tell(false);
        let what = if args.forget { "forgotten" } else { "deleted" };
        let message = format!("{} of {} could not be {what}", failures.len() + 1, args.wanted.len());
        return Err(Failure::new(last.exit, message, "The others are done; the same command is safe to run again."));
    }
    Err(last)
}

async fn remove(
    owner: &Owner,
    known: &Owned,
    (wanted, forget): (&str, bool),
) -> Result<(TransferId, Removed), Failure> {
    let id = known.choose(wanted).map_err(|error| named(wanted, error.into()))?;
    let removed = if forget { owner.forget(id).await? } else { unanswered(owner.remove(id).await)? };
    Ok((id, removed))
}

/// A server that does not answer may be gone for good.
fn unanswered(removed: Result<Removed, OwnedError>) -> Result<Removed, Failure> {
    removed.map_err(|error| {
        let gone = matches!(error, OwnedError::Failed(Error::Unavailable { .. }));
        let failure = Failure::from(error);
        let advice = "Run the same command again later. If that server is gone for good: haulier rm --forget.";
        if gone { Failure::new(failure.exit, failure.message(), advice) } else { failure }
    })
}

/// Says which of several words was meant, unless it may hold a key.
fn named(wanted: &str, failure: Failure) -> Failure {
    if wanted.contains('#') || wanted.contains('/') || failure.message().contains(wanted) {
        return failure;
    }
    let message = format!("{}: {}", text::line(wanted), failure.message());
    Failure::new(failure.exit, message, failure.advice().unwrap_or_default())
}

fn tell(known: &Owned, id: TransferId, removed: Removed, json: bool) -> Result<(), Failure> {
    let upload = known.uploads.iter().any(|upload| upload.transfer_id == id);
    if json {
        let result = match removed {
            Removed::Deleted => "deleted",
            Removed::AlreadyGone => "already_gone",
            Removed::ForgottenHere => "forgotten",
        };
        return screen::out(json!({ "transfer_id": id, "result": result, "upload": upload }));
    }
    let name = text::line(super::list::name_of(known, id).unwrap_or_default());
    let (id, done) = (&id.as_str()[..8.min(id.as_str().len())], if upload { "Gave up" } else { "Deleted" });
    screen::out(match removed {
        Removed::Deleted => format!("{done} {id}  {name}"),
        Removed::AlreadyGone => format!("Forgot {id}  {name}  (the server had it no longer)"),
        Removed::ForgottenHere => format!("Forgot {id}  {name}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exit;

    #[test]
    fn a_word_is_named_and_a_link_never() {
        let failure = || Failure::new(Exit::Usage, "this is neither a link nor an id", "Give one.");
        assert_eq!(named("vide\u{1b}o", failure()).message(), "vide\\u{1b}o: this is neither a link nor an id");
        assert_eq!(named("https://a/#b/secret", failure()).message(), "this is neither a link nor an id");
    }
}
