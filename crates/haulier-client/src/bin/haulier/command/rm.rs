//! `haulier rm`.

use haulier_client::owned::{Owned, Owner, Removed};
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
    let mut failures = Vec::new();
    for wanted in &args.wanted {
        match remove(&owner, &known, wanted).await {
            Ok((id, removed)) => tell(&known, id, removed, args.json)?,
            Err(failure) => failures.push(failure),
        }
    }
    // The last one is told where every command's failure is told.
    let Some(last) = failures.pop() else { return Ok(()) };
    let some_are_done = failures.len() + 1 < args.wanted.len();
    failures.iter().for_each(|failure| failure.tell(args.json));
    if some_are_done && !args.json {
        last.tell(false);
        let message = format!("{} of {} could not be deleted", failures.len() + 1, args.wanted.len());
        return Err(Failure::new(last.exit, message, "The others are done; the same command is safe to run again."));
    }
    Err(last)
}

async fn remove(owner: &Owner, known: &Owned, wanted: &str) -> Result<(TransferId, Removed), Failure> {
    let id = known.choose(wanted).map_err(|error| named(wanted, error.into()))?;
    Ok((id, owner.remove(id).await?))
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
        };
        return screen::out(json!({ "transfer_id": id, "result": result, "upload": upload }));
    }
    let name = text::line(super::list::name_of(known, id).unwrap_or_default());
    let (id, done) = (&id.as_str()[..8.min(id.as_str().len())], if upload { "Gave up" } else { "Deleted" });
    screen::out(match removed {
        Removed::Deleted => format!("{done} {id}  {name}"),
        Removed::AlreadyGone => format!("Forgot {id}  {name}  (the server had it no longer)"),
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
