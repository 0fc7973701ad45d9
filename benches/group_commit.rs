//! Small chunks, 64 at a time, where every sync of the database takes 5 ms longer: how many are acknowledged, and for how
//! many syncs. The chunks' own files and folders sync as fast as the disk can: the database is what is measured.

use anyhow::ensure;

use crate::chunks::layout;
use crate::folder::{WorkFolder, random_bytes};
use crate::haulier::Haulier;
use crate::postgres::Postgres;
use crate::slow_sync::SlowSync;
use crate::{Plan, load, note};

/// Requests under way at a time.
pub(crate) const IN_FLIGHT: usize = 64;
pub(crate) const CHUNK_BYTES: u64 = 64 << 10;

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
    let mut env = slow.settings(".sqlite");
    env.push(("LD_PRELOAD", slow.library().into()));
    let haulier = Haulier::start_with(folder, "commit-sqlite", &env)?;
    measure(folder, plan, "SQLite", &haulier, &slow)
}

/// Postgres, whose own processes sync.
pub(crate) fn postgres(folder: &WorkFolder, plan: Plan) -> anyhow::Result<Commits> {
    let slow = SlowSync::compile()?;
    let mut env = slow.settings("/pg_wal/");
    env.push(("HAULIER_TEST_POSTGRES_PRELOAD", slow.library().into()));
    let postgres = Postgres::start(&env)?;
    let url = [("HAULIER_DATABASE_URL", postgres.url.clone().into())];
    let haulier = Haulier::start_with(folder, "commit-postgres", &url)?;
    measure(folder, plan, "Postgres", &haulier, &slow)
}

fn measure(
    folder: &WorkFolder,
    plan: Plan,
    database: &'static str,
    haulier: &Haulier,
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
        folder.empty(&haulier.chunk_folder(transfer.id))?;
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
