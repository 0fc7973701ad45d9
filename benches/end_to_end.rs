//! `haulier send` and `haulier get` as people run them, from a file on disk to a file on disk.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::Context as _;
use haulier_wire::TransferId;
use serde::Deserialize;

use crate::folder::WorkFolder;
use crate::haulier::Haulier;
use crate::process::{self, built};
use crate::rounds::{Sample, Side};
use crate::{Plan, note};

/// Both directions, and the disk beside them.
#[derive(Clone, Debug, Default)]
pub(crate) struct EndToEnd {
    pub(crate) send: Direction,
    pub(crate) get: Direction,
    /// A file of the same size, written and synced by one thread; its CPU is not looked at.
    pub(crate) disk: Side,
}

/// What the client and the server cost in one direction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Direction {
    pub(crate) client: Side,
    /// CPU seconds of the server per GB, one a round.
    pub(crate) server: Side,
}

#[derive(Deserialize)]
struct SentLine {
    transfer_id: TransferId,
    link: String,
}

/// Sends, gets and writes the same number of bytes, in turns.
pub(crate) fn measure(folder: &WorkFolder, plan: Plan) -> anyhow::Result<EndToEnd> {
    let server = Haulier::start(folder, "cli")?;
    let person = folder.make("person")?;
    let (input, output) = (folder.make_input(plan.bytes)?, folder.path("output"));
    let url = format!("http://{}", server.address);
    let mut all = EndToEnd::default();
    for round in 0..=plan.rounds {
        let counts = round > 0;
        let mut send = haulier(&person)?;
        send.args(["send", "--json", "--quiet", "--to", &url]).arg(&input);
        let sent = all.send.measure(&server, plan, counts, &mut send)?;
        let sent: SentLine = serde_json::from_str(sent.lines().last().context("send said nothing")?)?;
        folder.settle()?;

        let mut get = haulier(&person)?;
        get.args(["get", "--json", "--quiet", &sent.link, "-o"]).arg(&output);
        all.get.measure(&server, plan, counts, &mut get)?;
        fs::remove_file(&output)?;
        folder.empty(&server.chunk_folder(sent.transfer_id))?;

        let took = folder.time_raw_write(plan.bytes)?;
        if counts {
            all.disk.push(Sample { took, cpu_seconds: f64::NAN }, plan.bytes);
        }
        note(format_args!("send, get and raw write, round {round} done"));
    }
    Ok(all)
}

impl Direction {
    fn measure(&mut self, server: &Haulier, plan: Plan, counts: bool, command: &mut Command) -> anyhow::Result<String> {
        let before = server.process.cpu_seconds()?;
        let begun = Instant::now();
        let finished = process::run(command)?;
        let took = begun.elapsed();
        if counts {
            let cpu_seconds = server.process.cpu_seconds()? - before;
            self.client.push(Sample { took, cpu_seconds: finished.cpu_seconds }, plan.bytes);
            self.server.push(Sample { took, cpu_seconds }, plan.bytes);
            self.client.peak_rss_bytes = self.client.peak_rss_bytes.max(finished.peak_rss_bytes);
            self.server.peak_rss_bytes = server.process.peak_rss_bytes()?;
        }
        Ok(finished.stdout)
    }
}

/// The CLI with a home of its own.
fn haulier(home: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new(built("haulier")?);
    command.env_clear().env("HOME", home).env("XDG_STATE_HOME", home).env("XDG_CONFIG_HOME", home);
    Ok(command)
}
