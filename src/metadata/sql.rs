//! The statements and the row decoding that all databases share: `$1`, `ON CONFLICT` and window functions work in each.

use anyhow::{Context as _, anyhow};
use haulier_wire::{ByteLen, ChunkCount, ChunkLayout, Timestamp, TransferId, TransferKind};
use sqlx::query::Query;
use sqlx::{ColumnIndex, Database, Decode, Encode, Row, Type};

use super::{Digest, Expiry, Payload, PayloadUpload, Shape, StoredChunk, StoredState, Transfer};
use crate::store::StoreError;

pub(super) mod access;
mod failure;
pub(super) mod lease;
pub(super) mod recount;
pub(super) mod schema;

pub(super) use failure::{is_passing, migration_error};

/// What [`transfer`] reads.
macro_rules! transfer_columns {
    () => {
        "id, kind, state, create_digest, file_size, chunk_size, total_chunks, stored_chunks, stored_bytes, key_check,
        kdf_salt, owner_token_hash, download_token_hash, max_downloads, download_count, held, abandoned_bytes, created_at,
        upload_expires_at, expires_in_ms, expires_at, completed_at, blobs_removed, content_type_hint, auto_delete, payload_upload,
        payload_blake3"
    };
}
use transfer_columns;

pub(super) mod operator;
pub(super) mod payload;

