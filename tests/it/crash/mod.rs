//! A crash at any line loses nothing that was acknowledged.

mod kill;
mod order;
mod strace;
