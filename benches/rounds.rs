//! Two sides in turns: A B A B ..., the first round thrown away.

use std::time::Duration;

use crate::{Plan, note};

/// What one round of one side cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) took: Duration,
    pub(crate) cpu_seconds: f64,
}

/// Every round of one side, and its memory over all of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Side {
    /// MB (10^6 bytes) per second, one a round.
    pub(crate) speeds: Vec<f64>,
    /// CPU seconds per GB (10^9 bytes), one a round.
    pub(crate) cpu: Vec<f64>,
    pub(crate) peak_rss_bytes: u64,
}

impl Side {
    pub(crate) fn push(&mut self, sample: Sample, bytes: u64) {
        #[expect(clippy::cast_precision_loss, reason = "sizes far below 2^53")]
        let bytes = bytes as f64;
        self.speeds.push(bytes / 1e6 / sample.took.as_secs_f64());
        self.cpu.push(sample.cpu_seconds / (bytes / 1e9));
    }
}

/// Haulier and its baseline.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) chunk_bytes: u64,
    pub(crate) baseline_name: &'static str,
    pub(crate) haulier: Side,
    pub(crate) baseline: Side,
}

impl Pair {
    /// Haulier's speed over the baseline's of the same round, one a round.
    pub(crate) fn ratios(&self) -> Vec<f64> {
        self.haulier.speeds.iter().zip(&self.baseline.speeds).map(|(haulier, baseline)| haulier / baseline).collect()
    }
}

/// Runs both sides in turns; `run` gets the number of the round.
pub(crate) fn in_turns(
    what: &str,
    plan: Plan,
    mut haulier: impl FnMut(u32) -> anyhow::Result<Sample>,
    mut baseline: impl FnMut(u32) -> anyhow::Result<Sample>,
) -> anyhow::Result<(Side, Side)> {
    let (mut ours, mut theirs) = (Side::default(), Side::default());
    for round in 0..=plan.rounds {
        let (a, b) = (haulier(round)?, baseline(round)?);
        note(format_args!("{what}, round {round}: {:.2?} beside {:.2?}", a.took, b.took));
        if round > 0 {
            ours.push(a, plan.bytes);
            theirs.push(b, plan.bytes);
        }
    }
    Ok((ours, theirs))
}

/// The middle value, the smallest and the largest.
pub(crate) fn spread(values: &[f64]) -> (f64, f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    let (len, last) = (sorted.len(), sorted.len().saturating_sub(1));
    let median = if len % 2 == 1 { at(len / 2) } else { f64::midpoint(at(last / 2), at(len / 2)) };
    (median, at(0), at(last))
}
