//! An object on its way out: streamed as it comes, and taken up again where a connection broke, if it is still the same.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use anyhow::anyhow;
use aws_sdk_s3::primitives::ByteStream as ObjectStream;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream;

use super::Bucket;
use super::failure::Failure;
use super::retry::SILENCE;
use crate::blob::ByteStream;
use crate::store::StoreError;

/// How often one read goes on after its connection broke without a byte in between.
const MOST_BREAKS: u32 = 3;

/// Opens an object and streams `range` of it; `None` when it is not there or too short.
pub(super) async fn open(
    bucket: Arc<Bucket>,
    name: String,
    range: Range<u64>,
) -> Result<Option<ByteStream>, StoreError> {
    if range.is_empty() {
        // A range of no bytes cannot be asked for.
        let is_there = bucket.len(&name).await?.is_some_and(|len| len >= range.end);
        return Ok(is_there.then(|| stream::empty().boxed()));
    }
    match get(&bucket, &name, &range, None).await {
        Ok(Answer { arriving, e_tag }) => {
            Ok(Some(Reader { bucket, name, rest: range, e_tag, arriving: Some(arriving), breaks: 0 }.stream()))
        }
        Err(Failure::Absent) => Ok(None),
        Err(failure) => Err(failure.into()),
    }
}

struct Answer {
    arriving: ObjectStream,
    e_tag: Option<String>,
}

/// Asks for a range of an object; with `same`, an ETag, of that one alone.
async fn get(bucket: &Bucket, name: &str, range: &Range<u64>, same: Option<&str>) -> Result<Answer, Failure> {
    let request = || async {
        let bytes = format!("bytes={}-{}", range.start, range.end - 1);
        let request = bucket.client.get_object().bucket(&bucket.name).key(name).range(bytes);
        let answer = request.set_if_match(same.map(str::to_owned)).send().await?;
        // Not every store looks at the condition.
        if same.is_some() && same != answer.e_tag() {
            return Err(Failure::Refused(anyhow!("the object was changed while it was read")));
        }
        let len = answer.content_length().and_then(|len| u64::try_from(len).ok());
        // The object is shorter than the range asks for.
        if len != Some(range.end - range.start) {
            return Err(Failure::Absent);
        }
        Ok(Answer { e_tag: answer.e_tag().map(str::to_owned), arriving: answer.body })
    };
    bucket.retry.ask(request).await
}

struct Reader {
    bucket: Arc<Bucket>,
    name: String,
    rest: Range<u64>,
    /// Of the first answer: the others must be of the same object.
    e_tag: Option<String>,
    arriving: Option<ObjectStream>,
    breaks: u32,
}

impl Reader {
    fn stream(self) -> ByteStream {
        stream::unfold(Some(self), |reader| async {
            let mut reader = reader.filter(|reader| !reader.rest.is_empty())?;
            let piece = reader.next().await;
            // After an error nothing follows: whoever reads must see a broken stream, never a clean end.
            let reader = piece.is_ok().then_some(reader);
            Some((piece, reader))
        })
        .boxed()
    }

    async fn next(&mut self) -> io::Result<Bytes> {
        loop {
            let mut arriving = match self.arriving.take() {
                Some(arriving) => arriving,
                None => {
                    let again = get(&self.bucket, &self.name, &self.rest, self.e_tag.as_deref()).await;
                    again.map_err(|failure| io::Error::other(StoreError::from(failure)))?.arriving
                }
            };
            match self.piece(&mut arriving).await {
                Ok(piece) => {
                    (self.arriving, self.breaks) = (Some(arriving), 0);
                    return Ok(piece);
                }
                Err(error) if self.breaks == MOST_BREAKS => return Err(error),
                Err(_) => self.breaks += 1,
            }
        }
    }

    async fn piece(&mut self, arriving: &mut ObjectStream) -> io::Result<Bytes> {
        let piece = tokio::time::timeout(SILENCE, arriving.next()).await;
        let piece = piece.map_err(|_| io::ErrorKind::TimedOut)?;
        let piece = piece.ok_or(io::ErrorKind::UnexpectedEof)?.map_err(io::Error::other)?;
        let start = self.rest.start + piece.len() as u64;
        if start > self.rest.end {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.rest.start = start;
        Ok(piece)
    }
}
