//! Small chunks, 64 at a time, where every sync of the database takes 5 ms longer: how many are acknowledged, and for how
//! many syncs. The chunks themselves are in memory, where a sync is nothing: the database is what is measured.

use std::ffi::OsString;
use std::fs;

use anyhow::{Context as _, ensure};
use haulier_wire::TransferId;
use tempfile::TempDir;

use crate::chunks::layout;
use crate::folder::{WorkFolder, random_bytes};
use crate::haulier::Haulier;
use crate::postgres::Postgres;
use crate::slow_sync::SlowSync;
use crate::{Plan, load, note};

/// Requests under way at a time.
pub(crate) const IN_FLIGHT: usize = 64;
pub(crate) const CHUNK_BYTES: u64 = 64 << 10;

/// Where files are in memory on every Linux.
const MEMORY: &str = "/dev/shm";

/// One database's rounds.
#[derive(Clone, Debug)]
pub(crate) struct Commits {
    pub(crate) database: &'static str,
    /// Chunks acknowledged in a second, one a round.
    pub(crate) speeds: Vec<f64>,
    /// Chunks acknowledged for each sync of the database, one a round.
    pub(crate) per_sync: Vec<f64>,
}

/// SQLite, which syncs within the server's process.
pub(crate) fn sqlite(folder: &WorkFolder, plan: Plan) -> anyhow::Result<Commits> {
    let slow = SlowSync::compile()?;
    let blobs = Blobs::make()?;
    let mut env = slow.settings(".sqlite");
    env.push(("LD_PRELOAD", slow.library().into()));
    env.push(blobs.setting());
    let haulier = Haulier::start_with(folder, "commit-sqlite", &env)?;
    measure(plan, "SQLite", &haulier, &blobs, &slow)
}

/// Postgres, whose own processes sync.
pub(crate) fn postgres(folder: &WorkFolder, plan: Plan) -> anyhow::Result<Commits> {
    let slow = SlowSync::compile()?;
    let mut env = slow.settings("/pg_wal/");
    env.push(("HAULIER_TEST_POSTGRES_PRELOAD", slow.library().into()));
    let postgres = Postgres::start(&env)?;
    let blobs = Blobs::make()?;
    let env = [("HAULIER_DATABASE_URL", postgres.url.clone().into()), blobs.setting()];
    let haulier = Haulier::start_with(folder, "commit-postgres", &env)?;
    measure(plan, "Postgres", &haulier, &blobs, &slow)
}

/// A folder in memory for the chunks of one server.
struct Blobs(TempDir);

impl Blobs {
    fn make() -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix_in("haulier-bench-", MEMORY);
        Ok(Self(folder.with_context(|| format!("chunks are kept in {MEMORY}"))?))
    }

    fn setting(&self) -> (&'static str, OsString) {
        ("HAULIER_BLOB_URL", format!("file://{}", self.0.path().display()).into())
    }

    /// Makes room for the next round.
    fn forget(&self, id: TransferId) -> anyhow::Result<()> {
        Ok(fs::remove_dir_all(self.0.path().join(format!("transfers/{id}/chunks")))?)
    }
}

fn measure(
    plan: Plan,
    database: &'static str,
    haulier: &Haulier,
    blobs: &Blobs,
    slow: &SlowSync,
) -> anyhow::Result<Commits> {
    let layout = layout(plan, CHUNK_BYTES)?;
    let (chunks, body) = (layout.total_chunks(), random_bytes(usize::try_from(CHUNK_BYTES + 28)?));
    let mut commits = Commits { database, speeds: Vec::new(), per_sync: Vec::new() };
    for round in 0..=plan.rounds {
        let transfer = haulier.create(round, layout)?;
        let before = slow.counted()?;
        let request = |index| transfer.put_request(index);
        let took = load::put_distinct(haulier.address, IN_FLIGHT, chunks, &body, round, request)?;
        let syncs = slow.counted()? - before;
        ensure!(syncs > 0, "no sync was counted: the library is not loaded");
        blobs.forget(transfer.id)?;
        let (speed, per_sync) = (f64::from(chunks) / took.as_secs_f64(), ratio(chunks, syncs));
        note(format_args!("group commit on {database}, round {round}: {speed:.0}/s, {per_sync:.1} for each sync"));
        if round > 0 {
            commits.speeds.push(speed);
            commits.per_sync.push(per_sync);
        }
    }
    Ok(commits)
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn ratio(chunks: u32, syncs: u64) -> f64 {
    f64::from(chunks) / syncs as f64
}
