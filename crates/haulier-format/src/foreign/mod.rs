//! The formats of other projects, one file each. What they cannot promise is said there, and nothing above knows them.

pub mod send_blob;
