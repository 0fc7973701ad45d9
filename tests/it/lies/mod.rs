//! A server that lies: whatever it says, nothing appears that the sender did not seal, and the message is right.
//!
//! The tables of this module's files are data: a case is a line. Each is told to the real CLI through the relay.

mod answers;
mod chunks;
mod forge;
mod manifest;
mod modes;
mod ranges;
mod sending;
mod story;

use story::{Liar, Story};
