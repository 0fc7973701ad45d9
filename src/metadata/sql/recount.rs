//! A payload that turns out larger than it was announced: the rest of its share of what is limited.

use anyhow::anyhow;
use haulier_wire::{TokenHash, TransferId};

use super::access::{Steps, limit, number};
use crate::metadata::{Charge, Refusal};
use crate::store::StoreError;

/// `$2` bytes more, where a token without a limit of its own may have `$3`.
const TAKE_MORE_FROM_TOKEN: &str = "
    UPDATE access_tokens SET counted_bytes = counted_bytes + $2
    WHERE token_hash = $1 AND counted_bytes <= COALESCE(max_bytes, $3) - $2";

/// `$1` bytes more, where all may have `$2`.
const TAKE_MORE_FROM_SERVER: &str = "
    UPDATE server_usage SET counted_bytes = counted_bytes + $1 WHERE id = 1 AND counted_bytes <= $2 - $1";

const NOTE_MORE: &str = "UPDATE transfers SET counted_bytes = $2, token_counted_bytes = $3 WHERE id = $1";

/// What an open upload counts for.
#[derive(Clone, Debug)]
pub(in crate::metadata) struct Counted {
    /// Of the server's bytes.
    pub(in crate::metadata) server: i64,
    /// Of its access token's.
    pub(in crate::metadata) token: i64,
    /// Which token that is.
    pub(in crate::metadata) hash: Option<TokenHash>,
}

/// Has an open upload, whose row is locked, count for `charge.bytes` where it counts for less. Refused, the transaction
/// must be undone.
pub(in crate::metadata) async fn recount(
    tx: &mut dyn Steps,
    id: TransferId,
    charge: &Charge,
) -> Result<Result<(), Refusal>, StoreError> {
    let bytes = number(charge.bytes)?;
    let Some(counted) = tx.counted(id).await? else { return Ok(Ok(())) };
    let (mut server, mut token) = (counted.server, counted.token);
    if let Some(hash) = &counted.hash
        && token < bytes
    {
        let values = [hash.into(), (bytes - token).into(), limit(charge.quotas.token_bytes)?.into()];
        if tx.change(TAKE_MORE_FROM_TOKEN, &values).await? == 1 {
            token = bytes;
        } else if let Some(left) = left_of_token(tx, hash, charge).await? {
            return Ok(Err(Refusal::TokenBytes(left)));
        }
    }
    if server < bytes {
        let values = [(bytes - server).into(), limit(charge.quotas.server_bytes)?.into()];
        if tx.change(TAKE_MORE_FROM_SERVER, &values).await? == 1 {
            server = bytes;
        } else if let Some(most) = charge.quotas.server_bytes {
            return Ok(Err(Refusal::ServerBytes(most.saturating_sub(tx.usage().await?.counted_bytes))));
        }
    }
    tx.change(NOTE_MORE, &[(&id).into(), server.into(), token.into()]).await?;
    Ok(Ok(()))
}

/// What is left of a token's bytes; `None` where they have no limit.
async fn left_of_token(tx: &mut dyn Steps, hash: &TokenHash, charge: &Charge) -> Result<Option<u64>, StoreError> {
    let token = tx.access_token(hash).await?;
    let token = token.ok_or_else(|| StoreError::internal(anyhow!("an access token has no row")))?;
    let most = token.max_bytes.or(charge.quotas.token_bytes);
    Ok(most.map(|most| most.saturating_sub(token.counted_bytes)))
}
