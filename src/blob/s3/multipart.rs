//! Multipart uploads: begun, completed, aborted; and those that nobody completes, found and aborted.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use anyhow::anyhow;
use aws_sdk_s3::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_s3::operation::list_multipart_uploads::ListMultipartUploadsOutput;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, EncodingType, MultipartUpload};
use futures::TryStreamExt as _;
use futures::stream::{self, Stream};
use haulier_wire::{Timestamp, TransferId};
use tokio::runtime::Handle;

use super::Bucket;
use super::failure::Failure;
use super::listing::decoded;
use crate::blob::BlobKey;
use crate::store::StoreError;

mod staged;

pub(super) use staged::{Memory, PART_BYTES, StagedParts};

/// A store puts thousands of parts together before it answers: AWS speaks of minutes.
const COMPLETE_TIMEOUT: Duration = Duration::from_mins(5);
/// It is said once that they cannot be listed, not with each transfer that is removed.
static TOLD: Once = Once::new();

/// A multipart upload that was begun. Dropped before it was completed, it is aborted.
struct Multipart {
    bucket: Arc<Bucket>,
    name: String,
    id: String,
    is_over: bool,
}

impl Multipart {
    /// In a task of its own: an upload that was begun for somebody who has gone must be aborted as well.
    async fn begin(bucket: Arc<Bucket>, name: String) -> Result<Self, StoreError> {
        let begun = tokio::spawn(async move {
            let id = bucket.retry.ask(|| create(&bucket, &name)).await?;
            Ok(Self { bucket, name, id, is_over: false })
        });
        begun.await.map_err(StoreError::unavailable)?
    }

    /// Makes an object of `len` bytes of the parts; whole and durable when it returns.
    async fn complete(mut self, parts: Vec<CompletedPart>, len: u64) -> Result<(), StoreError> {
        let is_unsure = AtomicBool::new(false);
        let (this, parts) = (&self, CompletedMultipartUpload::builder().set_parts(Some(parts)).build());
        let once = |place| {
            let (parts, is_unsure) = (parts.clone(), &is_unsure);
            async move {
                let _place = place;
                let outcome = tokio::time::timeout(COMPLETE_TIMEOUT, this.complete_once(parts)).await;
                let outcome = outcome.unwrap_or_else(|_| Err(Failure::silent("the store does not answer")));
                if outcome.as_ref().is_err_and(Failure::may_pass) {
                    is_unsure.store(true, Ordering::Relaxed);
                }
                outcome
            }
        };
        match self.bucket.retry.repeat(once, || true).await {
            Ok(()) => {}
            // An answer was lost: the upload may be gone because it has become the object.
            Err(Failure::Absent)
                if is_unsure.load(Ordering::Relaxed) && self.bucket.len(&self.name).await? == Some(len) => {}
            Err(Failure::Absent) => {
                return Err(StoreError::unavailable(anyhow!("the multipart upload was aborted meanwhile")));
            }
            Err(failure) => return Err(failure.into()),
        }
        self.is_over = true;
        Ok(())
    }

    async fn complete_once(&self, parts: CompletedMultipartUpload) -> Result<(), Failure> {
        let request = self.bucket.client.complete_multipart_upload().bucket(&self.bucket.name).key(&self.name);
        Ok(request.upload_id(&self.id).multipart_upload(parts).send().await.map(drop)?)
    }
}

impl Drop for Multipart {
    fn drop(&mut self) {
        // Without a runtime the process is about to end: what stays then is abandoned, and found by a sweep.
        let (false, Ok(runtime)) = (self.is_over, Handle::try_current()) else { return };
        let (bucket, name, id) = (Arc::clone(&self.bucket), self.name.clone(), std::mem::take(&mut self.id));
        runtime.spawn(async move {
            if let Err(error) = abort(&bucket, &name, &id).await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "a multipart upload stays until a sweep finds it");
            }
        });
    }
}

async fn create(bucket: &Bucket, name: &str) -> Result<String, Failure> {
    let request = bucket.client.create_multipart_upload().bucket(&bucket.name).key(name);
    let request = request.content_type("application/octet-stream").checksum_algorithm(ChecksumAlgorithm::Crc32C);
    let id = request.send().await?.upload_id;
    id.ok_or_else(|| Failure::Refused(anyhow!("the store does not name a multipart upload")))
}

/// Aborts one upload; nothing happens when it is over.
async fn abort(bucket: &Bucket, name: &str, id: &str) -> Result<(), StoreError> {
    let request = || async {
        let request = bucket.client.abort_multipart_upload().bucket(&bucket.name).key(name).upload_id(id);
        Ok(request.send().await.map(drop)?)
    };
    match bucket.retry.ask(request).await {
        Ok(()) | Err(Failure::Absent) => Ok(()),
        Err(failure) => Err(failure.into()),
    }
}

