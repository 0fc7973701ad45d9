//! The report: one Markdown document, replaced whole by every run.

use std::fmt::Write as _;

use crate::end_to_end::EndToEnd;
use crate::group_commit::Commits;
use crate::machine::{BLOCKS, Machine};
use crate::rounds::{Pair, Side, spread};
use crate::{Plan, load};

/// Everything that one run measured.
#[derive(Debug)]
pub(crate) struct Report {
    plan: Plan,
    machine: Machine,
    pub(crate) put: Vec<Pair>,
    pub(crate) get: Vec<Pair>,
    pub(crate) s3_put: Vec<Pair>,
    pub(crate) s3_get: Vec<Pair>,
    pub(crate) commits: Vec<Commits>,
    pub(crate) cli: Option<EndToEnd>,
    /// The cipher once more, after everything else.
    pub(crate) cipher_after: Option<[f64; 4]>,
}

impl Report {
    pub(crate) fn new(plan: Plan, machine: Machine) -> Self {
        let (put, get, s3_put, s3_get) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { plan, machine, put, get, s3_put, s3_get, commits: Vec::new(), cli: None, cipher_after: None }
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        self.write_head(text)?;
        let pairs = [(PUT, &self.put), (GET, &self.get), (S3_PUT, &self.s3_put), (S3_GET, &self.s3_get)];
        for (heading, pairs) in pairs.into_iter().filter(|(_, pairs)| !pairs.is_empty()) {
            text.push_str(heading);
            write_pairs(text, pairs)?;
        }
        if !self.commits.is_empty() {
            text.push_str(COMMIT);
            write_commits(text, &self.commits)?;
        }
        if let Some(cli) = &self.cli {
            text.push_str(CLI);
            self.write_cli(text, cli)?;
        }
        Ok(())
    }

    fn write_head(&self, text: &mut String) -> std::fmt::Result {
        let Self { plan, machine, .. } = self;
        text.push_str(HEAD);
        writeln!(text, "| | |\n|---|---|")?;
        writeln!(text, "| date | {} |", machine.date)?;
        writeln!(text, "| commit | {} (`+`: with changes) |", machine.commit)?;
        writeln!(text, "| machine | {}, {} cores, {} GiB |", machine.processor, machine.cores, machine.memory_gib)?;
        writeln!(text, "| disk | {} |", machine.disk)?;
        writeln!(text, "| system | {}, Linux {} |", machine.system, machine.kernel)?;
        let Machine { rustc, nginx, openssl, garage, postgres, .. } = machine;
        let versions = format!("{rustc}, nginx {nginx}, {openssl}, PostgreSQL {postgres}, Garage {garage}");
        writeln!(text, "| versions | {versions} |")?;
        writeln!(text, "| load before | {} |", machine.load)?;
        let (rounds, mib, connections) = (plan.rounds, plan.bytes >> 20, load::CONNECTIONS);
        writeln!(text, "| each figure | {rounds} rounds of {mib} MiB after one that does not count |")?;
        writeln!(text, "| load generator | {connections} connections, HTTP/1.1, loopback |")?;
        text.push_str(METHOD);
        Ok(())
    }

    fn write_cli(&self, text: &mut String, cli: &EndToEnd) -> std::fmt::Result {
        writeln!(text, "| | MB/s | share of the cipher | client CPU s/GB | server CPU s/GB | client RSS MiB |")?;
        writeln!(text, "|---|---|---|---|---|---|")?;
        let cipher = *self.machine.cipher.last().unwrap_or(&f64::NAN);
        for (name, direction) in [("`haulier send`", &cli.send), ("`haulier get`", &cli.get)] {
            let share = spread(&direction.client.speeds).0 / cipher;
            let (client, server) = (middle(&direction.client.cpu), middle(&direction.server.cpu));
            let rss = direction.client.peak_rss_bytes >> 20;
            writeln!(text, "| {name} | {} | {share:.2} | {client} | {server} | {rss} |", speed(&direction.client))?;
        }
        writeln!(text, "| raw write and fdatasync | {} | | | | |", speed(&cli.disk))?;
        writeln!(text, "\n| `openssl speed -evp aes-256-gcm`, one core, MB/s | before | after |\n|---|---|---|")?;
        for (index, block) in BLOCKS.iter().enumerate() {
            let after = self.cipher_after.map(|speeds| format!("{:.0}", speeds[index])).unwrap_or_default();
            writeln!(text, "| {} KiB | {:.0} | {after} |", block >> 10, self.machine.cipher[index])?;
        }
        text.push_str(CLI_NOTES);
        Ok(())
    }
}

fn write_pairs(text: &mut String, pairs: &[Pair]) -> std::fmt::Result {
    writeln!(text, "| chunk | server | MB/s | ratio | CPU s/GB | peak RSS MiB |\n|---|---|---|---|---|---|")?;
    for pair in pairs {
        let mib = pair.chunk_bytes >> 20;
        let (median, least, most) = spread(&pair.ratios());
        let ratio = format!("**{median:.2}** ({least:.2} to {most:.2})");
        for (name, side, ratio) in
            [("haulier", &pair.haulier, ratio.as_str()), (pair.baseline_name, &pair.baseline, "")]
        {
            let rss = side.peak_rss_bytes >> 20;
            writeln!(text, "| {mib} MiB | {name} | {} | {ratio} | {} | {rss} |", speed(side), middle(&side.cpu))?;
        }
    }
    Ok(())
}

