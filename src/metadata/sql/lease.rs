//! The statements of leases, and the steps that both databases take with them.

use haulier_wire::Timestamp;
use sqlx::{ColumnIndex, Decode, Row, Type};

use super::super::lease::Lease;
use crate::store::StoreError;

/// The one point where a place is taken.
pub(in crate::metadata) const TAKE_PLACE: &str = "
    UPDATE transfers SET held = held + 1
    WHERE id = $1 AND state = 'completed' AND blobs_removed = 0 AND expires_at > $2
        AND max_downloads > 0 AND held < max_downloads";

pub(in crate::metadata) const INSERT_LEASE: &str = "
    INSERT INTO leases (transfer_id, token_hash, payload_bytes, charged_bytes, spent, started_at, ends_at)
    VALUES ($1, $2, $3, 0, 0, $4, $5)";

pub(in crate::metadata) const SELECT_LEASE: &str = "
    SELECT payload_bytes, charged_bytes, spent, started_at, ends_at FROM leases
    WHERE transfer_id = $1 AND token_hash = $2";

pub(in crate::metadata) const UPDATE_LEASE: &str = "
    UPDATE leases SET charged_bytes = $3, spent = $4, ends_at = $5 WHERE transfer_id = $1 AND token_hash = $2";

pub(in crate::metadata) const REFUND_LEASE: &str = "
    UPDATE leases SET charged_bytes = CASE WHEN charged_bytes > $3 THEN charged_bytes - $3 ELSE 0 END
    WHERE transfer_id = $1 AND token_hash = $2";

pub(in crate::metadata) const DELETE_LEASE: &str = "DELETE FROM leases WHERE transfer_id = $1 AND token_hash = $2";

/// Those that have ended at `$2`, or end later than any can, at `$3`; the first `$4`.
pub(in crate::metadata) const DELETE_LAPSED: &str = "
    DELETE FROM leases WHERE transfer_id = $1 AND token_hash IN (
        SELECT token_hash FROM leases WHERE transfer_id = $1 AND (ends_at <= $2 OR ends_at > $3) LIMIT $4)
    RETURNING payload_bytes, charged_bytes, spent, started_at, ends_at";

pub(in crate::metadata) const SELECT_WITH_LAPSED: &str = "
    SELECT DISTINCT transfer_id AS id FROM leases WHERE ends_at <= $1 OR ends_at > $2 LIMIT $3";

/// Places that were given back, places that were spent, and what the abandoned bytes change by.
pub(in crate::metadata) const SETTLE: &str = "
    UPDATE transfers SET held = held - $2, download_count = download_count + $3, abandoned_bytes = abandoned_bytes + $4
    WHERE id = $1";

/// The transition from completed to exhausted: every place is spent.
pub(in crate::metadata) const EXHAUST: &str = "
    UPDATE transfers SET state = 'exhausted'
    WHERE id = $1 AND state = 'completed' AND max_downloads > 0 AND download_count >= max_downloads";

pub(in crate::metadata) const SET_MAX_DOWNLOADS: &str = "
    UPDATE transfers SET max_downloads = $2
    WHERE id = $1 AND state IN ('pending', 'completed') AND blobs_removed = 0";

/// Without a limit nobody holds a place.
pub(in crate::metadata) const FREE_PLACES: &str = "UPDATE transfers SET held = download_count WHERE id = $1";
pub(in crate::metadata) const DELETE_LEASES: &str = "DELETE FROM leases WHERE transfer_id = $1";

/// Reads one row of [`SELECT_LEASE`].
pub(in crate::metadata) fn lease<R>(row: &R) -> Result<Lease, StoreError>
where
    R: Row,
    for<'c> &'c str: ColumnIndex<R>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
{
    let number = |column: &'static str| row.try_get::<i64, _>(column).map_err(StoreError::internal);
    let bytes = |column| u64::try_from(number(column)?).map_err(StoreError::internal);
    let time = |column| Timestamp::from_millisecond(number(column)?).map_err(StoreError::internal);
    Ok(Lease {
        payload_bytes: bytes("payload_bytes")?,
        charged_bytes: bytes("charged_bytes")?,
        is_spent: number("spent")? == 1,
        started_at: time("started_at")?,
        ends_at: time("ends_at")?,
    })
}