pub(super) const INSERT_TRANSFER: &str = "
    INSERT INTO transfers (id, kind, state, create_digest, file_size, chunk_size, total_chunks, key_check, kdf_salt,
        owner_token_hash, download_token_hash, max_downloads, created_at, upload_expires_at, expires_in_ms, expires_at,
        content_type_hint, auto_delete)
    VALUES ($1, $2, 'pending', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
    ON CONFLICT (id) DO NOTHING";

pub(super) const SELECT_TRANSFER: &str = concat!("SELECT ", transfer_columns!(), " FROM transfers WHERE id = $1");

/// Both in one: each statement is a hop to another thread or machine and back. `blake3` is null without a stored chunk.
pub(super) const SELECT_TRANSFER_AND_CHUNK: &str = concat!(
    "SELECT ",
    transfer_columns!(),
    ", blake3, sha256
    FROM transfers LEFT JOIN chunks ON transfer_id = id AND chunk_index = $2 AND stored = 1
    WHERE id = $1"
);

pub(super) const SELECT_SEALED_METADATA: &str = "SELECT sealed FROM sealed_metadata WHERE transfer_id = $1";

/// Only while pending: what completed lacks, it lacks for good, and a tombstone gets nothing.
pub(super) const INSERT_SEALED_METADATA: &str = "
    INSERT INTO sealed_metadata (transfer_id, sealed)
    SELECT id, $2 FROM transfers WHERE id = $1 AND state = 'pending' AND blobs_removed = 0
    ON CONFLICT (transfer_id) DO NOTHING";

/// Whether a transfer takes or keeps chunks at `$2`. What was swept does not: the clock may have been ahead then.
pub(super) const SELECT_OPEN: &str = "
    SELECT 1 FROM transfers WHERE id = $1 AND blobs_removed = 0 AND (
        (state = 'pending' AND upload_expires_at > $2 AND (expires_at IS NULL OR expires_at > $2))
        OR (state = 'completed' AND expires_at > $2))";

pub(super) const SELECT_CHUNK: &str =
    "SELECT blake3, sha256, stored FROM chunks WHERE transfer_id = $1 AND chunk_index = $2";

/// Only a pending transfer takes chunks that it does not have, at `$5`.
pub(super) const RESERVE_CHUNK: &str = "
    INSERT INTO chunks (transfer_id, chunk_index, blake3, sha256, stored)
    SELECT id, $2, $3, $4, 0 FROM transfers
    WHERE id = $1 AND state = 'pending' AND blobs_removed = 0
        AND upload_expires_at > $5 AND (expires_at IS NULL OR expires_at > $5)
    ON CONFLICT (transfer_id, chunk_index) DO NOTHING";

/// What was reserved may still be stored while [`SELECT_OPEN`] finds the transfer, at `$5`.
pub(super) const STORE_CHUNK: &str = "
    UPDATE chunks SET stored = 1, sha256 = COALESCE(sha256, $4)
    WHERE transfer_id = $1 AND chunk_index = $2 AND blake3 = $3 AND stored = 0 AND EXISTS (
        SELECT 1 FROM transfers WHERE id = $1 AND blobs_removed = 0 AND (
            (state = 'pending' AND upload_expires_at > $5 AND (expires_at IS NULL OR expires_at > $5))
            OR (state = 'completed' AND expires_at > $5)))";

pub(super) const COUNT_STORED: &str = "
    UPDATE transfers SET stored_chunks = stored_chunks + $2, stored_bytes = stored_bytes + $3,
        upload_expires_at = CASE WHEN $4 > upload_expires_at THEN $4 ELSE upload_expires_at END
    WHERE id = $1";

/// The gaps between stored chunks, with an imagined one before the first and one after the last.
pub(super) const SELECT_MISSING: &str = "
    SELECT first, last FROM (
        SELECT chunk_index + 1 AS first, LEAD(chunk_index, 1, $2) OVER (ORDER BY chunk_index) - 1 AS last
        FROM (SELECT -1 AS chunk_index
            UNION ALL SELECT chunk_index FROM chunks WHERE transfer_id = $1 AND stored = 1) AS stored_chunks
    ) AS gaps
    WHERE last >= first ORDER BY first LIMIT $3";

/// `$3` follows from the expiry `$4`, `$5`: if the owner has changed that meanwhile, it must be computed again.
pub(super) const COMPLETE: &str = "
    UPDATE transfers SET state = 'completed', completed_at = $2, expires_at = $3
    WHERE id = $1 AND state = 'pending' AND blobs_removed = 0 AND stored_chunks = total_chunks
        AND upload_expires_at > $2 AND expires_in_ms IS NOT DISTINCT FROM $4 AND expires_at IS NOT DISTINCT FROM $5";

/// What is completed has an end already: there, nothing counts from complete any more. What has ended at `$4` stays so.
pub(super) const SET_EXPIRY: &str = "
    UPDATE transfers SET expires_in_ms = $2, expires_at = $3
    WHERE id = $1 AND blobs_removed = 0 AND (expires_at IS NULL OR expires_at > $4)
        AND ((state = 'pending' AND upload_expires_at > $4) OR (state = 'completed' AND $3 IS NOT NULL))";

pub(super) const DELETE: &str = "
    UPDATE transfers SET state = 'deleted', deleted_at = $2 WHERE id = $1 AND state <> 'deleted'";

/// What was downloaded without a limit counts once there is one: its place is held and spent. The limit may be there by
/// now, and this may be its last.
pub(super) const COUNT_DOWNLOAD: &str = "
    UPDATE transfers SET download_count = download_count + 1, held = held + 1,
        state = CASE WHEN state = 'completed' AND max_downloads > 0 AND download_count + 1 >= max_downloads
            THEN 'exhausted' ELSE state END
    WHERE id = $1";

/// Has ended at `$1` and has blobs. Whoever has a lease at the moment `$now` may still read: bytes that have expired are kept
/// for a while beyond their end, and a lease ends when it ends.
macro_rules! is_unswept {
    ($now:literal) => {
        concat!(
            "blobs_removed = 0 AND (
            state = 'deleted'
            OR expires_at <= $1
            OR (state = 'pending' AND upload_expires_at <= $1)
            OR (state = 'exhausted' AND NOT EXISTS (
                SELECT 1 FROM leases WHERE transfer_id = transfers.id AND ends_at > ",
            $now,
            ")))"
        )
    };
}
pub(super) use is_unswept;

/// Transfers that have ended at `$1` and that nobody has claimed beyond the moment `$2`; the first `$3`.
macro_rules! select_unclaimed {
    () => {
        concat!(
            "SELECT id FROM transfers WHERE ",
            sql::is_unswept!("$2"),
            " AND (sweep_claimed_until IS NULL OR sweep_claimed_until <= $2) LIMIT $3"
        )
    };
}
pub(super) use select_unclaimed;

pub(super) const MOVE_SWEEP_CLAIM: &str =
    "UPDATE transfers SET sweep_claimed_until = $2 WHERE id = $1 AND blobs_removed = 0";

pub(super) const DELETE_CHUNKS: &str = "DELETE FROM chunks WHERE transfer_id = $1";
pub(super) const DELETE_SEALED_METADATA: &str = "DELETE FROM sealed_metadata WHERE transfer_id = $1";
pub(super) const MARK_SWEPT: &str = "
    UPDATE transfers SET blobs_removed = 1, sweep_claimed_until = NULL WHERE id = $1 AND blobs_removed = 0
    RETURNING stored_bytes";

/// [`INSERT_TRANSFER`] with its values.
pub(super) fn insert_transfer<'q, DB: Database>(
    transfer: &'q Transfer,
) -> Result<Query<'q, DB, DB::Arguments>, StoreError>
where
    &'q str: Encode<'q, DB> + Type<DB>,
    &'q [u8]: Encode<'q, DB> + Type<DB>,
    i64: Encode<'q, DB> + Type<DB>,
    Option<&'q str>: Encode<'q, DB>,
    Option<&'q [u8]>: Encode<'q, DB>,
    Option<i64>: Encode<'q, DB>,
{
    let (expires_in_ms, expires_at) = expiry_columns(transfer.expiry);
    let payload = transfer.shape.payload();
    Ok(sqlx::query(INSERT_TRANSFER)
        .bind(transfer.id.as_str())
        .bind(kind_text(transfer.kind))
        .bind(transfer.create_digest.as_slice())
        .bind(i64::try_from(transfer.shape.file_size()).map_err(StoreError::internal)?)
        .bind(i64::from(transfer.shape.chunk_size()))
        .bind(i64::from(transfer.shape.total_chunks()))
        .bind(transfer.key_check.as_deref())
        .bind(transfer.kdf_salt.as_ref().map(<[u8; 16]>::as_slice))
        .bind(transfer.owner_token_hash.as_ref().map(|hash| hash.as_str()))
        .bind(transfer.download_token_hash.as_ref().map(|hash| hash.as_str()))
        .bind(i64::try_from(transfer.max_downloads).map_err(StoreError::internal)?)
        .bind(transfer.created_at.as_millisecond())
        .bind(transfer.upload_expires_at.as_millisecond())
        .bind(expires_in_ms)
        .bind(expires_at)
        .bind(payload.map(|payload| &*payload.content_type_hint))
        .bind(payload.map(|payload| i64::from(payload.auto_delete))))
}

/// Reads one row of [`SELECT_TRANSFER`].
pub(super) fn transfer<R>(row: &R) -> Result<Transfer, StoreError>
where
    R: Row,
    for<'c> &'c str: ColumnIndex<R>,
    for<'r> String: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
{
    decode(row).map_err(|error| StoreError::internal(error.context("a row of transfers is damaged")))
}

fn decode<R>(row: &R) -> anyhow::Result<Transfer>
where
    R: Row,
    for<'c> &'c str: ColumnIndex<R>,
    for<'r> String: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
{
    let number = |column: &'static str| -> anyhow::Result<i64> { Ok(row.try_get(column)?) };
    let text = |column: &'static str| -> anyhow::Result<Option<String>> { Ok(row.try_get(column)?) };
    let bytes = |column: &'static str| -> anyhow::Result<Option<Vec<u8>>> { Ok(row.try_get(column)?) };
    let time = |column: &'static str| -> anyhow::Result<Option<Timestamp>> {
        let milliseconds: Option<i64> = row.try_get(column)?;
        milliseconds.map(Timestamp::from_millisecond).transpose().context(column)
    };
    let required_time = |column: &'static str| time(column)?.context(column);
    let expires_in_ms: Option<i64> = row.try_get("expires_in_ms")?;
    let kind = kind_from_text(&text("kind")?.context("kind")?)?;
    Ok(Transfer {
        id: row.try_get::<String, _>("id")?.parse()?,
        kind,
        state: state_from_text(&text("state")?.context("state")?)?,
        create_digest: bytes("create_digest")?.context("create_digest")?.try_into().map_err(|_| anyhow!("digest"))?,
        shape: if kind == TransferKind::Payload { Shape::Payload(payload(row)?) } else { Shape::Chunks(layout(row)?) },
        stored_chunks: u32::try_from(number("stored_chunks")?)?,
        stored_bytes: u64::try_from(number("stored_bytes")?)?,
        key_check: bytes("key_check")?,
        kdf_salt: bytes("kdf_salt")?.map(TryInto::try_into).transpose().map_err(|_| anyhow!("kdf_salt"))?,
        owner_token_hash: text("owner_token_hash")?.map(|hash| hash.parse()).transpose()?,
        download_token_hash: text("download_token_hash")?.map(|hash| hash.parse()).transpose()?,
        max_downloads: u64::try_from(number("max_downloads")?)?,
        download_count: u64::try_from(number("download_count")?)?,
        held: u64::try_from(number("held")?)?,
        abandoned_bytes: u64::try_from(number("abandoned_bytes")?)?,
        created_at: required_time("created_at")?,
        upload_expires_at: required_time("upload_expires_at")?,
        expiry: match (time("expires_at")?, expires_in_ms) {
            (Some(at), _) => Expiry::At(at),
            (None, Some(milliseconds)) => Expiry::AfterComplete(milliseconds),
            (None, None) => return Err(anyhow!("expires_at and expires_in_ms are both null")),
        },
        completed_at: time("completed_at")?,
        is_swept: number("blobs_removed")? == 1,
    })
}

fn layout<R>(row: &R) -> anyhow::Result<ChunkLayout>
where
    R: Row,
    for<'c> &'c str: ColumnIndex<R>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
{
    let number = |column: &'static str| -> anyhow::Result<i64> { Ok(row.try_get(column)?) };
    let file_size = ByteLen::new(u64::try_from(number("file_size")?)?).context("file_size")?;
    let total_chunks = ChunkCount::new(u32::try_from(number("total_chunks")?)?).context("total_chunks")?;
    Ok(ChunkLayout::check(file_size, u64::try_from(number("chunk_size")?)?, total_chunks)?)
}

fn payload<R>(row: &R) -> anyhow::Result<Payload>
where
    R: Row,
    for<'c> &'c str: ColumnIndex<R>,
    for<'r> String: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
{
    let number = |column: &'static str| -> anyhow::Result<i64> { Ok(row.try_get(column)?) };
    let upload: Option<String> = row.try_get("payload_upload")?;
    let blake3: Option<Vec<u8>> = row.try_get("payload_blake3")?;
    Ok(Payload {
        file_size: u64::try_from(number("file_size")?)?,
        content_type_hint: row.try_get::<Option<String>, _>("content_type_hint")?.unwrap_or_default(),
        auto_delete: row.try_get::<Option<i64>, _>("auto_delete")? == Some(1),
        upload: match (upload, blake3) {
            (Some(id), Some(blake3)) => Some(PayloadUpload {
                id: id.parse()?,
                len: u64::try_from(number("stored_bytes")?)?,
                blake3: blake3.try_into().map_err(|_| anyhow!("payload_blake3"))?,
            }),
            (None, None) => None,
            _ => return Err(anyhow!("payload_upload and payload_blake3 go together")),
        },
    })
}

/// Reads the `id` of a row.
pub(super) fn id<R>(row: &R) -> Result<TransferId, StoreError>
where
    R: Row,
    for<'c> &'c str: ColumnIndex<R>,
    for<'r> String: Decode<'r, R::Database> + Type<R::Database>,
{
    row.try_get::<String, _>("id")?.parse().map_err(StoreError::internal)
}

/// A chunk whose `blake3` was read from `row`.
pub(super) fn stored_chunk<R>(row: &R, blake3: Vec<u8>) -> Result<StoredChunk, StoreError>
where
    R: Row,
    for<'c> &'c str: ColumnIndex<R>,
    for<'r> Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
{
    let sha256: Option<Vec<u8>> = row.try_get("sha256")?;
    Ok(StoredChunk { blake3: digest(blake3)?, sha256: sha256.map(digest).transpose()? })
}

fn digest(bytes: Vec<u8>) -> Result<Digest, StoreError> {
    bytes.try_into().map_err(|_| StoreError::internal(anyhow!("a row of chunks is damaged: digest length")))
}

/// Reads one row of [`SELECT_MISSING`].
pub(super) fn gap<R>(row: &R) -> Result<[u32; 2], StoreError>
where
    R: Row,
    for<'c> &'c str: ColumnIndex<R>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
{
    let index = |column| u32::try_from(row.try_get::<i64, _>(column)?).map_err(StoreError::internal);
    Ok([index("first")?, index("last")?])
}

fn kind_text(kind: TransferKind) -> &'static str {
    match kind {
        TransferKind::Full => "full",
        TransferKind::Seed => "seed",
        TransferKind::Payload => "payload",
    }
}

