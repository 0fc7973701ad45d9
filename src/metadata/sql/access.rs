//! Access tokens and quotas: the steps that both databases take, each within a transaction of the caller's.
//!
//! Whoever changes several rows takes them in one order, so that nobody waits for each other: the transfer, its access
//! token, the server's usage.

use anyhow::{Context as _, anyhow};
use async_trait::async_trait;
use haulier_wire::{Timestamp, TokenHash, TransferId};
use sqlx::{ColumnIndex, Decode, Row, Type};

use super::recount::Counted;
use crate::metadata::{AccessToken, Charge, Refusal, Revoked, Usage};
use crate::store::StoreError;

macro_rules! token_columns {
    () => {
        "name, token_hash, created_at, expires_at, revoked_at, max_uses, uses, max_bytes, counted_bytes, open_uploads"
    };
}

pub(in crate::metadata) const SELECT_TOKEN: &str =
    concat!("SELECT ", token_columns!(), " FROM access_tokens WHERE token_hash = $1");

/// Of the transfer `$1`.
pub(in crate::metadata) const SELECT_CREATOR: &str = concat!(
    "SELECT ",
    token_columns!(),
    " FROM access_tokens WHERE token_hash = (SELECT access_token_hash FROM transfers WHERE id = $1)"
);

pub(in crate::metadata) const SELECT_COUNTED: &str = "
    SELECT counted_bytes, token_counted_bytes, access_token_hash FROM transfers WHERE id = $1 AND is_open = 1";

/// Every name is greater than the empty text.
pub(in crate::metadata) const SELECT_TOKENS: &str =
    concat!("SELECT ", token_columns!(), " FROM access_tokens WHERE name > $1 ORDER BY name LIMIT $2");

pub(in crate::metadata) const SELECT_USAGE: &str = "SELECT counted_bytes, open_uploads FROM server_usage WHERE id = 1";

const INSERT_TOKEN: &str = "
    INSERT INTO access_tokens (name, token_hash, created_at, expires_at, max_uses, max_bytes)
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";

const REVOKE_TOKEN: &str = "UPDATE access_tokens SET revoked_at = $2 WHERE name = $1 AND revoked_at IS NULL";

const TOUCH_TOKEN: &str = "UPDATE access_tokens SET name = name WHERE name = $1";

/// At `$2`.
const USE_TOKEN: &str = "
    UPDATE access_tokens SET uses = uses + 1
    WHERE token_hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)
        AND (max_uses IS NULL OR uses < max_uses)";

/// At `$2`, for `$3` bytes, where a token without a limit of its own may have `$4` bytes, and `$5` uploads may be open.
/// Nothing is added up that might overflow: whoever asks, asks for less than any limit.
const TAKE_FROM_TOKEN: &str = "
    UPDATE access_tokens SET uses = uses + 1, counted_bytes = counted_bytes + $3, open_uploads = open_uploads + 1
    WHERE token_hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)
        AND (max_uses IS NULL OR uses < max_uses)
        AND counted_bytes <= COALESCE(max_bytes, $4) - $3 AND open_uploads < $5";

/// `$1` bytes, where all may have `$2`, and `$3` uploads may be open.
const TAKE_FROM_SERVER: &str = "
    UPDATE server_usage SET counted_bytes = counted_bytes + $1, open_uploads = open_uploads + 1
    WHERE id = 1 AND counted_bytes <= $2 - $1 AND open_uploads < $3";

const COUNT_RESTORED: &str = "
    UPDATE server_usage SET counted_bytes = counted_bytes + $1 WHERE id = 1 AND counted_bytes <= $2 - $1";

const NOTE_TAKEN: &str = "
    UPDATE transfers SET counted_bytes = $2, token_counted_bytes = $3, is_open = 1, access_token_hash = $4
    WHERE id = $1";

const CLOSE_UPLOAD: [&str; 3] = [
    "UPDATE access_tokens SET open_uploads = open_uploads - 1 WHERE token_hash =
        (SELECT access_token_hash FROM transfers WHERE id = $1 AND is_open = 1)",
    "UPDATE server_usage SET open_uploads = open_uploads - 1 WHERE id = 1 AND EXISTS
        (SELECT 1 FROM transfers WHERE id = $1 AND is_open = 1)",
    "UPDATE transfers SET is_open = 0 WHERE id = $1",
];

