//! What a database's schema is beside what this program needs.

use anyhow::ensure;
use sqlx::migrate::{Migrate, Migrator};

use super::super::Migrated;

/// The last migration that was applied, in a database that has the table of them.
pub(in crate::metadata) async fn last_applied(connection: &mut impl Migrate) -> anyhow::Result<i64> {
    let applied = connection.list_applied_migrations("_sqlx_migrations").await?;
    Ok(applied.iter().map(|migration| migration.version).max().unwrap_or(0))
}

/// Makes sure that `found` is exactly what this program needs.
pub(in crate::metadata) fn require(migrations: &Migrator, found: i64) -> anyhow::Result<Migrated> {
    let needed = migrations.iter().map(|migration| migration.version).max().unwrap_or(0);
    ensure!(found >= needed, "it has schema version {found}, this program needs {needed}: run haulier-server migrate");
    ensure!(
        found <= needed,
        "it has schema version {found}, this program knows {needed}: use the program that wrote it"
    );
    Ok(Migrated { from: found, to: found })
}