fn kind_from_text(text: &str) -> anyhow::Result<TransferKind> {
    match text {
        "full" => Ok(TransferKind::Full),
        "seed" => Ok(TransferKind::Seed),
        "payload" => Ok(TransferKind::Payload),
        _ => Err(anyhow!("unknown kind")),
    }
}

pub(super) fn state_from_text(text: &str) -> anyhow::Result<StoredState> {
    match text {
        "pending" => Ok(StoredState::Pending),
        "completed" => Ok(StoredState::Completed),
        "exhausted" => Ok(StoredState::Exhausted),
        "deleted" => Ok(StoredState::Deleted),
        _ => Err(anyhow!("unknown state")),
    }
}

/// `expires_in_ms` and `expires_at` of an expiry: exactly one is set.
pub(super) fn expiry_columns(expiry: Expiry) -> (Option<i64>, Option<i64>) {
    match expiry {
        Expiry::At(at) => (None, Some(at.as_millisecond())),
        Expiry::AfterComplete(milliseconds) => (Some(milliseconds), None),
    }
}

/// The bytes of [`MARK_SWEPT`], if it noted any.
pub(super) fn swept_bytes<R>(row: Option<&R>) -> Result<u64, StoreError>
where
    R: Row,
    for<'c> &'c str: ColumnIndex<R>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
{
    let Some(row) = row else { return Ok(0) };
    u64::try_from(row.try_get::<i64, _>("stored_bytes")?).map_err(StoreError::internal)
}
