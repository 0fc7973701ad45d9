//! A blob that arrives in parts, each of which travels, and is tried again, by itself. It becomes one when it is
//! published.
//!
//! A part travels when it is whole, or while it arrives where there is no memory for it at once. Where the length of the blob is
//! not known it is always gathered, because its length stands at its beginning; what fits into one part becomes a plain
//! object then.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use async_trait::async_trait;
use aws_sdk_s3::types::CompletedPart;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::super::Bucket;
use super::super::flow::{BLOCK_BYTES, Flow, Keeping};
use super::super::upload::{Sending, StagedObject, Target};
use super::Multipart;
use crate::blob::{Expected, StagedBlob};
use crate::store::StoreError;

/// Bytes of a part, while ten thousand of them suffice; every store takes parts from 5 MiB on.
pub(in super::super) const PART_BYTES: u64 = 8 << 20;
/// Parts of one object, as all stores have it.
const MOST_PARTS: u64 = 10_000;
/// Bytes of one object, on AWS.
const MOST_BYTES: u64 = 5 << 40;
/// Parts of one blob that travel while the next one arrives.
const PARTS_AT_ONCE: usize = 4;
/// The most of a part that is gathered before it travels.
const MOST_GATHERED: u64 = 64 << 20;
/// How long a part that must be gathered waits for memory: while the parts of others travel, or arrive.
const MEMORY_PATIENCE: Duration = Duration::from_secs(20);
const MIB: u64 = 1 << 20;

/// The memory for parts that are gathered, or may have to travel again.
#[derive(Clone, Debug)]
pub(in super::super) struct Memory {
    /// One permit for each block.
    blocks: Arc<Semaphore>,
    bytes: u64,
}

impl Memory {
    /// Without it nothing of unknown length could be stored at all.
    const LEAST: u64 = 4 * PART_BYTES;

    /// Shares the store's budget, or has a little of its own when that is too small.
    pub(in super::super) fn of(buffer: &Arc<Semaphore>, buffer_bytes: u64) -> Self {
        if buffer_bytes >= Self::LEAST {
            return Self { blocks: Arc::clone(buffer), bytes: buffer_bytes };
        }
        let blocks = usize::try_from(Self::LEAST / BLOCK_BYTES as u64).unwrap_or(usize::MAX);
        Self { blocks: Arc::new(Semaphore::new(blocks)), bytes: Self::LEAST }
    }

    /// Bytes that nobody holds.
    #[cfg(test)]
    pub(in super::super) fn left(&self) -> usize {
        self.blocks.available_permits() * BLOCK_BYTES
    }

    /// Bytes of ten thousand parts of unknown length.
    pub(in super::super) fn most_gathered(&self) -> u64 {
        (1..=MOST_PARTS).map(|number| gathered_len(number, self.bytes)).sum()
    }

    /// Memory for a part that can do without, as chunks take it: a client that trickles holds it for hours, and nobody
    /// waits for that. Leaves a quarter of all to those that cannot.
    fn spare(&self, len: u64) -> Result<Keeping, StoreError> {
        let left = (self.blocks.available_permits() * BLOCK_BYTES) as u64;
        if left < len.saturating_add(self.bytes / 4) {
            return Ok(Keeping::No);
        }
        let share = Arc::clone(&self.blocks).try_acquire_many_owned(blocks(len)?);
        Ok(share.map_or(Keeping::No, Keeping::Budgeted))
    }

    /// Memory for a part that must be gathered; none when there is none in time.
    async fn share(&self, len: u64) -> Result<Option<Keeping>, StoreError> {
        let share = Arc::clone(&self.blocks).acquire_many_owned(blocks(len)?);
        let share = tokio::time::timeout(MEMORY_PATIENCE, share).await;
        Ok(share.ok().and_then(Result::ok).map(Keeping::Budgeted))
    }
}

fn blocks(len: u64) -> Result<u32, StoreError> {
    u32::try_from(len.div_ceil(BLOCK_BYTES as u64)).map_err(StoreError::internal)
}

/// Bytes of each part of a blob of this length, but for the last: whole MiB.
fn part_len(total: u64) -> u64 {
    total.div_ceil(MOST_PARTS).next_multiple_of(MIB).max(PART_BYTES)
}

/// Bytes of part `number` of a blob of unknown length. They grow, so that ten thousand come to 490 GiB, if there are
/// `memory` bytes of memory for four of them.
fn gathered_len(number: u64, memory: u64) -> u64 {
    let doublings = (number.saturating_sub(1) / 1_000).min(3);
    (PART_BYTES << doublings).min(memory / 4).clamp(PART_BYTES, MOST_GATHERED)
}

pub(in super::super) struct StagedParts {
    bucket: Arc<Bucket>,
    name: String,
    expected: Expected,
    memory: Memory,
    received: u64,
    /// Parts that were begun.
    begun: u64,
    /// The one that is arriving.
    part: Option<StagedObject>,
    /// What it still takes.
    room: u64,
    /// None before there is a second part, where the length is not known.
    multipart: Option<Multipart>,
    under_way: VecDeque<(i32, Sending)>,
    stored: Vec<CompletedPart>,
}

