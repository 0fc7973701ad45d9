//! Raw chunks through Haulier over Postgres and an S3 store, beside the same load on the store itself.

use crate::Plan;
use crate::chunks::{layout, sampled};
use crate::folder::{WorkFolder, random_bytes};
use crate::garage::Garage;
use crate::haulier::{Haulier, Transfer};
use crate::load::{self, CONNECTIONS};
use crate::postgres::Postgres;
use crate::rounds::{Pair, Side, in_turns};

const DIRECT: &str = "the store alone";

/// Chunks through Haulier into the store, and the same objects into it directly.
pub(crate) fn put(folder: &WorkFolder, plan: Plan, chunk_bytes: u64) -> anyhow::Result<Pair> {
    let name = format!("s3-put-{chunk_bytes}");
    let stores = Stores::start(folder, &name)?;
    let (garage, haulier) = (&stores.garage, stores.haulier(folder, &name)?);
    let layout = layout(plan, chunk_bytes)?;
    let (chunks, body) = (layout.total_chunks(), random_bytes(usize::try_from(chunk_bytes + 28)?));

    let into_haulier = |round| {
        let transfer = haulier.create(round, layout)?;
        let request = |index| transfer.put_request(index);
        let put = || load::put_distinct(haulier.address, CONNECTIONS, chunks, &body, 2 * round, request);
        let sample = sampled(&haulier.process, put)?;
        garage.empty(folder)?;
        Ok(sample)
    };
    let directly = |round| {
        let requests = garage.put_requests((0..chunks).map(|index| format!("direct/{round}/{index}")))?;
        let request = |index: u32| requests[index as usize].clone();
        let put = || load::put_distinct(garage.address, CONNECTIONS, chunks, &body, 2 * round + 1, request);
        let sample = sampled(&garage.process, put)?;
        garage.empty(folder)?;
        Ok(sample)
    };
    let what = format!("PUT of {} MiB to S3", chunk_bytes >> 20);
    let (ours, theirs) = in_turns(&what, plan, into_haulier, directly)?;
    pair(chunk_bytes, (&haulier, ours), (garage, theirs))
}

/// Chunks out of the store through Haulier, and the very objects that it stored directly.
pub(crate) fn get(folder: &WorkFolder, plan: Plan, chunk_bytes: u64) -> anyhow::Result<Pair> {
    let name = format!("s3-get-{chunk_bytes}");
    let stores = Stores::start(folder, &name)?;
    let garage = &stores.garage;
    let transfer = stored(folder, &stores, plan, chunk_bytes, &name)?;
    let (chunks, len) = (transfer.layout.total_chunks(), transfer.sealed_chunk_bytes()?);
    // A server that has done nothing yet: its memory is that of the GETs.
    let haulier = stores.haulier(folder, &name)?;
    let keys = (0..chunks).map(|index| format!("{PREFIX}/transfers/{}/chunks/{index}", transfer.id));
    let requests = garage.get_requests(keys)?;

    let from_haulier = |_| {
        let get = || load::get(haulier.address, chunks, len, |index| transfer.get_request(index));
        sampled(&haulier.process, get)
    };
    let directly = |_| {
        let get = || load::get(garage.address, chunks, len, |index| requests[index as usize].clone());
        sampled(&garage.process, get)
    };
    let what = format!("GET of {} MiB from S3", chunk_bytes >> 20);
    let (ours, theirs) = in_turns(&what, plan, from_haulier, directly)?;
    pair(chunk_bytes, (&haulier, ours), (garage, theirs))
}

const PREFIX: &str = "bench";

/// What the servers of one measurement share.
struct Stores {
    garage: Garage,
    postgres: Postgres,
}

impl Stores {
    fn start(folder: &WorkFolder, name: &str) -> anyhow::Result<Self> {
        Ok(Self { garage: Garage::start(folder, &format!("{name}-garage"))?, postgres: Postgres::start(&[])? })
    }

    fn haulier(&self, folder: &WorkFolder, name: &str) -> anyhow::Result<Haulier> {
        let mut env = self.garage.settings(PREFIX);
        env.push(("HAULIER_DATABASE_URL", self.postgres.url.clone().into()));
        Haulier::start_with(folder, name, &env)
    }
}

fn stored(folder: &WorkFolder, stores: &Stores, plan: Plan, chunk_bytes: u64, name: &str) -> anyhow::Result<Transfer> {
    let layout = layout(plan, chunk_bytes)?;
    let writer = stores.haulier(folder, name)?;
    let transfer = writer.create(0, layout)?;
    let body = random_bytes(usize::try_from(transfer.sealed_chunk_bytes()?)?);
    let request = |index| transfer.put_request(index);
    load::put_distinct(writer.address, CONNECTIONS, layout.total_chunks(), &body, 0, request)?;
    writer.complete(&transfer)?;
    folder.settle()?;
    Ok(transfer)
}

fn pair(
    chunk_bytes: u64,
    (haulier, mut ours): (&Haulier, Side),
    (garage, mut theirs): (&Garage, Side),
) -> anyhow::Result<Pair> {
    ours.peak_rss_bytes = haulier.process.peak_rss_bytes()?;
    theirs.peak_rss_bytes = garage.process.peak_rss_bytes()?;
    Ok(Pair { chunk_bytes, baseline_name: DIRECT, haulier: ours, baseline: theirs })
}
