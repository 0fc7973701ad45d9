//! The two stores, opened: by a server, or by an operator's command that may run beside one.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, ensure};

use super::create_folder;
use crate::blob::BlobStore;
use crate::blob::disk::DiskStore;
use crate::blob::foreign::{ForeignFolder, ForeignStore};
use crate::blob::s3::S3Store;
use crate::clock::SystemClock;
use crate::config::{BlobLocation, Config, Database, S3Location};
use crate::entropy::SystemEntropy;
use crate::lock::{DirectoryLock, FileLock};
use crate::metadata::postgres::{self, PostgresStore};
use crate::metadata::sqlite::{self, SqliteStore};
use crate::metadata::{MetadataStore, Migrated};
use crate::transfer::Transfers;
use crate::transfer::state::Limits;

/// Connections of one command to a shared database: more than it has transfers in hand at a time.
const BESIDE_CONNECTIONS: u32 = 10;
const DATABASE: &str = "HAULIER_DATABASE_URL, or haulier.sqlite in HAULIER_DATA_DIR";
const BLOBS: &str = "HAULIER_BLOB_URL, or blobs in HAULIER_DATA_DIR";

/// A database and a blob store.
#[derive(Debug)]
pub struct Stores {
    /// What is known of transfers.
    pub metadata: Arc<dyn MetadataStore>,
    /// Their bytes.
    pub blobs: Arc<dyn BlobStore>,
    /// What they are.
    pub backends: Backends,
    _locks: Option<Locks>,
}

/// What one server has for itself with SQLite.
#[derive(Debug)]
struct Locks {
    _folder: DirectoryLock,
    _file: FileLock,
}

impl Locks {
    fn acquire(config: &Config, database: &Path) -> anyhow::Result<Self> {
        let folder = DirectoryLock::acquire(&config.data_dir).context("HAULIER_DATA_DIR")?;
        // The file may lie elsewhere, where a server with another data folder finds it.
        Ok(Self { _folder: folder, _file: FileLock::acquire(database).context(DATABASE)? })
    }
}

/// What a command cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needed {
    /// The database alone.
    Database,
    /// The blob store as well.
    Both,
}

/// The kinds of two stores, as metrics name them.
#[derive(Clone, Copy, Debug)]
pub struct Backends {
    /// `sqlite` or `postgres`.
    pub metadata: &'static str,
    /// `disk` or `s3`.
    pub blobs: &'static str,
}

impl Stores {
    /// Opens them for a server: makes what is missing, locks, brings the schema up to date.
    ///
    /// # Errors
    /// What cannot be made, opened or locked.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        let locks = lock(config)?;
        let (blobs, store): (Arc<dyn BlobStore>, _) = match &config.blobs {
            BlobLocation::Folder(folder) => (Arc::new(DiskStore::open(folder).context(BLOBS)?), "disk"),
            BlobLocation::S3(location) => (s3(location, config).await?, "s3"),
        };
        let (metadata, kind): (Arc<dyn MetadataStore>, _) = match &config.database {
            Database::Sqlite(path) => (Arc::new(SqliteStore::open(path).await.context(DATABASE)?), "sqlite"),
            Database::Postgres(url) => {
                let opened = PostgresStore::open(url.expose(), config.database_connections, Arc::new(SystemEntropy));
                (Arc::new(opened.await.context(DATABASE)?), "postgres")
            }
        };
        Ok(Self { metadata, blobs, backends: Backends { metadata: kind, blobs: store }, _locks: locks })
    }

    /// Opens them for an operator's command, beside a server that may be running: makes, locks and migrates nothing.
    /// What the command needs and does not answer within a few seconds is an error.
    ///
    /// # Errors
    /// What cannot be reached or opened, belongs to another user, or has another schema than this program's.
    pub async fn open_beside(config: &Config, needed: Needed) -> anyhow::Result<Self> {
        let (metadata, kind): (Arc<dyn MetadataStore>, _) = match &config.database {
            Database::Sqlite(path) => {
                require_owner(path).context(DATABASE)?;
                (Arc::new(SqliteStore::open_beside(path).await.context(DATABASE)?), "sqlite")
            }
            Database::Postgres(url) => {
                let opened = PostgresStore::open_beside(url.expose(), BESIDE_CONNECTIONS, Arc::new(SystemEntropy));
                (Arc::new(opened.await.context(DATABASE)?), "postgres")
            }
        };
        let (blobs, store): (Arc<dyn BlobStore>, _) = match &config.blobs {
            BlobLocation::Folder(folder) => {
                require_owner(folder).context(BLOBS)?;
                (Arc::new(DiskStore::open_beside(folder, &SystemEntropy).context(BLOBS)?), "disk")
            }
            BlobLocation::S3(location) => (s3_beside(location, config, needed).await?, "s3"),
        };
        Ok(Self { metadata, blobs, backends: Backends { metadata: kind, blobs: store }, _locks: None })
    }

    /// Opens blobs that are there beside a database that may have to be made.
    ///
    /// # Errors
    /// As [`Stores::open_beside`] and [`migrate`].
    pub async fn open_to_rebuild(config: &Config) -> anyhow::Result<Self> {
        // First: where no blobs are, no database is to be made either.
        match &config.blobs {
            BlobLocation::Folder(folder) => drop(DiskStore::open_beside(folder, &SystemEntropy).context(BLOBS)?),
            BlobLocation::S3(location) => drop(s3_beside(location, config, Needed::Both).await?),
        }
        if let Database::Postgres(url) = &config.database {
            // A migration would wait for longer.
            postgres::reach(url.expose()).await.context(DATABASE)?;
        }
        migrate(config).await?;
        Self::open_beside(config, Needed::Both).await
    }

    /// Puts the use cases together.
    #[must_use]
    pub fn transfers(&self, limits: Limits) -> Transfers {
        let (metadata, blobs) = (Arc::clone(&self.metadata), Arc::clone(&self.blobs));
        Transfers::new(metadata, blobs, Arc::new(SystemClock), Arc::new(SystemEntropy), limits)
    }
}

