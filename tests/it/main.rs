//! The server as its users meet it: the real program, on a real port, with real files.

mod crash;
mod disk_full;
mod harness;
mod memory;
mod races;
mod secrets;
mod send_and_get;
mod tidy;
mod transfer;
