//! The statements of payloads.

use haulier_wire::{Timestamp, TransferId};
use sqlx::query::Query;
use sqlx::{Database, Encode, Type};

use super::super::{Expiry, PayloadRecord};
use crate::store::{StoreError, UploadId};

/// One upload takes the place of the one that its writer has seen, `$6`, or of none.
const RECORD_PAYLOAD: &str = "
    UPDATE transfers SET payload_upload = $2, payload_blake3 = $3, stored_bytes = $4,
        upload_expires_at = CASE WHEN $5 > upload_expires_at THEN $5 ELSE upload_expires_at END
    WHERE id = $1 AND kind = 'payload' AND state = 'pending' AND blobs_removed = 0 AND payload_upload IS NOT DISTINCT FROM $6
        AND upload_expires_at > $7 AND (expires_at IS NULL OR expires_at > $7)";

/// As `COMPLETE`, for exactly one upload.
const COMPLETE_PAYLOAD: &str = "
    UPDATE transfers SET state = 'completed', completed_at = $2, expires_at = $3
    WHERE id = $1 AND kind = 'payload' AND state = 'pending' AND blobs_removed = 0 AND payload_upload = $6
        AND upload_expires_at > $2 AND expires_in_ms IS NOT DISTINCT FROM $4 AND expires_at IS NOT DISTINCT FROM $5";

/// [`RECORD_PAYLOAD`] with its values.
pub(in crate::metadata) fn record_payload<'q, DB: Database>(
    record: &'q PayloadRecord,
) -> Result<Query<'q, DB, DB::Arguments>, StoreError>
where
    &'q str: Encode<'q, DB> + Type<DB>,
    &'q [u8]: Encode<'q, DB> + Type<DB>,
    i64: Encode<'q, DB> + Type<DB>,
    String: Encode<'q, DB> + Type<DB>,
    Option<String>: Encode<'q, DB> + Type<DB>,
{
    Ok(sqlx::query(RECORD_PAYLOAD)
        .bind(record.transfer_id.as_str())
        .bind(record.upload.id.to_string())
        .bind(record.upload.blake3.as_slice())
        .bind(i64::try_from(record.upload.len).map_err(StoreError::internal)?)
        .bind(record.upload_expires_at.as_millisecond())
        .bind(record.instead_of.map(|upload| upload.to_string()))
        .bind(record.now.as_millisecond()))
}

/// [`COMPLETE_PAYLOAD`] with its values.
pub(in crate::metadata) fn complete_payload<'q, DB: Database>(
    id: &'q TransferId,
    upload: UploadId,
    at: Timestamp,
    expiry: Expiry,
    expires_at: Timestamp,
) -> Query<'q, DB, DB::Arguments>
where
    &'q str: Encode<'q, DB> + Type<DB>,
    i64: Encode<'q, DB> + Type<DB>,
    String: Encode<'q, DB> + Type<DB>,
    Option<i64>: Encode<'q, DB> + Type<DB>,
{
    let (expires_in_ms, asked_at) = super::expiry_columns(expiry);
    sqlx::query(COMPLETE_PAYLOAD)
        .bind(id.as_str())
        .bind(at.as_millisecond())
        .bind(expires_at.as_millisecond())
        .bind(expires_in_ms)
        .bind(asked_at)
        .bind(upload.to_string())
}