/// A bucket has no lock: what belongs to one server is the database, or nothing does.
async fn s3(location: &S3Location, config: &Config) -> anyhow::Result<Arc<dyn BlobStore>> {
    let opened = S3Store::open(location, config.s3_buffer_bytes, Arc::new(SystemEntropy));
    Ok(Arc::new(opened.await.context(BLOBS)?))
}

async fn s3_beside(location: &S3Location, config: &Config, needed: Needed) -> anyhow::Result<Arc<dyn BlobStore>> {
    let is_needed = needed == Needed::Both;
    let opened = S3Store::open_beside(location, is_needed, config.s3_buffer_bytes, Arc::new(SystemEntropy));
    Ok(Arc::new(opened.await.context(BLOBS)?))
}

/// Opens a store of another system, to be read.
///
/// # Errors
/// When it cannot be reached within a few seconds, or refuses.
pub async fn foreign_store(location: &BlobLocation, config: &Config) -> anyhow::Result<Arc<dyn ForeignStore>> {
    const SOURCE: &str = "SOURCE";
    Ok(match location {
        BlobLocation::Folder(folder) => Arc::new(ForeignFolder::open(folder).context(SOURCE)?),
        BlobLocation::S3(location) => {
            let opened = S3Store::open_beside(location, true, config.s3_buffer_bytes, Arc::new(SystemEntropy));
            Arc::new(opened.await.context(SOURCE)?)
        }
    })
}

/// Brings the schema up to date. Beside a running server, which has done that, it only makes sure.
///
/// # Errors
/// When a server of another version is running, or the database cannot be opened or is newer.
pub async fn migrate(config: &Config) -> anyhow::Result<Migrated> {
    let path = match &config.database {
        Database::Sqlite(path) => path,
        // Under a lock of the database's own, beside whatever servers.
        Database::Postgres(url) => return postgres::migrate(url.expose()).await.context(DATABASE),
    };
    create_folder(&config.data_dir, "HAULIER_DATA_DIR")?;
    require_owner(&config.data_dir).context("HAULIER_DATA_DIR")?;
    match Locks::acquire(config, path) {
        Ok(_locks) => sqlite::migrate_file(path).await.context(DATABASE),
        Err(in_use) => sqlite::require_current(path).await.context(in_use).context(DATABASE),
    }
}

/// One server for one SQLite file. The blob folder has a lock of its own, and Postgres is there to be shared.
fn lock(config: &Config) -> anyhow::Result<Option<Locks>> {
    let Database::Sqlite(path) = &config.database else { return Ok(None) };
    create_folder(&config.data_dir, "HAULIER_DATA_DIR")?;
    Locks::acquire(config, path).map(Some)
}

/// Files that root makes in a folder of the server's user are closed to the server.
fn require_owner(path: &Path) -> anyhow::Result<()> {
    let owner = std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.uid();
    let user = rustix::process::geteuid().as_raw();
    let path = path.display();
    ensure!(owner == user, "{path} belongs to user {owner}, this is user {user}: run it as the server's user");
    Ok(())
}