const GIVE_BACK_BYTES: [&str; 3] = [
    "UPDATE access_tokens SET counted_bytes = access_tokens.counted_bytes - taken.token_counted_bytes
        FROM transfers AS taken
        WHERE taken.id = $1 AND taken.token_counted_bytes > 0 AND token_hash = taken.access_token_hash",
    "UPDATE server_usage SET counted_bytes = server_usage.counted_bytes - taken.counted_bytes
        FROM transfers AS taken WHERE taken.id = $1 AND taken.counted_bytes > 0 AND server_usage.id = 1",
    "UPDATE transfers SET counted_bytes = 0, token_counted_bytes = 0 WHERE id = $1",
];

/// What a statement is given.
#[derive(Clone, Copy, Debug)]
pub(in crate::metadata) enum Value<'v> {
    Text(Option<&'v str>),
    Number(Option<i64>),
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

impl<'v> From<&'v TokenHash> for Value<'v> {
    fn from(hash: &'v TokenHash) -> Self {
        Self::Text(Some(hash.as_str()))
    }
}

impl<'v> From<&'v TransferId> for Value<'v> {
    fn from(id: &'v TransferId) -> Self {
        Self::Text(Some(id.as_str()))
    }
}

impl<'v> From<&'v str> for Value<'v> {
    fn from(text: &'v str) -> Self {
        Self::Text(Some(text))
    }
}

/// A transaction of either database, as far as these steps need one.
#[async_trait]
pub(in crate::metadata) trait Steps: Send {
    /// How many rows a statement changed.
    async fn change(&mut self, statement: &'static str, values: &[Value<'_>]) -> Result<u64, StoreError>;

    /// The row of an access token.
    async fn access_token(&mut self, hash: &TokenHash) -> Result<Option<AccessToken>, StoreError>;

    /// What a transfer counts for, while it is an open upload.
    async fn counted(&mut self, id: TransferId) -> Result<Option<Counted>, StoreError>;

    /// What all transfers count for.
    async fn usage(&mut self) -> Result<Usage, StoreError>;
}

