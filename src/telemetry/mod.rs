//! What an operator sees of this process: its log and its metrics.

pub mod log;
pub mod metrics;
