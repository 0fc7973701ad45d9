//! Raw chunks over eight connections: PUTs beside a bare handler, GETs beside nginx.

use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use haulier_wire::{ByteLen, ChunkLayout};

use crate::folder::{WorkFolder, random_bytes};
use crate::haulier::{Haulier, Transfer};
use crate::http::Request;
use crate::nginx::{self, Sending};
use crate::process::Process;
use crate::rounds::{Pair, Sample, in_turns};
use crate::{Plan, load};

/// Chunks into Haulier, and the same bodies into a bare handler's synced files.
pub(crate) fn put(folder: &WorkFolder, plan: Plan, chunk_bytes: u64) -> anyhow::Result<Pair> {
    let haulier = Haulier::start(folder, &format!("put-{chunk_bytes}"))?;
    let bare_folder = folder.make(&format!("bare-{chunk_bytes}"))?;
    let mut command = Command::new(std::env::current_exe()?);
    let (bare, bare_address) = Process::start_server(command.arg("--bare-server").arg(&bare_folder))?;
    let layout = layout(plan, chunk_bytes)?;
    let body = random_bytes(usize::try_from(chunk_bytes + 28)?);

    let into_haulier = |round| {
        let transfer = haulier.create(round, layout)?;
        let put = || load::put(haulier.address, layout.total_chunks(), &body, |index| transfer.put_request(index));
        let sample = sampled(&haulier.process, put)?;
        folder.empty(&haulier.chunk_folder(transfer.id))?;
        Ok(sample)
    };
    let into_bare = |round| {
        let request = |index| Request { method: "PUT", path: format!("/{round}-{index}"), token: None };
        let sample = sampled(&bare, || load::put(bare_address, layout.total_chunks(), &body, request))?;
        folder.empty(&bare_folder)?;
        Ok(sample)
    };
    let what = format!("PUT of {} MiB", chunk_bytes >> 20);
    let (mut ours, mut theirs) = in_turns(&what, plan, into_haulier, into_bare)?;
    ours.peak_rss_bytes = haulier.process.peak_rss_bytes()?;
    theirs.peak_rss_bytes = bare.peak_rss_bytes()?;
    Ok(Pair { chunk_bytes, baseline_name: "bare actix", haulier: ours, baseline: theirs })
}

/// Chunks out of Haulier, and the same files out of nginx.
pub(crate) fn get(folder: &WorkFolder, plan: Plan, chunk_bytes: u64, sending: Sending) -> anyhow::Result<Pair> {
    let name = format!("get-{chunk_bytes}-{sending:?}");
    let (transfer, fresh) = stored(folder, plan, chunk_bytes, &name)?;
    let (bare, nginx_address) = nginx::start(folder, &fresh.chunk_folder(transfer.id), sending)?;
    let (chunks, len) = (transfer.layout.total_chunks(), transfer.sealed_chunk_bytes()?);

    let from_haulier = |_| {
        let get = || load::get(fresh.address, chunks, len, |index| transfer.get_request(index));
        sampled(&fresh.process, get)
    };
    let from_nginx = |_| {
        let request = |index| Request { method: "GET", path: format!("/{index}"), token: None };
        sampled(&bare, || load::get(nginx_address, chunks, len, request))
    };
    let what = format!("GET of {} MiB beside {}", chunk_bytes >> 20, sending.name());
    let (mut ours, mut theirs) = in_turns(&what, plan, from_haulier, from_nginx)?;
    ours.peak_rss_bytes = fresh.process.peak_rss_bytes()?;
    theirs.peak_rss_bytes = bare.peak_rss_bytes()?;
    Ok(Pair { chunk_bytes, baseline_name: sending.name(), haulier: ours, baseline: theirs })
}

/// A complete transfer, and a server that has done nothing yet but hold it: its memory is that of the GETs.
fn stored(folder: &WorkFolder, plan: Plan, chunk_bytes: u64, name: &str) -> anyhow::Result<(Transfer, Haulier)> {
    let layout = layout(plan, chunk_bytes)?;
    let writer = Haulier::start(folder, name)?;
    let transfer = writer.create(0, layout)?;
    let body = random_bytes(usize::try_from(transfer.sealed_chunk_bytes()?)?);
    load::put(writer.address, layout.total_chunks(), &body, |index| transfer.put_request(index))?;
    writer.complete(&transfer)?;
    drop(writer);
    folder.settle()?;
    Ok((transfer, Haulier::start(folder, name)?))
}

/// As many whole chunks as a round may hold.
pub(crate) fn layout(plan: Plan, chunk_bytes: u64) -> anyhow::Result<ChunkLayout> {
    // Whole chunks alone, so that all bodies are the same.
    let file_bytes = plan.bytes / chunk_bytes * chunk_bytes;
    ChunkLayout::new(ByteLen::new(file_bytes).context("too large")?, chunk_bytes).context("no such layout")
}

/// Times the work and reads what it cost its server.
pub(crate) fn sampled(server: &Process, work: impl FnOnce() -> anyhow::Result<Duration>) -> anyhow::Result<Sample> {
    let before = server.cpu_seconds()?;
    let took = work()?;
    Ok(Sample { took, cpu_seconds: server.cpu_seconds()? - before })
}
