//! A blob on its way into a file, over as many tries as it takes: what has arrived stays, also for a later run.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::BytesMut;
use haulier_format::foreign::send_blob::{BLOB_OVERHEAD, MAX_BLOB_PLAINTEXT, plaintext_len};
use reqwest::header::{CONTENT_RANGE, ETAG, HeaderValue};
use reqwest::{Response, Url};

use super::super::floor::Floor;
use super::super::{CallError, Watch, again};

/// An address that brings nothing is asked for so often.
const MOST_ASKED: u32 = 3;
/// Gathered before they are written.
const WRITE_BYTES: usize = 1 << 20;

/// The bytes of a blob that are there so far.
pub(crate) struct BlobArrival {
    file: Arc<File>,
    /// Bytes in the file that are the blob's beginning.
    len: u64,
    /// The blob's length, once a server has said it.
    total: Option<u64>,
    /// What the server calls the content, in this run.
    etag: Option<HeaderValue>,
    /// Where the server hands it out, when it does not do so itself.
    pub(super) elsewhere: Option<Url>,
    /// How often it was asked for that since more had come, and what had come by then.
    asked_elsewhere: (u32, u64),
    gathered: BytesMut,
    /// The most bytes that were ever there: grows only by progress, however often it starts anew.
    most: u64,
    /// Why the file takes no more.
    failure: Option<io::Error>,
    on_total: Box<dyn Fn(Option<u64>) + Send + Sync>,
}

impl BlobArrival {
    /// The file holds the beginning of the blob, or nothing; `on_total` hears how long the blob is, if
    /// a server says so.
    pub(crate) fn new(file: Arc<File>, len: u64, on_total: impl Fn(Option<u64>) + Send + Sync + 'static) -> Self {
        let gathered = BytesMut::with_capacity(WRITE_BYTES);
        let on_total = Box::new(on_total);
        Self {
            file,
            len,
            total: None,
            etag: None,
            elsewhere: None,
            asked_elsewhere: (0, 0),
            gathered,
            most: len,
            failure: None,
            on_total,
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn most(&self) -> u64 {
        self.most
    }

    /// What went wrong with the file, if that is why a try failed.
    pub(crate) fn failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// Whether the server is to be asked where else it is: again as often as that brought something.
    pub(super) fn asks_elsewhere(&mut self) -> bool {
        let (times, most) = self.asked_elsewhere;
        let times = if self.most > most { 1 } else { times + 1 };
        self.asked_elsewhere = (times, self.most);
        times <= MOST_ASKED
    }

    /// Where the next try goes on: one byte back, so that a blob that is whole has something left to ask for.
    pub(super) fn resume_at(&self) -> u64 {
        self.len.saturating_sub(1)
    }

    pub(super) fn etag(&self) -> Option<HeaderValue> {
        self.etag.clone()
    }

    /// Everything has to travel again.
    pub(super) fn restart(&mut self, watch: &Watch) {
        self.len = 0;
        self.etag = None;
        self.gathered.clear();
        watch.restarted();
    }

    /// All of it comes.
    pub(super) fn begin(&mut self, response: &Response, watch: &Watch) -> Result<(), CallError> {
        if self.len > 0 {
            self.restart(watch);
        }
        self.etag = strong_etag(response);
        match response.content_length() {
            Some(total) => self.announced(total),
            None => {
                self.total = None;
                (self.on_total)(None);
                Ok(())
            }
        }
    }

    /// What is missing comes, from `from` on.
    pub(super) fn go_on(&mut self, from: u64, response: &Response, watch: &Watch) -> Result<(), CallError> {
        let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
        let Some(total) = range.and_then(|range| whole_of_the_rest(range, from)) else {
            self.restart(watch);
            return Err(again("another part came than was asked for"));
        };
        if self.total.is_some_and(|known| known != total) {
            self.restart(watch);
            self.total = None;
            return Err(again("the blob has another length than before"));
        }
        self.len = from;
        self.etag = strong_etag(response);
        self.announced(total)
    }

    fn announced(&mut self, total: u64) -> Result<(), CallError> {
        if plaintext_len(total).is_err() {
            return Err(CallError::Broken(format!("what it has is no blob: {total} bytes")));
        }
        if self.total.replace(total) != Some(total) {
            (self.on_total)(Some(total));
        }
        Ok(())
    }

    /// Takes what comes; what was written before a break stays.
    pub(super) async fn take(&mut self, response: &mut Response, watch: &Watch) -> Result<(), CallError> {
        let mut floor = Floor::new();
        let ended = loop {
            let piece = match floor.next(response).await {
                Ok(Some(piece)) => piece,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            };
            watch.moved(piece.len());
            self.gathered.extend_from_slice(&piece);
            if self.len + self.gathered.len() as u64 > MAX_BLOB_PLAINTEXT + BLOB_OVERHEAD {
                break Err(CallError::Broken("what it sends is longer than any blob".into()));
            }
            if self.gathered.len() >= WRITE_BYTES {
                self.write().await?;
            }
        };
        self.write().await?;
        ended?;
        match self.total {
            Some(total) if self.len < total => Err(again("the answer ended early")),
            Some(total) if self.len > total => Err(CallError::Broken("more came than was announced".into())),
            _ => Ok(()),
        }
    }

    async fn write(&mut self) -> Result<(), CallError> {
        let (file, bytes, at) = (Arc::clone(&self.file), std::mem::take(&mut self.gathered), self.len);
        let len = bytes.len() as u64;
        let written = tokio::task::spawn_blocking(move || (file.write_all_at(&bytes, at), bytes)).await;
        let (written, mut bytes) = written.map_err(|_| CallError::Unsendable("a worker thread ended early"))?;
        bytes.clear();
        self.gathered = bytes;
        if let Err(error) = written {
            self.failure = Some(error);
            return Err(CallError::Unsendable("the disk took no more"));
        }
        self.len += len;
        self.most = self.most.max(self.len);
        Ok(())
    }
}

/// The length of the whole, if this is all of it from `from` on.
pub(super) fn whole_of_the_rest(content_range: &str, from: u64) -> Option<u64> {
    let (range, total) = content_range.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, total): (u64, u64, u64) = (first.parse().ok()?, last.parse().ok()?, total.parse().ok()?);
    (first == from && total > from && last == total - 1).then_some(total)
}

/// The content's name, if it stands for exactly these bytes.
fn strong_etag(response: &Response) -> Option<HeaderValue> {
    response.headers().get(ETAG).filter(|etag| etag.as_bytes().starts_with(b"\"")).cloned()
}
