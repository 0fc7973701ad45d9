//! From a URL to a database that is ready: the connection's settings, the migrations, and what the server is set to.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use sqlx::error::DatabaseError;
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use tokio::time::{Instant, sleep, timeout_at};

use super::super::{Migrated, sql};
use crate::store::{COMMAND_PATIENCE, StoreError};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// A database that starts together with this process gets so long to answer.
const START_PATIENCE: Duration = Duration::from_secs(30);
const START_PAUSE: Duration = Duration::from_millis(250);
/// Time between two lines of the log that say so.
const WARN_EVERY: Duration = Duration::from_secs(5);

/// What every connection for operations is set to, whatever the server's, the role's or the database's defaults are.
///
/// The timeouts keep a server that vanished in mid-transaction from holding its locks. READ COMMITTED is what `record`
/// rests on. A commit must be on disk when it is answered: `off` becomes `on`; stronger settings stay.
pub(super) const SET_UP_CONNECTION: &str = "
    SELECT set_config('statement_timeout', '15s', false),
        set_config('lock_timeout', '10s', false),
        set_config('idle_in_transaction_session_timeout', '15s', false),
        set_config('default_transaction_isolation', 'read committed', false),
        set_config('synchronous_commit', CASE current_setting('synchronous_commit')
            WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false)";

/// Reads the URL. Errors never repeat it: it may hold a password.
pub(super) fn options(url: &str) -> anyhow::Result<PgConnectOptions> {
    let options: PgConnectOptions =
        url.parse().map_err(|_| anyhow!("expected postgres://USER:PASSWORD@HOST:PORT/NAME?sslmode=..."))?;
    let options = match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("haulier-server"),
    };
    // Nothing here is a float, and poolers refuse what they do not know.
    Ok(options.extra_float_digits(None))
}

/// Brings the schema up to date, with a connection of its own: a migration may take longer than any timeout.
///
/// Ten servers may do so at once: one works, under the migrator's advisory lock, the others wait for it.
pub(super) async fn migrate(options: &PgConnectOptions) -> anyhow::Result<Migrated> {
    let mut connection = connect(options, START_PATIENCE).await?;
    let from = version(&mut connection).await?;
    MIGRATIONS.run(&mut connection).await.map_err(sql::migration_error)?;
    let to = version(&mut connection).await?;
    warn_of_settings(&mut connection).await.context("cannot read the database's settings")?;
    connection.close().await.context("cannot close a connection")?;
    Ok(Migrated { from, to })
}

/// Makes sure that the database has exactly the schema of this program, and changes nothing.
pub(super) async fn require_current(options: &PgConnectOptions) -> anyhow::Result<Migrated> {
    let mut connection = connect(options, COMMAND_PATIENCE).await?;
    let found = version(&mut connection).await?;
    connection.close().await.context("cannot close a connection")?;
    sql::schema::require(&MIGRATIONS, found).with_context(|| format!("the database at {}", address(options)))
}

/// Makes sure, for a command, that the database answers now.
pub(super) async fn reach(options: &PgConnectOptions) -> anyhow::Result<()> {
    connect(options, COMMAND_PATIENCE).await?.close().await.context("cannot close a connection")
}

async fn connect(options: &PgConnectOptions, patience: Duration) -> anyhow::Result<PgConnection> {
    let place = || format!("cannot connect to the database at {}", address(options));
    first_connection(options, patience).await.with_context(place)
}

/// The last migration that was applied; 0 for an empty database.
async fn version(connection: &mut PgConnection) -> anyhow::Result<i64> {
    let has_table: bool =
        sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL").fetch_one(&mut *connection).await?;
    match has_table {
        true => sql::schema::last_applied(connection).await,
        false => Ok(0),
    }
}

/// Waits for a database that is not up yet; a refused password or a missing database is final.
async fn first_connection(options: &PgConnectOptions, patience: Duration) -> anyhow::Result<PgConnection> {
    let give_up = Instant::now() + patience;
    let away =
        || format!("no connection within {} s: see that it runs and can be reached from here", patience.as_secs());
    let mut warn_at = Instant::now();
    loop {
        let error = match timeout_at(give_up, options.connect()).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => error,
            Err(_) => return Err(anyhow!(away())),
        };
        if !sql::is_passing(&error) || is_refusal(&error) {
            return Err(error.into());
        }
        if Instant::now() + START_PAUSE >= give_up {
            return Err(error).with_context(away);
        }
        // Asked four times a second: the same line each time would push everything else off an operator's screen.
        if Instant::now() >= warn_at {
            tracing::warn!(error = %error, "the database does not answer yet; trying again");
            warn_at = Instant::now() + WARN_EVERY;
        }
        sleep(START_PAUSE).await;
    }
}

/// A password or a certificate that is refused: while running an outage that an operator mends, at start a wrong setting.
fn is_refusal(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Tls(_) => true,
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::InvalidData,
        // Class 28: invalid authorization
        _ => error.as_database_error().and_then(DatabaseError::code).is_some_and(|code| code.starts_with("28")),
    }
}

/// Says what takes durability away: acknowledged chunks would be lost in a crash of the database's machine.
async fn warn_of_settings(connection: &mut PgConnection) -> Result<(), StoreError> {
    for (name, wanted) in [("fsync", "on"), ("full_page_writes", "on")] {
        let value = setting(connection, name).await?;
        if value != wanted {
            tracing::warn!(
                setting = name,
                value,
                "the database does not keep what it has answered when its machine crashes"
            );
        }
    }
    if setting(connection, "synchronous_commit").await? == "off" {
        tracing::warn!(
            setting = "synchronous_commit",
            value = "off",
            "the database would answer before it has synced; this server turns that on for its own connections"
        );
    }
    Ok(())
}

async fn setting(connection: &mut PgConnection, name: &str) -> Result<String, StoreError> {
    Ok(sqlx::query_scalar("SELECT current_setting($1)").bind(name).fetch_one(connection).await?)
}

fn address(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}
