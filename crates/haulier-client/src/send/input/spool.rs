//! A stream of unknown length, kept on disk until its end: the number of chunks is part of every chunk's seal.
//!
//! The file has no name from its first byte on, so nobody else opens it and nothing is left behind, whatever happens.

use std::fmt;
use std::fs::File;
use std::io::{Read, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, LimitError};
use crate::progress::{Event, Progress, Work};

const PIECE_BYTES: usize = 1 << 20;

/// Something to read once, to its end.
#[derive(Clone)]
pub struct Stream {
    reader: Arc<Mutex<Option<Box<dyn Read + Send>>>>,
}

impl Stream {
    /// Wraps a reader.
    pub fn new(reader: impl Read + Send + 'static) -> Self {
        Self { reader: Arc::new(Mutex::new(Some(Box::new(reader)))) }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream(..)")
    }
}

/// Reads `stream` to its end into a file below `folder`; at most `max_bytes`. Blocks.
///
/// # Errors
/// [`Error::Input`] when it cannot be read, [`Error::State`] when it cannot be kept, [`LimitError::FileTooLarge`] as soon
/// as that is known.
pub(in crate::send) fn spool(
    stream: &Stream,
    folder: &Path,
    max_bytes: u64,
    progress: &dyn Progress,
) -> Result<(File, u64), Error> {
    let reader = stream.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
    let mut reader = reader.ok_or(Error::Internal("a stream can be sent once"))?;
    let mut file = tempfile::tempfile_in(folder).map_err(|error| Error::state(folder, error))?;
    let mut buffer = vec![0; PIECE_BYTES];
    let mut size = 0_u64;
    loop {
        let read = match reader.read(&mut buffer) {
            Ok(0) => return Ok((file, size)),
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Error::unreadable("standard input", error)),
        };
        size += read as u64;
        if size > max_bytes {
            return Err(LimitError::FileTooLarge { file_bytes: size, max_bytes }.into());
        }
        file.write_all(&buffer[..read]).map_err(|error| Error::state(folder, error))?;
        progress.on(Event::Prepared { work: Work::Spooling, bytes: read as u64 });
    }
}