impl StagedParts {
    pub(in super::super) fn new(
        bucket: Arc<Bucket>,
        name: String,
        expected: Expected,
        memory: Memory,
    ) -> Result<Self, StoreError> {
        if matches!(expected, Expected::Exactly(len) if len > MOST_BYTES) {
            return Err(StoreError::internal(anyhow!("an object store takes at most 5 TiB in one blob")));
        }
        Ok(Self {
            bucket,
            name,
            expected,
            memory,
            received: 0,
            begun: 0,
            part: None,
            room: 0,
            multipart: None,
            under_way: VecDeque::new(),
            stored: Vec::new(),
        })
    }

    /// Begins the next part.
    async fn begin_part(&mut self) -> Result<(), StoreError> {
        if self.begun == MOST_PARTS {
            // Whoever stages has asked how many bytes these hold.
            return Err(StoreError::internal(anyhow!("a blob of unknown length has come to ten thousand parts")));
        }
        self.begun += 1;
        let (len, keeping, target) = match self.expected {
            Expected::Exactly(total) => {
                let len = part_len(total);
                let len = len.min(total - len * (self.begun - 1));
                (len, self.memory.spare(len)?, Some(self.target().await?))
            }
            Expected::AtMost(_) => {
                let len = gathered_len(self.begun, self.memory.bytes);
                let keeping = self.memory.share(len).await?;
                let none = || StoreError::unavailable(anyhow!("no memory for a part of unknown length"));
                (len, keeping.ok_or_else(none)?, None)
            }
        };
        let flow = Flow::new(len, keeping);
        self.part = Some(StagedObject::new(Arc::clone(&self.bucket), self.name.clone(), target, flow));
        self.room = len;
        Ok(())
    }

    /// The place of the part that was begun last.
    async fn target(&mut self) -> Result<Target, StoreError> {
        let multipart = match self.multipart.take() {
            Some(multipart) => multipart,
            None => Multipart::begin(Arc::clone(&self.bucket), self.name.clone()).await?,
        };
        let upload_id = self.multipart.insert(multipart).id.clone();
        Ok(Target::Part { upload_id, number: self.number()? })
    }

    fn number(&self) -> Result<i32, StoreError> {
        i32::try_from(self.begun).map_err(StoreError::internal)
    }

    /// Lets the part that has arrived go.
    async fn end_part(&mut self) -> Result<(), StoreError> {
        let Some(mut part) = self.part.take() else { return Ok(()) };
        self.room = 0;
        part.set_target(self.target().await?);
        part.finish().await?;
        if self.under_way.len() >= PARTS_AT_ONCE {
            self.settle_first().await?;
        }
        self.under_way.push_back((self.number()?, part.send()?));
        Ok(())
    }

    /// Waits for the part that has been under way for longest.
    async fn settle_first(&mut self) -> Result<(), StoreError> {
        // Taken out when it is over, not before: whoever drops this has to wait for it.
        let Some((number, part)) = self.under_way.front_mut() else { return Ok(()) };
        let crc32c = STANDARD.encode(part.crc32c.to_be_bytes());
        let (number, sent) = (*number, part.sent().await);
        self.under_way.pop_front();
        let e_tag = sent?;
        let part = CompletedPart::builder().part_number(number).set_e_tag(e_tag).checksum_crc32_c(crc32c);
        self.stored.push(part.build());
        Ok(())
    }
}

#[async_trait]
impl StagedBlob for StagedParts {
    async fn write(&mut self, mut bytes: Bytes) -> Result<(), StoreError> {
        self.received += bytes.len() as u64;
        self.expected.check_some(self.received)?;
        while !bytes.is_empty() {
            // Not sooner: a last part that is full is still the last.
            if self.room == 0 {
                self.end_part().await?;
                self.begin_part().await?;
            }
            let piece = bytes.split_to(bytes.len().min(usize::try_from(self.room).unwrap_or(usize::MAX)));
            self.room -= piece.len() as u64;
            self.part.as_mut().ok_or_else(half_done)?.write(piece).await?;
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), StoreError> {
        self.expected.check_all(self.received)?;
        if matches!(self.expected, Expected::AtMost(_)) {
            if self.begun == 0 {
                self.begin_part().await?;
            }
            let part = self.part.as_mut().ok_or_else(half_done)?;
            part.end_here();
            if self.multipart.is_none() {
                part.set_target(Target::Object);
                return part.finish().await;
            }
        }
        self.end_part().await?;
        while !self.under_way.is_empty() {
            self.settle_first().await?;
        }
        Ok(())
    }

    async fn publish(mut self: Box<Self>) -> Result<(), StoreError> {
        match (self.multipart.take(), self.part.take()) {
            (Some(multipart), None) if self.stored.len() as u64 == self.begun => {
                multipart.complete(std::mem::take(&mut self.stored), self.received).await
            }
            (None, Some(part)) => Box::new(part).publish().await,
            _ => Err(half_done()),
        }
    }
}

fn half_done() -> StoreError {
    StoreError::internal(anyhow!("a blob goes on after a failed write, or is published before it was finished"))
}

impl Drop for StagedParts {
    fn drop(&mut self) {
        let (Some(multipart), Ok(runtime)) = (self.multipart.take(), Handle::try_current()) else { return };
        let (part, under_way) = (self.part.take(), std::mem::take(&mut self.under_way));
        runtime.spawn(async move {
            // A part that arrives at the store behind the abort could stay there.
            drop(part);
            for (_, part) in under_way {
                part.cut().await;
            }
            drop(multipart);
        });
    }
}

#[cfg(test)]
mod tests;