/// The steps inside one transaction, written once for two types of connection; `select_transfer` and `lock` are in scope.
/// `lock` makes sure that no other transaction has a step in the same transfer.
macro_rules! steps {
    ($connection:ty) => {
        async fn select_lease(connection: &mut $connection, key: &LeaseKey) -> Result<Option<Lease>, StoreError> {
            let query = sqlx::query(statement::SELECT_LEASE).bind(key.transfer_id.as_str());
            let row = query.bind(key.token_hash.as_str()).fetch_optional(connection).await?;
            row.as_ref().map(statement::lease).transpose()
        }

        async fn update_lease(connection: &mut $connection, key: &LeaseKey, lease: &Lease) -> Result<(), StoreError> {
            let query = sqlx::query(statement::UPDATE_LEASE).bind(key.transfer_id.as_str());
            let query = query.bind(key.token_hash.as_str()).bind(signed(lease.charged_bytes)?);
            let query = query.bind(i64::from(lease.is_spent)).bind(lease.ends_at.as_millisecond());
            query.execute(connection).await?;
            Ok(())
        }

        /// Counts a place as spent; whoever spends the last one exhausts the transfer.
        async fn spend(connection: &mut $connection, id: TransferId) -> Result<(), StoreError> {
            change(connection, id, 0, 1, 0).await
        }

        async fn change(
            connection: &mut $connection,
            id: TransferId,
            given_back: i64,
            spent: i64,
            abandoned: i64,
        ) -> Result<(), StoreError> {
            let query = sqlx::query(statement::SETTLE).bind(id.as_str()).bind(given_back);
            query.bind(spent).bind(abandoned).execute(&mut *connection).await?;
            if spent > 0 {
                sqlx::query(statement::EXHAUST).bind(id.as_str()).execute(connection).await?;
            }
            Ok(())
        }

        /// Gives the places of unspent leases back, whose rows are gone, or burns them: two statements for any number.
        /// Whether it burnt any.
        async fn settle_all(
            connection: &mut $connection,
            id: TransferId,
            leases: &[Lease],
        ) -> Result<bool, StoreError> {
            if leases.iter().all(|lease| lease.is_spent) {
                return Ok(false);
            }
            let transfer = select_transfer(connection, id).await?;
            let settled = settle(transfer.map_or(0, |transfer| transfer.abandoned_bytes), leases);
            change(connection, id, settled.given_back, settled.burnt, settled.abandoned).await?;
            Ok(settled.burnt > 0)
        }

        async fn end_lapsed(
            connection: &mut $connection,
            id: TransferId,
            now: Timestamp,
            times: LeaseTimes,
            most: u32,
        ) -> Result<Lapsed, StoreError> {
            lock(connection, id).await?;
            let query = sqlx::query(statement::DELETE_LAPSED).bind(id.as_str()).bind(now.as_millisecond());
            let query = query.bind(furthest_end(now, times).as_millisecond()).bind(i64::from(most));
            let rows = query.fetch_all(&mut *connection).await?;
            let leases = rows.iter().map(statement::lease).collect::<Result<Vec<_>, _>>()?;
            let is_burnt = settle_all(connection, id, &leases).await?;
            Ok(Lapsed { ended: u32::try_from(leases.len()).unwrap_or(u32::MAX), is_burnt })
        }

        async fn take(
            connection: &mut $connection,
            key: &LeaseKey,
            payload_bytes: u64,
            now: Timestamp,
            times: LeaseTimes,
        ) -> Result<Taken, StoreError> {
            let id = key.transfer_id;
            lock(connection, id).await?;
            if let Some(lease) = select_lease(connection, key).await? {
                return Ok(Taken::Same(lease));
            }
            let query = sqlx::query(statement::TAKE_PLACE).bind(id.as_str()).bind(now.as_millisecond());
            if query.execute(&mut *connection).await?.rows_affected() == 0 {
                let found = select_transfer(connection, id).await?;
                return Ok(found.map_or(Taken::NotFound, |transfer| Taken::Refused(Box::new(transfer))));
            }
            // The databases keep milliseconds.
            let moment = |at: Timestamp| Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at);
            let ends_at = moment(now.saturating_add(times.unused).unwrap_or(Timestamp::MAX));
            let started_at = moment(now);
            let query = sqlx::query(statement::INSERT_LEASE).bind(id.as_str()).bind(key.token_hash.as_str());
            let query = query.bind(signed(payload_bytes)?).bind(started_at.as_millisecond());
            query.bind(ends_at.as_millisecond()).execute(connection).await?;
            Ok(Taken::New(Lease { payload_bytes, charged_bytes: 0, is_spent: false, started_at, ends_at }))
        }

        async fn charge(
            connection: &mut $connection,
            key: &LeaseKey,
            bytes: u64,
            now: Timestamp,
            times: LeaseTimes,
        ) -> Result<Charged, StoreError> {
            lock(connection, key.transfer_id).await?;
            let found = select_lease(connection, key).await?;
            let Some(lease) = found.filter(|lease| !lease.has_lapsed(now, times)) else {
                let is_free = is_unlimited(connection, key.transfer_id).await?;
                return Ok(if is_free { Charged::Free } else { Charged::Ended });
            };
            let charged_bytes = lease.charged_bytes.saturating_add(bytes);
            if charged_bytes > lease.payload_bytes.saturating_mul(2) {
                return Ok(Charged::UsedUp);
            }
            let spends = !lease.is_spent && charged_bytes >= lease.payload_bytes;
            let ends_at = next_end(lease.started_at, now, times);
            let charged = Lease { charged_bytes, is_spent: lease.is_spent || spends, ends_at, ..lease };
            update_lease(connection, key, &charged).await?;
            if spends {
                spend(connection, key.transfer_id).await?;
            }
            Ok(Charged::Charged { spends })
        }

        async fn refund(connection: &mut $connection, key: &LeaseKey, bytes: u64) -> Result<(), StoreError> {
            lock(connection, key.transfer_id).await?;
            let query = sqlx::query(statement::REFUND_LEASE).bind(key.transfer_id.as_str());
            query.bind(key.token_hash.as_str()).bind(signed(bytes)?).execute(connection).await?;
            Ok(())
        }

        async fn commit(
            connection: &mut $connection,
            key: &LeaseKey,
            now: Timestamp,
            times: LeaseTimes,
        ) -> Result<Committed, StoreError> {
            lock(connection, key.transfer_id).await?;
            let found = select_lease(connection, key).await?;
            match found.filter(|lease| !lease.has_lapsed(now, times)) {
                None if is_unlimited(connection, key.transfer_id).await? => Ok(Committed::Free),
                None => Ok(Committed::Ended),
                Some(lease) if lease.is_spent => Ok(Committed::Same),
                Some(lease) => {
                    update_lease(connection, key, &Lease { is_spent: true, ..lease }).await?;
                    spend(connection, key.transfer_id).await?;
                    Ok(Committed::New)
                }
            }
        }

        async fn end(connection: &mut $connection, key: &LeaseKey, keep_spent: bool) -> Result<Ended, StoreError> {
            lock(connection, key.transfer_id).await?;
            let Some(lease) = select_lease(connection, key).await? else { return Ok(Ended::Unknown) };
            if lease.is_spent && keep_spent {
                return Ok(Ended::Spent);
            }
            let is_burnt = settle_all(connection, key.transfer_id, &[lease]).await?;
            if is_burnt && keep_spent {
                update_lease(connection, key, &Lease { is_spent: true, ..lease }).await?;
            } else {
                let query = sqlx::query(statement::DELETE_LEASE).bind(key.transfer_id.as_str());
                query.bind(key.token_hash.as_str()).execute(connection).await?;
            }
            Ok(match (lease.is_spent, is_burnt) {
                (true, _) => Ended::Spent,
                (false, true) => Ended::Burnt,
                (false, false) => Ended::GivenBack,
            })
        }

        async fn release(connection: &mut $connection, key: &LeaseKey) -> Result<Ended, StoreError> {
            lock(connection, key.transfer_id).await?;
            let Some(lease) = select_lease(connection, key).await? else { return Ok(Ended::Unknown) };
            if lease.is_spent {
                return Ok(Ended::Spent);
            }
            let is_burnt = settle_all(connection, key.transfer_id, &[lease]).await?;
            update_lease(connection, key, &Lease { is_spent: true, ..lease }).await?;
            Ok(if is_burnt { Ended::Burnt } else { Ended::GivenBack })
        }

        async fn set_limit(connection: &mut $connection, id: TransferId, most: u64) -> Result<bool, StoreError> {
            lock(connection, id).await?;
            let query = sqlx::query(statement::SET_MAX_DOWNLOADS).bind(id.as_str()).bind(signed(most)?);
            if query.execute(&mut *connection).await?.rows_affected() == 0 {
                return Ok(false);
            }
            if most == 0 {
                for freeing in [statement::DELETE_LEASES, statement::FREE_PLACES] {
                    sqlx::query(freeing).bind(id.as_str()).execute(&mut *connection).await?;
                }
            }
            sqlx::query(statement::EXHAUST).bind(id.as_str()).execute(connection).await?;
            Ok(true)
        }

        async fn is_unlimited(connection: &mut $connection, id: TransferId) -> Result<bool, StoreError> {
            Ok(select_transfer(connection, id).await?.is_some_and(|transfer| transfer.max_downloads == 0))
        }

        fn signed(bytes: u64) -> Result<i64, StoreError> {
            i64::try_from(bytes).map_err(StoreError::internal)
        }
    };
}
pub(in crate::metadata) use steps;
