//! `make bench`: Haulier beside baselines of the same run, on this machine, written to docs/BENCHMARKS.md.
//!
//! A pair is two servers that get the same work from the same load generator, in turns: the machine's figures drift by
//! tens of per cent from minute to minute, so only what was measured in turns may be compared.

mod bare;
mod chunks;
mod end_to_end;
mod folder;
mod garage;
mod group_commit;
mod haulier;
mod http;
mod load;
mod machine;
mod nginx;
mod objects;
mod postgres;
mod process;
mod report;
mod rounds;
mod slow_sync;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};

use folder::WorkFolder;
use machine::Machine;
use nginx::Sending;
use report::Report;

const MIB: u64 = 1 << 20;
const CHUNK_SIZES: [u64; 2] = [MIB, 8 * MIB];

#[derive(Debug, Parser)]
#[command(name = "make bench", about = "Measures Haulier beside baselines of the same run")]
struct Cli {
    /// Measure this alone and print it; nothing is written to docs/BENCHMARKS.md
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// Rounds that count; one more before them does not
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// MiB of plaintext that travel in each round
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u64).range(8..))]
    mib: u64,
    /// A folder on the disk to measure; never tmpfs
    #[arg(long, default_value = env!("CARGO_TARGET_TMPDIR"))]
    dir: PathBuf,
    /// Where the report of a whole run goes
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/BENCHMARKS.md"))]
    write: PathBuf,
    /// What cargo passes to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
    /// Serves the baseline of the PUTs, writing into this folder
    #[arg(long, hide = true)]
    bare_server: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Raw chunk PUTs, beside a bare actix handler
    Put,
    /// Raw chunk GETs, beside nginx
    Get,
    /// `haulier send` and `haulier get`, end to end
    Cli,
    /// Raw chunk PUTs over Postgres and Garage, beside Garage alone
    S3Put,
    /// Raw chunk GETs over Postgres and Garage, beside Garage alone
    S3Get,
    /// Small chunks on slow syncs, on SQLite and on Postgres
    Commit,
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Plan {
    rounds: u32,
    bytes: u64,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    if let Some(folder) = &cli.bare_server {
        return bare::serve(folder.clone());
    }
    let plan = Plan { rounds: cli.rounds, bytes: cli.mib * MIB };
    let folder = WorkFolder::create(&cli.dir)?;
    let wanted = |part| cli.only.is_none_or(|only| only == part);
    let mut report = Report::new(plan, Machine::look(&folder)?);
    measure(&folder, plan, wanted, &mut report)?;
    let text = report.markdown();
    print!("{text}");
    if cli.only.is_none() {
        std::fs::write(&cli.write, text).with_context(|| format!("cannot write {}", cli.write.display()))?;
        eprintln!("bench: written to {}", cli.write.display());
    }
    Ok(())
}

fn measure(folder: &WorkFolder, plan: Plan, wanted: impl Fn(Part) -> bool, report: &mut Report) -> anyhow::Result<()> {
    if wanted(Part::Put) {
        for size in CHUNK_SIZES {
            report.put.push(chunks::put(folder, plan, size)?);
        }
    }
    if wanted(Part::Get) {
        for size in CHUNK_SIZES {
            for sending in [Sending::Sendfile, Sending::Copies] {
                report.get.push(chunks::get(folder, plan, size, sending)?);
            }
        }
    }
    if wanted(Part::S3Put) {
        for size in CHUNK_SIZES {
            report.s3_put.push(objects::put(folder, plan, size)?);
        }
    }
    if wanted(Part::S3Get) {
        for size in CHUNK_SIZES {
            report.s3_get.push(objects::get(folder, plan, size)?);
        }
    }
    if wanted(Part::Commit) {
        report.commits = vec![group_commit::sqlite(folder, plan)?, group_commit::postgres(folder, plan)?];
    }
    if wanted(Part::Cli) {
        report.cli = Some(end_to_end::measure(folder, plan)?);
        report.cipher_after = Some(machine::cipher_speeds()?);
    }
    Ok(())
}

/// Says what is going on; the report alone goes to standard output.
fn note(text: impl std::fmt::Display) {
    eprintln!("bench: {text}");
}
