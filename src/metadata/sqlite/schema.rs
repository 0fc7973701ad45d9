//! The schema of an SQLite file: brought up to date, or only compared with what this program needs.

use std::path::Path;

use anyhow::Context as _;
use sqlx::Connection as _;
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnection;

use crate::metadata::{Migrated, sql};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// Applies what is missing.
pub(super) async fn migrate(connection: &mut SqliteConnection, path: &Path) -> anyhow::Result<()> {
    let migrated = MIGRATIONS.run(connection).await.map_err(sql::migration_error);
    migrated.with_context(|| format!("cannot migrate the database {}", path.display()))
}

/// Makes the file if need be, applies what is missing, and says what that was.
///
/// # Errors
/// When the file cannot be opened or was written by a newer version.
pub async fn migrate_file(path: &Path) -> anyhow::Result<Migrated> {
    let mut connection = super::connect(path, true).await?;
    let from = version(&mut connection).await?;
    migrate(&mut connection, path).await?;
    let to = version(&mut connection).await?;
    connection.close().await?;
    Ok(Migrated { from, to })
}

/// Makes sure that an existing file has exactly the schema of this program, and changes nothing.
///
/// # Errors
/// When it has not, or cannot be opened.
pub async fn require_current(path: &Path) -> anyhow::Result<Migrated> {
    let mut connection = super::connect(path, false).await?;
    let found = version(&mut connection).await?;
    connection.close().await?;
    sql::schema::require(&MIGRATIONS, found).with_context(|| format!("the database {}", path.display()))
}

/// The last migration that was applied; 0 for an empty file.
async fn version(connection: &mut SqliteConnection) -> anyhow::Result<i64> {
    let table = sqlx::query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations'");
    if table.fetch_optional(&mut *connection).await?.is_none() {
        return Ok(0);
    }
    sql::schema::last_applied(connection).await
}
