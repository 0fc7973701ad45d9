//! x
mod sink;
