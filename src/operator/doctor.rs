//! `doctor`: one line for each damage, and what came of it.

use std::process::ExitCode;

use super::{FOUND, say, say_json, text};
use crate::config::command::Doctor;
use crate::transfer::Transfers;
use crate::transfer::doctor::{Examination, Finding, Outcome};

pub(super) async fn run(transfers: &Transfers, flags: Doctor) -> anyhow::Result<ExitCode> {
    let how = Examination { verify: flags.verify, repair: flags.repair, older_than: flags.older_than };
    let report = |finding: &Finding| match flags.json {
        true => say(&serde_json::to_string(finding).unwrap_or_default()),
        false => say(&line(finding)),
    };
    let examined = transfers.examine(how, &report).await?;
    if flags.json {
        say_json(&examined)?;
    } else {
        let verified = match flags.verify {
            true => format!(", {} read and compared", text::bytes(examined.verified_bytes)),
            false => String::new(),
        };
        say(&format!(
            "looked at {} transfers, {} chunks and {} folders{verified}: {} damaged, {} repaired",
            examined.transfers, examined.chunks, examined.folders, examined.damaged, examined.repaired
        ));
    }
    Ok(if examined.damaged == examined.repaired { ExitCode::SUCCESS } else { ExitCode::from(FOUND) })
}

fn line(finding: &Finding) -> String {
    let mut line = finding.damage.word().to_owned();
    if let Some(id) = finding.transfer_id {
        line += &format!(" {id}");
    }
    if let Some(index) = finding.index {
        line += &format!(" chunk {index}");
    }
    line += &format!(": expected {}, found {}; ", finding.expected, finding.found);
    line += &match &finding.outcome {
        Outcome::Left => finding.damage.advice().to_owned(),
        Outcome::Repairable => "--repair repairs it".to_owned(),
        Outcome::Repaired => "repaired".to_owned(),
        Outcome::Failed(reason) => format!("the repair failed: {reason}"),
    };
    text::plain(&line)
}