/// Aborts every upload of one transfer's payloads. The whole bucket is listed, as in [`abort_abandoned`].
pub(super) async fn abort_all_of(bucket: &Arc<Bucket>, id: TransferId) -> Result<(), StoreError> {
    let mut pages = std::pin::pin!(pages(Arc::clone(bucket)));
    while let Some(page) = pages.try_next().await? {
        for upload in page.uploads() {
            let Some(name) = upload.key().map(decoded).filter(|name| transfer_of(bucket, name) == Some(id)) else {
                continue;
            };
            abort(bucket, &name, upload_id(upload)?).await?;
        }
    }
    Ok(())
}

/// Aborts every upload of ours to which nothing has come since `before`; returns how many that were.
///
/// The whole bucket is listed: MinIO takes a prefix for the name of one object.
pub(super) async fn abort_abandoned(bucket: &Arc<Bucket>, before: Timestamp) -> Result<u64, StoreError> {
    let mut aborted = 0;
    let mut pages = std::pin::pin!(pages(Arc::clone(bucket)));
    while let Some(page) = pages.try_next().await? {
        for upload in page.uploads() {
            let Some(name) = upload.key().map(decoded).filter(|name| transfer_of(bucket, name).is_some()) else {
                continue;
            };
            let id = upload_id(upload)?;
            // A large payload on a slow line takes longer than any grace: its last part counts.
            if is_before(upload.initiated(), before) && !has_part_since(bucket, &name, id, before).await? {
                abort(bucket, &name, id).await?;
                aborted += 1;
            }
        }
    }
    Ok(aborted)
}

fn upload_id(upload: &MultipartUpload) -> Result<&str, StoreError> {
    upload.upload_id().ok_or_else(|| StoreError::internal(anyhow!("the store lists an upload without its id")))
}

/// The transfer whose payload an object is; `None` for what is none of ours.
fn transfer_of(bucket: &Bucket, name: &str) -> Option<TransferId> {
    let (id, name) = name.strip_prefix(&bucket.prefix)?.strip_prefix("transfers/")?.split_once('/')?;
    match BlobKey::from_name(id.parse().ok()?, name) {
        Some(BlobKey::Payload(id, _)) => Some(id),
        _ => None,
    }
}

/// What has no time is left alone.
fn is_before(moment: Option<&DateTime>, before: Timestamp) -> bool {
    let moment = moment.and_then(|moment| moment.to_millis().ok());
    moment.is_some_and(|moment| moment < before.as_millisecond())
}

async fn has_part_since(bucket: &Bucket, name: &str, id: &str, before: Timestamp) -> Result<bool, StoreError> {
    let mut marker = None;
    loop {
        let request = || async {
            let request = bucket.client.list_parts().bucket(&bucket.name).key(name).upload_id(id);
            Ok(request.set_part_number_marker(marker.clone()).send().await?)
        };
        let page = match bucket.retry.ask(request).await {
            // Over since it was listed.
            Err(Failure::Absent) => return Ok(true),
            page => page?,
        };
        if page.parts().iter().any(|part| !is_before(part.last_modified(), before)) {
            return Ok(true);
        }
        match page.next_part_number_marker() {
            Some(next) if page.is_truncated() == Some(true) => marker = Some(next.to_owned()),
            _ => return Ok(false),
        }
    }
}

/// The pages of a list of uploads, each asked for when it is wanted.
fn pages(bucket: Arc<Bucket>) -> impl Stream<Item = Result<ListMultipartUploadsOutput, StoreError>> {
    stream::try_unfold(Some((None, None)), move |next: Option<(Option<String>, Option<String>)>| {
        let bucket = Arc::clone(&bucket);
        async move {
            let Some((key, upload)) = next else { return Ok(None) };
            let page = bucket.retry.ask(|| page(&bucket, key.clone(), upload.clone())).await?;
            let owned = |text: Option<&str>| text.map(str::to_owned);
            let next = (page.next_key_marker().map(decoded), owned(page.next_upload_id_marker()));
            let has_more = page.is_truncated() == Some(true) && next.0.is_some();
            Ok(Some((page, has_more.then_some(next))))
        }
    })
}

async fn page(
    bucket: &Bucket,
    key: Option<String>,
    upload: Option<String>,
) -> Result<ListMultipartUploadsOutput, Failure> {
    let request = bucket.client.list_multipart_uploads().bucket(&bucket.name).encoding_type(EncodingType::Url);
    match request.set_key_marker(key).set_upload_id_marker(upload).send().await {
        // A store without this list keeps what was not completed, or has a rule of its own. Where only the right to it is
        // missing, everything else can still be removed.
        Err(SdkError::ServiceError(answer))
            if matches!(answer.err().code(), Some("NotImplemented" | "MethodNotAllowed" | "AccessDenied")) =>
        {
            TOLD.call_once(|| {
                let code = answer.err().code();
                tracing::warn!(
                    code,
                    "multipart uploads cannot be listed: those that nobody completes stay in the store"
                );
            });
            Ok(ListMultipartUploadsOutput::builder().build())
        }
        page => Ok(page?),
    }
}
