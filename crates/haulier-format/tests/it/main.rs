//! Haulier's format from outside, through its public functions alone.

mod properties;
mod round_trip;
mod strip;
mod support;
mod tables;
mod tamper;
