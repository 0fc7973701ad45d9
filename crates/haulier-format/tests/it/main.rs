//! Haulier's format from outside, through its public functions alone.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod properties;
mod round_trip;
mod strip;
mod support;
mod tables;
mod tamper;
