//! A file on its way out: the next piece is read while the last one is being sent.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use tokio::task::JoinHandle;

use super::blocking;
use crate::blob::ByteStream;
use crate::store::StoreError;

/// Bytes read in one call.
const READ_BYTES: u64 = 256 << 10;

/// Opens a file and streams `range` of it; `None` when it is not there or too short.
pub(super) async fn open(path: PathBuf, range: Range<u64>) -> Result<Option<ByteStream>, StoreError> {
    let end = range.end;
    let opened = blocking(move || match File::open(path) {
        Ok(file) => Ok((file.metadata()?.len() >= end).then_some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    })
    .await?;
    Ok(opened.map(|file| stream(Arc::new(file), range)))
}

fn stream(file: Arc<File>, range: Range<u64>) -> ByteStream {
    let state = (Some(Ahead::start(&file, &range)), file, range);
    futures::stream::unfold(state, |(ahead, file, mut rest)| async move {
        let ahead = ahead??;
        let piece = ahead.reading.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        rest.start += ahead.len;
        // After an error nothing follows: the reader must see a broken stream, never a clean end.
        let next = piece.is_ok().then(|| Ahead::start(&file, &rest));
        Some((piece, (next, file, rest)))
    })
    .boxed()
}

/// One read under way.
struct Ahead {
    len: u64,
    reading: JoinHandle<io::Result<Bytes>>,
}

impl Ahead {
    fn start(file: &Arc<File>, rest: &Range<u64>) -> Option<Self> {
        let len = (rest.end - rest.start).min(READ_BYTES);
        if len == 0 {
            return None;
        }
        let (file, offset) = (Arc::clone(file), rest.start);
        let reading = tokio::task::spawn_blocking(move || {
            let mut piece = vec![0; usize::try_from(len).map_err(io::Error::other)?];
            file.read_exact_at(&mut piece, offset)?;
            Ok(Bytes::from(piece))
        });
        Some(Self { len, reading })
    }
}