/// Takes a new transfer's share, whose row is there. Refused, the transaction must be undone.
pub(in crate::metadata) async fn take(
    tx: &mut dyn Steps,
    id: TransferId,
    charge: &Charge,
    now: Timestamp,
) -> Result<Result<(), Refusal>, StoreError> {
    let bytes = number(charge.bytes)?;
    let from_token = match &charge.token {
        None => 0,
        Some(hash) => match take_from_token(tx, hash, bytes, charge, now).await? {
            Ok(bytes) => bytes,
            Err(refusal) => return Ok(Err(refusal)),
        },
    };
    let from_server = match take_from_server(tx, bytes, charge).await? {
        Ok(bytes) => bytes,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let token = Value::Text(charge.token.as_ref().map(TokenHash::as_str));
    tx.change(NOTE_TAKEN, &[(&id).into(), from_server.into(), from_token.into(), token]).await?;
    Ok(Ok(()))
}

/// What was taken: nothing where there is no limit and the sum would overflow.
type Taken = Result<i64, Refusal>;

async fn take_from_token(
    tx: &mut dyn Steps,
    hash: &TokenHash,
    bytes: i64,
    charge: &Charge,
    now: Timestamp,
) -> Result<Taken, StoreError> {
    let (most, uploads) = (limit(charge.quotas.token_bytes)?, limit(charge.quotas.token_uploads)?);
    let at = now.as_millisecond();
    if tx.change(TAKE_FROM_TOKEN, &[hash.into(), at.into(), bytes.into(), most.into(), uploads.into()]).await? == 1 {
        return Ok(Ok(bytes));
    }
    let Some(token) = tx.access_token(hash).await? else { return Ok(Err(Refusal::TokenUnknown)) };
    if let Some(refusal) = token.refusal(now) {
        return Ok(Err(refusal));
    }
    if token.uses_left() == Some(0) {
        return Ok(Err(Refusal::TokenUsedUp));
    }
    if charge.quotas.token_uploads.is_some_and(|most| token.open_uploads >= most) {
        return Ok(Err(Refusal::TokenUploads));
    }
    if let Some(most) = token.max_bytes.or(charge.quotas.token_bytes) {
        let left = most.saturating_sub(token.counted_bytes);
        return if left < charge.bytes { Ok(Err(Refusal::TokenBytes(left))) } else { Err(changed_meanwhile()) };
    }
    match tx.change(TAKE_FROM_TOKEN, &[hash.into(), at.into(), 0.into(), most.into(), uploads.into()]).await? {
        1 => Ok(Ok(0)),
        _ => Err(changed_meanwhile()),
    }
}

async fn take_from_server(tx: &mut dyn Steps, bytes: i64, charge: &Charge) -> Result<Taken, StoreError> {
    let (most, uploads) = (limit(charge.quotas.server_bytes)?, limit(charge.quotas.server_uploads)?);
    if tx.change(TAKE_FROM_SERVER, &[bytes.into(), most.into(), uploads.into()]).await? == 1 {
        return Ok(Ok(bytes));
    }
    let usage = tx.usage().await?;
    if charge.quotas.server_uploads.is_some_and(|most| usage.open_uploads >= most) {
        return Ok(Err(Refusal::ServerUploads));
    }
    if let Some(most) = charge.quotas.server_bytes {
        let left = most.saturating_sub(usage.counted_bytes);
        return if left < charge.bytes { Ok(Err(Refusal::ServerBytes(left))) } else { Err(changed_meanwhile()) };
    }
    match tx.change(TAKE_FROM_SERVER, &[0.into(), most.into(), uploads.into()]).await? {
        1 => Ok(Ok(0)),
        _ => Err(changed_meanwhile()),
    }
}

/// Another server gave something back between two statements: another try will do.
fn changed_meanwhile() -> StoreError {
    StoreError::unavailable(anyhow!("the quotas changed meanwhile"))
}

/// A transfer is no open upload any more. Its row is locked.
pub(in crate::metadata) async fn close_upload(tx: &mut dyn Steps, id: TransferId) -> Result<(), StoreError> {
    all(tx, CLOSE_UPLOAD, id).await
}

/// Nothing is left of a transfer: what it took, but for the use of its token, is given back. Its row is locked.
pub(in crate::metadata) async fn give_back(tx: &mut dyn Steps, id: TransferId) -> Result<(), StoreError> {
    all(tx, CLOSE_UPLOAD, id).await?;
    all(tx, GIVE_BACK_BYTES, id).await
}

async fn all(tx: &mut dyn Steps, statements: [&'static str; 3], id: TransferId) -> Result<(), StoreError> {
    for statement in statements {
        tx.change(statement, &[(&id).into()]).await?;
    }
    Ok(())
}

/// Counts a completed transfer that is there again, whatever the limits.
pub(in crate::metadata) async fn count_restored(
    tx: &mut dyn Steps,
    id: TransferId,
    bytes: u64,
) -> Result<(), StoreError> {
    let bytes = number(bytes)?;
    if tx.change(COUNT_RESTORED, &[bytes.into(), i64::MAX.into()]).await? == 1 {
        tx.change("UPDATE transfers SET counted_bytes = $2 WHERE id = $1", &[(&id).into(), bytes.into()]).await?;
    }
    Ok(())
}

/// Takes one use of a token; the row after that.
pub(in crate::metadata) async fn use_token(
    tx: &mut dyn Steps,
    hash: &TokenHash,
    now: Timestamp,
) -> Result<Result<AccessToken, Refusal>, StoreError> {
    let is_used = tx.change(USE_TOKEN, &[hash.into(), now.as_millisecond().into()]).await? == 1;
    let Some(token) = tx.access_token(hash).await? else { return Ok(Err(Refusal::TokenUnknown)) };
    match is_used {
        true => Ok(Ok(token)),
        false => Ok(Err(token.refusal(now).unwrap_or(Refusal::TokenUsedUp))),
    }
}

/// Adds a token; `false` when its name or hash is taken.
pub(in crate::metadata) async fn add_token(tx: &mut dyn Steps, token: &AccessToken) -> Result<bool, StoreError> {
    let values = [
        token.name.as_str().into(),
        (&token.hash).into(),
        token.created_at.as_millisecond().into(),
        Value::Number(token.expires_at.map(Timestamp::as_millisecond)),
        Value::Number(token.max_uses.map(number).transpose()?),
        Value::Number(token.max_bytes.map(number).transpose()?),
    ];
    Ok(tx.change(INSERT_TOKEN, &values).await? == 1)
}

/// Revokes a token.
pub(in crate::metadata) async fn revoke_token(
    tx: &mut dyn Steps,
    name: &str,
    at: Timestamp,
) -> Result<Revoked, StoreError> {
    if tx.change(REVOKE_TOKEN, &[name.into(), at.as_millisecond().into()]).await? == 1 {
        return Ok(Revoked::Now);
    }
    match tx.change(TOUCH_TOKEN, &[name.into()]).await? {
        0 => Ok(Revoked::Unknown),
        _ => Ok(Revoked::Before),
    }
}

pub(super) fn number(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(StoreError::internal)
}

/// No limit is one that nothing reaches.
pub(super) fn limit(most: Option<u64>) -> Result<i64, StoreError> {
    most.map_or(Ok(i64::MAX), number)
}

/// Reads one row of [`SELECT_TOKEN`] or [`SELECT_TOKENS`].
pub(in crate::metadata) fn access_token<R>(row: &R) -> Result<AccessToken, StoreError>
where
    R: Row,
    for<'c> &'c str: ColumnIndex<R>,
    for<'r> String: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
{
    decode(row).map_err(|error| StoreError::internal(error.context("a row of access_tokens is damaged")))
}

fn decode<R>(row: &R) -> anyhow::Result<AccessToken>
where
    R: Row,
    for<'c> &'c str: ColumnIndex<R>,
    for<'r> String: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
{
    let number = |column: &'static str| -> anyhow::Result<Option<i64>> { Ok(row.try_get(column)?) };
    let count = |column| -> anyhow::Result<Option<u64>> { Ok(number(column)?.map(u64::try_from).transpose()?) };
    let time = |column| number(column)?.map(Timestamp::from_millisecond).transpose().context(column);
    Ok(AccessToken {
        name: row.try_get("name")?,
        hash: row.try_get::<String, _>("token_hash")?.parse()?,
        created_at: time("created_at")?.context("created_at")?,
        expires_at: time("expires_at")?,
        revoked_at: time("revoked_at")?,
        max_uses: count("max_uses")?,
        uses: count("uses")?.context("uses")?,
        max_bytes: count("max_bytes")?,
        counted_bytes: count("counted_bytes")?.context("counted_bytes")?,
        open_uploads: count("open_uploads")?.context("open_uploads")?,
    })
}

/// Reads the row of [`SELECT_COUNTED`].
pub(in crate::metadata) fn counted<R>(row: &R) -> Result<Counted, StoreError>
where
    R: Row,
    for<'c> &'c str: ColumnIndex<R>,
    for<'r> String: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
{
    let hash: Option<String> = row.try_get("access_token_hash")?;
    Ok(Counted {
        server: row.try_get("counted_bytes")?,
        token: row.try_get("token_counted_bytes")?,
        hash: hash.map(|hash| hash.parse()).transpose().map_err(StoreError::internal)?,
    })
}

/// Reads the row of [`SELECT_USAGE`].
pub(in crate::metadata) fn usage<R>(row: &R) -> Result<Usage, StoreError>
where
    R: Row,
    for<'c> &'c str: ColumnIndex<R>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
{
    let count = |column| u64::try_from(row.try_get::<i64, _>(column)?).map_err(StoreError::internal);
    Ok(Usage { counted_bytes: count("counted_bytes")?, open_uploads: count("open_uploads")? })
}
