//! The statements of the operator's commands.

use anyhow::anyhow;
use haulier_wire::ChunkIndex;
use sqlx::query::Query;
use sqlx::{ColumnIndex, Database, Decode, Encode, Row, Type};

use super::super::{Digest, StoredChunk, Total, Transfer};
use crate::store::StoreError;

/// Chunks that one statement restores: 32 bytes each.
pub(in crate::metadata) const MAX_RESTORE_BATCH: usize = 4096;

/// Every id is greater than the empty text.
pub(in crate::metadata) const SELECT_TRANSFERS: &str =
    concat!("SELECT ", super::transfer_columns!(), " FROM transfers WHERE id > $1 ORDER BY id LIMIT $2");

/// Ended at `$1`, as of the moment `$4`.
pub(in crate::metadata) const SELECT_UNSWEPT: &str = concat!(
    "SELECT ",
    super::transfer_columns!(),
    " FROM transfers WHERE ",
    super::is_unswept!("$4"),
    " AND id > $2 ORDER BY id LIMIT $3"
);

pub(in crate::metadata) const SELECT_UNSWEPT_TOTAL: &str = concat!(
    "SELECT COUNT(*) AS transfers, CAST(COALESCE(SUM(stored_bytes), 0) AS BIGINT) AS bytes FROM transfers WHERE ",
    super::is_unswept!("$1")
);

pub(in crate::metadata) const SELECT_STORED_CHUNKS: &str = "
    SELECT chunk_index, blake3, sha256 FROM chunks
    WHERE transfer_id = $1 AND chunk_index >= $2 AND stored = 1 ORDER BY chunk_index LIMIT $3";

/// Anyone may announce 2^53 bytes, and sums of such do not fit into 64 bits: mebibytes and their rest do.
pub(in crate::metadata) const SELECT_TOTALS: &str = "
    SELECT state, has_ended, blobs_removed, COUNT(*) AS transfers,
        CAST(SUM(file_size / 1048576) AS BIGINT) AS declared_mib,
        CAST(SUM(file_size % 1048576) AS BIGINT) AS declared_rest,
        CAST(SUM(stored_chunks) AS BIGINT) AS stored_chunks,
        CAST(SUM(stored_bytes) AS BIGINT) AS stored_bytes
    FROM (SELECT state, blobs_removed, file_size, stored_chunks, stored_bytes,
            CAST(CASE WHEN expires_at <= $1 OR (state = 'pending' AND upload_expires_at <= $1)
                THEN 1 ELSE 0 END AS BIGINT) AS has_ended
        FROM transfers) AS counted
    GROUP BY state, has_ended, blobs_removed";

pub(in crate::metadata) const UNSTORE_CHUNK: &str = "
    UPDATE chunks SET stored = 0 WHERE transfer_id = $1 AND chunk_index = $2 AND blake3 = $3 AND stored = 1";

/// In one transaction behind [`UNSTORE_CHUNK`], which is undone when this finds no pending transfer.
pub(in crate::metadata) const COUNT_UNSTORED: &str = "
    UPDATE transfers SET stored_chunks = stored_chunks - 1, stored_bytes = stored_bytes - $2
    WHERE id = $1 AND state = 'pending'";

/// Behind `INSERT_TRANSFER` and `INSERT_SEALED_METADATA`, which make a pending one.
const RESTORE_COMPLETED: &str = "
    UPDATE transfers SET state = CASE WHEN max_downloads > 0 AND $3 >= max_downloads THEN 'exhausted' ELSE 'completed' END,
        stored_chunks = total_chunks, stored_bytes = $2, download_count = $3, held = $3, completed_at = $4, payload_upload = $5,
        payload_blake3 = $6
    WHERE id = $1";

/// The chunks from `$2` on: `$3` of them, their digests end to end in `$4`.
pub(in crate::metadata) const RESTORE_CHUNKS: &str = "
    INSERT INTO chunks (transfer_id, chunk_index, blake3, sha256, stored)
    WITH RECURSIVE places (place) AS (SELECT 0 UNION ALL SELECT place + 1 FROM places WHERE place + 1 < $3)
    SELECT $1, $2 + place, substr($4, place * 32 + 1, 32), NULL, 1 FROM places";