/// A chunk is reserved, then stored.
const RECORDS_EACH: f64 = 2.0;

fn write_commits(text: &mut String, commits: &[Commits]) -> std::fmt::Result {
    writeln!(text, "| database | records a second | chunks acknowledged a second | for each sync of the database |")?;
    writeln!(text, "|---|---|---|---|")?;
    for Commits { database, speeds, per_sync } in commits {
        let (median, least, most) = spread(per_sync);
        let per_sync = format!("**{median:.1}** ({least:.1} to {most:.1})");
        let (median, least, most) = spread(speeds);
        let records = RECORDS_EACH * median;
        writeln!(text, "| {database} | **{records:.0}** | {median:.0} ({least:.0} to {most:.0}) | {per_sync} |")?;
    }
    Ok(())
}

fn speed(side: &Side) -> String {
    let (median, least, most) = spread(&side.speeds);
    format!("{median:.0} ({least:.0} to {most:.0})")
}

fn middle(values: &[f64]) -> String {
    format!("{:.2}", spread(values).0)
}

const HEAD: &str = "\
# Benchmarks

Written by `make bench`, which replaces this file whole: change `benches/report.rs`, not this file.
Absolute figures drift by tens of per cent with the machine and the hour. Compare figures of one table, and trust the ratios.

";

const METHOD: &str = "
MB is 10^6 bytes of plaintext, GB is 10^9. Every figure is the median of its rounds, with the least and the most in brackets. The two sides of a pair take turns, round by round,
under the same load generator, which runs on the same cores; a ratio is Haulier's speed over the baseline's in the same round.
Between rounds the stored files are emptied and the disk is synced. CPU is user and system time of the server's processes; peak RSS is VmHWM, added up over them.
Haulier runs as a release build with default settings and its log in a file.
";

const PUT: &str = "
## Chunks in

Each connection PUTs whole chunks, one after the other. The bare handler (`benches/bare.rs`) is actix-web alone: it streams the body into a file, syncs the file, and answers.
Haulier does the same and beyond it checks the token, hashes the body (BLAKE3), reserves the index in the database, renames the file, syncs its folder, and records the chunk.
To hold: 0.8.

";

const GET: &str = "
## Chunks out

nginx serves the very files that Haulier stored, without a log. They are in the page cache on both sides: this measures the way out, not the disk.
To hold: 0.8 of nginx with sendfile, where the kernel lends the pages of its cache to the socket and nothing is copied in the server. Haulier sends in the same way.
What it does beyond that costs the same for every chunk, whatever its size: it checks the token, asks the database, writes a line to its log, and leaves the sending to a thread
that may wait for a disk. Under TLS bytes have to be encrypted on the way: Haulier then copies them. The second pairs show nginx when it has to copy.

";

const S3_PUT: &str = "
## Chunks in, to an S3 store

The same PUTs to Haulier over Postgres and Garage, beside the same PUTs to Garage itself, presigned, from the same load generator. Garage and Postgres have their default settings (Garage: LMDB, blocks of 1 MiB,
no syncs, but without compression; it is built as `make test` builds it, which is not for speed). Every body is another one, since Garage keeps equal blocks once. Load generator, Haulier, Postgres and Garage
share the cores. CPU and memory are Haulier's process alone, or Garage's when it is asked directly. To hold: 1.2 CPU s/GB, and a ratio of 0.6.

";

const S3_GET: &str = "
## Chunks out of an S3 store

Haulier gets chunks from Garage and passes them on; beside that, Garage hands out the same objects, presigned. To hold: 0.7 CPU s/GB, and a ratio of 0.6.

";

const COMMIT: &str = "
## Group commit

Every sync of the database's files takes 5 ms longer (`benches/slow_sync.c`, preloaded: into Haulier for those of SQLite, into Postgres for those of its write-ahead log), and is counted. 64 connections PUT chunks of 64 KiB to Haulier,
whose chunks are in memory (tmpfs), so that the database is what is measured. Each chunk is two records, the second of which can only be made when the first is committed: the index is reserved, then the chunk is stored.
To hold: 2,000 records a second, and 16 chunks acknowledged for each sync of the database.

";

const CLI: &str = "
## End to end

`haulier send` of one file to a server on this machine, then `haulier get` of its link into a new file, with default settings: the time of the whole program from start to exit, with keys,
local state, sealing or opening, and every sync. Client and server share the cores. The input is in the page cache.
The cipher's speed is that of OpenSSL on one core with 1 MiB blocks. To hold: 500 MB/s where OpenSSL does 5,000 MB/s, which is a share of 0.10.

";

const CLI_NOTES: &str = "
What this does not say: anything about networks, TLS (loopback is plain HTTP), cold files, other disks, or many clients at once.
";
