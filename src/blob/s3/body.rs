//! A body as it travels: as it is, with the CRC-32C in the head, where all of it is there; else `aws-chunked`, with the
//! CRC-32C behind the bytes.
//!
//! The checksum of a body that is still arriving is known only when the last byte has come. The SDK could write the
//! encoding as well, but over plain HTTP it would also sign every chunk, which costs more than all the rest.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use aws_runtime::auth::PayloadSigningOverride;
use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::{Stream, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::time::Instant;

use super::flow::{BLOCK_BYTES, Flow, Next};

const CHECKSUM_HEADER: &str = "x-amz-checksum-crc32c";
/// Both ends' buffers hold about so much that the store has not read yet.
const MOST_ON_ITS_WAY: u64 = 8 << 20;
/// A store that takes fewer bytes a second over a connection counts as silent. Together with the above it is found out
/// before clients give up, which wait 90 s for an answer.
const SLOWEST_STORE: u64 = 128 << 10;
/// `0`, the checksum's header, and what stands between them.
const TRAILER_BYTES: u64 = "\r\n0\r\nx-amz-checksum-crc32c:AAAAAA==\r\n\r\n".len() as u64;

/// How a body travels, and what the head of its request says of that. The signature covers no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As it is. Stores read it with less work: Garage takes half as much processor time as for the other.
    Plain { len: u64, crc32c: u32 },
    /// Encoded.
    Chunked { len: u64 },
}

impl Form {
    pub(super) fn of(flow: &Flow) -> Self {
        let len = flow.len();
        flow.whole().map_or(Self::Chunked { len }, |crc32c| Self::Plain { len, crc32c })
    }

    /// The length of the body as it travels.
    pub(super) fn travelling_len(self) -> u64 {
        match self {
            Self::Plain { len, .. } => len,
            Self::Chunked { len } => encoded_len(len),
        }
    }
}

/// Makes the body of one request from the beginning of `flow`. It breaks off once `progress` is dropped.
pub(super) fn body(flow: Arc<Flow>, form: Form, progress: &Arc<Progress>) -> ByteStream {
    let stream = frames(flow, form, Arc::downgrade(progress));
    ByteStream::new(SdkBody::from_body_1_x(StreamBody::new(stream)))
}

fn encoded_len(len: u64) -> u64 {
    let block = BLOCK_BYTES as u64;
    let (whole, rest) = (len / block, len % block);
    let of_rest = if rest > 0 { head(rest, false).len() as u64 } else { 0 };
    let heads = whole * head(block, false).len() as u64 + of_rest;
    // The line break before whatever comes first is not there.
    len + heads + TRAILER_BYTES - 2
}

/// What stands before a block: the end of the one before, and the length.
fn head(len: u64, is_first: bool) -> String {
    let line_break = if is_first { "" } else { "\r\n" };
    format!("{line_break}{len:X}\r\n")
}

fn frames(
    flow: Arc<Flow>,
    form: Form,
    progress: Weak<Progress>,
) -> impl Stream<Item = io::Result<Frame<Bytes>>> + Send + Sync {
    let begin = Some(Cursor { flow, form, progress, number: 0, block: None, is_over: false });
    stream::unfold(begin, |cursor| async move {
        let mut cursor = cursor?;
        match cursor.next().await {
            Ok(bytes) => Some((Ok(Frame::data(bytes?)), Some(cursor))),
            Err(error) => Some((Err(error), None)),
        }
    })
}

struct Cursor {
    flow: Arc<Flow>,
    form: Form,
    progress: Weak<Progress>,
    number: usize,
    /// The block whose head has just gone.
    block: Option<Bytes>,
    is_over: bool,
}

impl Cursor {
    /// The next bytes; none at the end.
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        if self.is_over {
            return Ok(None);
        }
        if let Some(block) = self.block.take() {
            self.progress()?.moved(block.len());
            return Ok(Some(block));
        }
        let is_first = self.number == 0;
        self.progress()?.waits();
        let next = self.flow.next(self.number, || self.progress.strong_count() > 0).await;
        self.progress()?.moved(0);
        match (next, self.form) {
            (Next::Block(block), Form::Plain { .. }) => {
                self.number += 1;
                self.progress()?.moved(block.len());
                Ok(Some(block))
            }
            (Next::Block(block), Form::Chunked { .. }) => {
                let head = head(block.len() as u64, is_first);
                self.number += 1;
                self.block = Some(block);
                Ok(Some(head.into()))
            }
            (Next::End(crc32c), form) => {
                self.is_over = true;
                Ok(matches!(form, Form::Chunked { .. }).then(|| trailer(crc32c, is_first).into()))
            }
            (Next::Cut, _) => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    fn progress(&self) -> io::Result<Arc<Progress>> {
        self.progress.upgrade().ok_or_else(|| io::ErrorKind::ConnectionAborted.into())
    }
}

fn trailer(crc32c: u32, is_first: bool) -> String {
    let line_break = if is_first { "" } else { "\r\n" };
    format!("{line_break}0\r\n{CHECKSUM_HEADER}:{}\r\n\r\n", encoded(crc32c))
}

/// Who is waited for, and since when: the client, or the store.
#[derive(Debug)]
pub(super) struct Progress(Mutex<State>);

#[derive(Debug)]
struct State {
    waiting: Waiting,
    since: Instant,
    /// Bytes that were handed to the connection: not all of them need have left it.
    handed_over: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    ForClient,
    ForStore,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State { waiting: Waiting::ForStore, since: Instant::now(), handed_over: 0 }))
    }

    fn waits(&self) {
        self.set(Waiting::ForClient, 0);
    }

    fn moved(&self, bytes: usize) {
        self.set(Waiting::ForStore, bytes as u64);
    }

    /// Whether the client has kept the store waiting for `longest`.
    pub(super) fn client_is_slow(&self, longest: Duration) -> bool {
        let state = self.state();
        state.waiting == Waiting::ForClient && state.since.elapsed() >= longest
    }

    /// Whether the store has taken nothing, and answered nothing, for `longest`; what may still be on its way to a slow
    /// store has more time.
    pub(super) fn store_is_silent(&self, longest: Duration) -> bool {
        let state = self.state();
        let on_its_way = state.handed_over.min(MOST_ON_ITS_WAY);
        let longest = longest + Duration::from_millis(on_its_way * 1000 / SLOWEST_STORE);
        state.waiting == Waiting::ForStore && state.since.elapsed() >= longest
    }

    fn set(&self, waiting: Waiting, bytes: u64) {
        let mut state = self.state();
        (state.waiting, state.since) = (waiting, Instant::now());
        state.handed_over += bytes;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intercept for Form {
    fn name(&self) -> &'static str {
        "Form"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let headers = context.request_mut().headers_mut();
        match self {
            Self::Plain { crc32c, .. } => {
                headers.insert(CHECKSUM_HEADER, encoded(*crc32c));
                bag.interceptor_state().store_put(PayloadSigningOverride::UnsignedPayload);
            }
            Self::Chunked { len } => {
                headers.insert("content-encoding", "aws-chunked");
                headers.insert("x-amz-decoded-content-length", len.to_string());
                headers.insert("x-amz-trailer", CHECKSUM_HEADER);
                bag.interceptor_state().store_put(PayloadSigningOverride::StreamingUnsignedPayloadTrailer);
            }
        }
        Ok(())
    }
}

/// A checksum as it travels.
fn encoded(crc32c: u32) -> String {
    STANDARD.encode(crc32c.to_be_bytes())
}

#[cfg(test)]
mod tests;