/// The digests of one [`RESTORE_CHUNKS`], end to end.
pub(in crate::metadata) fn joined(digests: &[Digest]) -> Vec<u8> {
    digests.concat()
}

/// Index of the first chunk of one [`RESTORE_CHUNKS`], and how many they are.
pub(in crate::metadata) fn place(number: usize, digests: &[Digest]) -> Result<(i64, i64), StoreError> {
    let count = |count: usize| i64::try_from(count).map_err(StoreError::internal);
    Ok((count(number * MAX_RESTORE_BATCH)?, count(digests.len())?))
}

/// Completes a transfer that was inserted, with the counters that it had.
pub(in crate::metadata) fn restore_completed<'q, DB: Database>(
    transfer: &'q Transfer,
) -> Result<Query<'q, DB, DB::Arguments>, StoreError>
where
    &'q str: Encode<'q, DB> + Type<DB>,
    i64: Encode<'q, DB> + Type<DB>,
    Option<i64>: Encode<'q, DB> + Type<DB>,
    Option<String>: Encode<'q, DB> + Type<DB>,
    Option<Vec<u8>>: Encode<'q, DB> + Type<DB>,
{
    let upload = transfer.payload_upload();
    Ok(sqlx::query(RESTORE_COMPLETED)
        .bind(transfer.id.as_str())
        .bind(i64::try_from(transfer.stored_bytes).map_err(StoreError::internal)?)
        .bind(i64::try_from(transfer.download_count).map_err(StoreError::internal)?)
        .bind(transfer.completed_at.map(|at| at.as_millisecond()))
        .bind(upload.map(|upload| upload.id.to_string()))
        .bind(upload.map(|upload| upload.blake3.to_vec())))
}

/// Reads one row of [`SELECT_STORED_CHUNKS`].
pub(in crate::metadata) fn stored_chunk<R>(row: &R) -> Result<(ChunkIndex, StoredChunk), StoreError>
where
    R: Row,
    for<'c> &'c str: ColumnIndex<R>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
{
    let index = u32::try_from(row.try_get::<i64, _>("chunk_index")?).ok().and_then(ChunkIndex::new);
    let index = index.ok_or_else(|| StoreError::internal(anyhow!("a row of chunks is damaged: its index")))?;
    Ok((index, super::stored_chunk(row, row.try_get("blake3")?)?))
}

/// Reads the row of [`SELECT_UNSWEPT_TOTAL`].
pub(in crate::metadata) fn unswept_total<R>(row: &R) -> Result<(u64, u64), StoreError>
where
    R: Row,
    for<'c> &'c str: ColumnIndex<R>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
{
    let number = |column: &'static str| u64::try_from(row.try_get::<i64, _>(column)?).map_err(StoreError::internal);
    Ok((number("transfers")?, number("bytes")?))
}

/// Reads one row of [`SELECT_TOTALS`].
pub(in crate::metadata) fn total<R>(row: &R) -> Result<Total, StoreError>
where
    R: Row,
    for<'c> &'c str: ColumnIndex<R>,
    for<'r> String: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
{
    let number = |column: &'static str| -> Result<u64, StoreError> {
        let number: i64 = row.try_get(column).map_err(StoreError::internal)?;
        u64::try_from(number).map_err(StoreError::internal)
    };
    let state: String = row.try_get("state").map_err(StoreError::internal)?;
    let declared = number("declared_mib")?.saturating_mul(1 << 20).saturating_add(number("declared_rest")?);
    Ok(Total {
        state: super::state_from_text(&state).map_err(|_| StoreError::internal(anyhow!("unknown state")))?,
        has_ended: number("has_ended")? == 1,
        is_swept: number("blobs_removed")? == 1,
        transfers: number("transfers")?,
        declared_bytes: declared,
        stored_chunks: number("stored_chunks")?,
        stored_bytes: number("stored_bytes")?,
    })
}
