//! The server as its users meet it: the real program, on a real port, with real files.

mod harness;
mod transfer;
