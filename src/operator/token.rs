//! `token create`, `token list`, `token revoke`: who may create transfers.

use std::process::ExitCode;

use haulier_wire::Timestamp;
use serde::Serialize;

use super::{FOUND, say, say_json, text};
use crate::config::token::{NewToken, Token as Command};
use crate::metadata::{AccessToken, Refusal, Revoked};
use crate::transfer::Transfers;
use crate::transfer::state;
use crate::transfer::tokens::Wanted;

pub(super) async fn run(transfers: &Transfers, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Create(new) => create(transfers, new).await,
        Command::List { json } => list(transfers, json).await,
        Command::Revoke { name, json } => revoke(transfers, name.get()?, json).await,
    }
}

/// What is shown of a token: never the token.
#[derive(Debug, Serialize)]
struct Known<'t> {
    name: &'t str,
    state: &'static str,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    uses: u64,
    max_uses: Option<u64>,
    counted_bytes: u64,
    max_bytes: Option<u64>,
    open_uploads: u64,
    /// Once, when it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'t str>,
}

impl<'t> Known<'t> {
    fn new(row: &'t AccessToken, now: Timestamp) -> Self {
        Self {
            name: &row.name,
            state: match row.refusal(now) {
                Some(Refusal::TokenRevoked) => "revoked",
                Some(_) => "expired",
                None if row.uses_left() == Some(0) => "used up",
                None => "good",
            },
            created_at: row.created_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            uses: row.uses,
            max_uses: row.max_uses,
            counted_bytes: row.counted_bytes,
            max_bytes: row.max_bytes,
            open_uploads: row.open_uploads,
            token: None,
        }
    }

    fn say(&self) {
        let of = |most: Option<String>| most.map(|most| format!(" of {most}")).unwrap_or_default();
        let uses = format!("{}{} uses", self.uses, of(self.max_uses.map(|most| most.to_string())));
        let bytes = format!("{}{}", text::bytes(self.counted_bytes), of(self.max_bytes.map(text::bytes)));
        let end = self.expires_at.map_or_else(|| "no end".to_owned(), |at| format!("ends {at}"));
        let open = self.open_uploads;
        say(&format!("{:<24} {:<8} {uses}, {bytes}, {open} uploads open, {end}", self.name, self.state));
    }
}

async fn create(transfers: &Transfers, new: NewToken) -> anyhow::Result<ExitCode> {
    let name = new.name.get()?.to_owned();
    let expires_at = new.expires.map(|lifetime| state::after(transfers.now(), lifetime));
    let wanted = Wanted { name: name.clone(), expires_at, max_uses: new.uses, max_bytes: new.bytes };
    let Some((token, row)) = transfers.make_access_token(wanted).await? else {
        eprintln!("haulier-server: there is or was an access token of the name {name}");
        return Ok(ExitCode::from(FOUND));
    };
    let known = Known { token: Some(&token), ..Known::new(&row, transfers.now()) };
    if new.json {
        say_json(&known)?;
        return Ok(ExitCode::SUCCESS);
    }
    say(&format!("{token}\n\nThis access token is shown once. Its holder sends with"));
    say(&format!("    HAULIER_ACCESS_TOKEN={token} haulier send FILE --to URL"));
    Ok(ExitCode::SUCCESS)
}

async fn list(transfers: &Transfers, json: bool) -> anyhow::Result<ExitCode> {
    let now = transfers.now();
    for row in transfers.access_tokens().await? {
        let known = Known::new(&row, now);
        if json { say_json(&known)? } else { known.say() }
    }
    Ok(ExitCode::SUCCESS)
}

async fn revoke(transfers: &Transfers, name: &str, json: bool) -> anyhow::Result<ExitCode> {
    let (status, said) = match transfers.revoke_access_token(name).await? {
        Revoked::Now => ("revoked", format!("{name} is revoked; what it created stays")),
        Revoked::Before => ("already_revoked", format!("{name} was revoked before")),
        Revoked::Unknown => {
            eprintln!("haulier-server: there is no access token of that name");
            return Ok(ExitCode::from(FOUND));
        }
    };
    if json {
        say_json(&serde_json::json!({ "name": name, "status": status }))?;
    } else {
        say(&said);
    }
    Ok(ExitCode::SUCCESS)
}
