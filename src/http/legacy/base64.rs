//! A payload as base64 in JSON, encoded piece by piece: no length of it is ever in memory.

use actix_web::body::SizedStream;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use haulier_wire::TransferId;
use haulier_wire::encoding::to_base64;

use crate::transfer::ByteStream;

/// What stands around the base64, and how long all of it is.
pub(super) struct Frame {
    before: String,
    after: String,
    len: u64,
}

impl Frame {
    pub(super) fn new(id: TransferId, file_size: u64, payload_len: u64) -> Self {
        let before = format!(r#"{{"transfer_id":"{id}","data":""#);
        let after = format!(r#"","file_size_bytes":{file_size}}}"#);
        let len = (before.len() + after.len()) as u64 + payload_len.div_ceil(3) * 4;
        Self { before, after, len }
    }

    /// Its length, without a byte.
    pub(super) fn head(&self) -> SizedStream<ByteStream> {
        SizedStream::new(self.len, stream::empty().boxed())
    }

    /// All of it around what `payload` brings.
    pub(super) fn body(self, payload: ByteStream) -> SizedStream<ByteStream> {
        let text = |text: String| stream::iter([Ok(Bytes::from(text))]);
        SizedStream::new(self.len, text(self.before).chain(encoded(payload)).chain(text(self.after)).boxed())
    }
}

/// Three bytes become four digits: what is left of a piece waits for the next one.
fn encoded(payload: ByteStream) -> ByteStream {
    let pieces = stream::unfold(Some((payload, Vec::new())), |state| async {
        let (mut payload, mut waiting) = state?;
        match payload.next().await {
            Some(Ok(piece)) => {
                waiting.extend_from_slice(&piece);
                let rest = waiting.split_off(waiting.len() - waiting.len() % 3);
                Some((Ok(Bytes::from(to_base64(&waiting))), Some((payload, rest))))
            }
            Some(Err(error)) => Some((Err(error), None)),
            None => Some((Ok(Bytes::from(to_base64(&waiting))), None)),
        }
    });
    pieces.boxed()
}

#[cfg(test)]
mod tests;
