//! Haulier's server: stores sealed chunks that it has no code to open.
//!
//! ARCHITECTURE.md shows how the modules stand to each other; `tests/it/tidy.rs` holds them to it.

pub mod app;
pub mod batch;
pub mod blob;
pub mod clock;
pub mod config;
pub mod entropy;
pub mod http;
pub mod job;
pub mod lock;
pub mod metadata;
pub mod operator;
pub mod shutdown;
pub mod store;
pub mod telemetry;
pub mod transfer;
