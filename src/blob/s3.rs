//! Blobs as objects of an S3-compatible store.
//!
//! Nothing here relies on what only some stores do: no conditional PUT, no versioning.
//! A PUT that is cut short leaves nothing, or the object that was there; that alone makes writes whole or not at all.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use async_trait::async_trait;
use aws_config::BehaviorVersion;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    ProvideCredentials as _, Region, RequestChecksumCalculation, ResponseChecksumValidation, SharedCredentialsProvider,
    StalledStreamProtectionConfig,
};
use bytes::Bytes;
use futures::stream::BoxStream;
use haulier_wire::{Timestamp, TransferId};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

use super::{BlobKey, BlobStore, Content, Expected, Listed, StagedBlob};
use crate::config::S3Location;
use crate::entropy::Entropy;
use crate::store::{BufferUse, StoreError};

mod body;
mod bucket;
mod failure;
mod flow;
mod foreign;
mod listing;
mod multipart;
mod pressure;
mod read;
mod remove;
mod retry;
mod upload;

use failure::Failure;
use flow::{BLOCK_BYTES, Flow, Keeping};
use multipart::{Memory, PART_BYTES, StagedParts};
use retry::Retry;
use upload::{StagedObject, Target};

/// Bodies up to this length are gathered whole before they travel.
const SMALL_BYTES: u64 = 256 << 10;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A probe answers within this time, whatever the store does.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);
/// The answer to a probe stands for so long: health checks must not become a load of their own.
const PROBE_VALID: Duration = Duration::from_secs(1);

/// A part of a bucket.
#[derive(Debug)]
pub struct S3Store {
    bucket: Arc<Bucket>,
    /// One permit for each block that may be kept for another try.
    buffer: Arc<Semaphore>,
    /// All of them, in bytes.
    buffer_bytes: u64,
    /// For parts of payloads.
    memory: Memory,
    probed: Mutex<Option<(Instant, Result<(), StoreError>)>>,
}

/// What every request needs.
struct Bucket {
    client: Client,
    name: String,
    /// Stands before every key; empty, or ends in a slash.
    prefix: String,
    /// Whether the bucket is made when it is not there.
    create: bool,
    retry: Retry,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("name", &self.name).field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl S3Store {
    /// Connects with credentials from where all AWS tools take them: environment, profile, container, instance.
    ///
    /// `buffer_bytes` may be spent on keeping bodies for another try.
    ///
    /// # Errors
    /// Without region or credentials, and when the store refuses the bucket.
    pub async fn open(location: &S3Location, buffer_bytes: u64, entropy: Arc<dyn Entropy>) -> anyhow::Result<Self> {
        let (region, credentials) = from_environment(location).await?;
        Self::open_with(location, region, credentials, buffer_bytes, entropy).await
    }

    /// Connects to a bucket that is there, for a command: makes nothing, and gives up after a few seconds. The store
    /// is not asked for a command that does not need it.
    ///
    /// # Errors
    /// As [`S3Store::open`], and when the store does not answer.
    pub async fn open_beside(
        location: &S3Location,
        is_needed: bool,
        buffer_bytes: u64,
        entropy: Arc<dyn Entropy>,
    ) -> anyhow::Result<Self> {
        let (region, credentials) = from_environment(location).await?;
        // A bucket that was misspelt must not become one in which everything is missing.
        let location = S3Location { create: false, ..location.clone() };
        let store = Self::with(&location, region, credentials, buffer_bytes, entropy).await?;
        if is_needed {
            store.bucket.answers_now().await.with_context(|| format!("the store at {}", location.address()))?;
        }
        Ok(store)
    }

    async fn open_with(
        location: &S3Location,
        region: Region,
        credentials: SharedCredentialsProvider,
        buffer_bytes: u64,
        entropy: Arc<dyn Entropy>,
    ) -> anyhow::Result<Self> {
        let store = Self::with(location, region, credentials, buffer_bytes, entropy).await?;
        store.bucket.be_there().await?;
        Ok(store)
    }

    /// Asks the store nothing yet.
    async fn with(
        location: &S3Location,
        region: Region,
        credentials: SharedCredentialsProvider,
        buffer_bytes: u64,
        entropy: Arc<dyn Entropy>,
    ) -> anyhow::Result<Self> {
        let found = credentials.provide_credentials().await;
        found.context("no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")?;
        let bucket = Self::bucket(location, region, credentials, entropy);
        let blocks = usize::try_from(buffer_bytes / BLOCK_BYTES as u64)?.min(Semaphore::MAX_PERMITS);
        let buffer_bytes = (blocks * BLOCK_BYTES) as u64;
        let buffer = Arc::new(Semaphore::new(blocks));
        let memory = Memory::of(&buffer, buffer_bytes);
        Ok(Self { bucket: Arc::new(bucket), buffer, buffer_bytes, memory, probed: Mutex::default() })
    }

    fn bucket(
        location: &S3Location,
        region: Region,
        credentials: SharedCredentialsProvider,
        entropy: Arc<dyn Entropy>,
    ) -> Bucket {
        let mut settings = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(region)
            .credentials_provider(credentials)
            .force_path_style(location.path_style)
            // All three are done here, with the right clock: see `retry`, `upload` and `read`.
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).build())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            // The checksum is written by `body`; on the way out the reader's key is the judge of every byte.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        if let Some(endpoint) = &location.endpoint {
            settings = settings.endpoint_url(endpoint.as_str());
        }
        Bucket {
            client: Client::from_conf(settings.build()),
            name: location.bucket.clone(),
            prefix: location.prefix.clone(),
            create: location.create,
            retry: Retry::new(entropy),
        }
    }

    fn staged(&self, key: BlobKey, len: u64) -> Result<StagedObject, StoreError> {
        let blocks = u32::try_from(len.div_ceil(BLOCK_BYTES as u64)).map_err(StoreError::internal)?;
        let share = || Arc::clone(&self.buffer).try_acquire_many_owned(blocks);
        let keeping = match len {
            0..=SMALL_BYTES => Keeping::Small,
            _ => share().map_or(Keeping::No, Keeping::Budgeted),
        };
        let (bucket, name) = (Arc::clone(&self.bucket), self.bucket.name_of(key));
        Ok(StagedObject::new(bucket, name, Some(Target::Object), Flow::new(len, keeping)))
    }

    #[cfg(test)]
    fn memory_left(&self) -> usize {
        self.memory.left()
    }

    fn staged_parts(&self, key: BlobKey, expected: Expected) -> Result<StagedParts, StoreError> {
        StagedParts::new(Arc::clone(&self.bucket), self.bucket.name_of(key), expected, self.memory.clone())
    }
}

/// Region and credentials as all AWS tools find them.
async fn from_environment(location: &S3Location) -> anyhow::Result<(Region, SharedCredentialsProvider)> {
    let mut settings = aws_config::defaults(BehaviorVersion::v2026_01_12());
    if let Some(region) = &location.region {
        settings = settings.region(Region::new(region.clone()));
    } else if location.endpoint.is_some() {
        // Not from an instance's metadata: where there is none, asking takes seconds.
        let named = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new());
        let named = named.or_else(ProfileFileRegionProvider::new());
        settings = settings.region(named.or_else(Region::from_static("us-east-1")));
    }
    let settings = settings.load().await;
    let credentials = settings.credentials_provider().context("no provider of AWS credentials")?;
    let region = settings.region().cloned().context("region=... is missing, and no AWS setting names one")?;
    Ok((region, credentials))
}

#[async_trait]
impl BlobStore for S3Store {
    async fn stage(&self, key: BlobKey, expected: Expected) -> Result<Box<dyn StagedBlob>, StoreError> {
        Ok(match (key, expected) {
            (_, Expected::AtMost(_)) => Box::new(self.staged_parts(key, expected)?),
            (BlobKey::Payload(..), Expected::Exactly(len)) if len > PART_BYTES => {
                Box::new(self.staged_parts(key, expected)?)
            }
            (_, Expected::Exactly(len)) => Box::new(self.staged(key, len)?),
        })
    }

    fn most_unannounced(&self) -> u64 {
        self.memory.most_gathered()
    }

    async fn put(&self, key: BlobKey, bytes: Bytes) -> Result<(), StoreError> {
        let mut staged = Box::new(self.staged(key, bytes.len() as u64)?);
        staged.write(bytes).await?;
        staged.finish().await?;
        staged.publish().await
    }

    async fn len(&self, key: BlobKey) -> Result<Option<u64>, StoreError> {
        self.bucket.len(&self.bucket.name_of(key)).await
    }

    async fn read(&self, key: BlobKey, range: Range<u64>) -> Result<Option<Content>, StoreError> {
        let stream = read::open(Arc::clone(&self.bucket), self.bucket.name_of(key), range).await?;
        Ok(stream.map(Content::Stream))
    }

    async fn remove(&self, key: BlobKey) -> Result<(), StoreError> {
        remove::one(&self.bucket, &self.bucket.name_of(key)).await
    }

    async fn remove_transfer(&self, id: TransferId) -> Result<(), StoreError> {
        // Without its meta.json a transfer that is half removed cannot come back.
        remove::one(&self.bucket, &self.bucket.name_of(BlobKey::Meta(id))).await?;
        // Then what could still become an object.
        multipart::abort_all_of(&self.bucket, id).await?;
        remove::all_below(&self.bucket, &format!("{}transfers/{id}/", self.bucket.prefix)).await
    }

    async fn remove_abandoned(&self, before: Timestamp) -> Result<u64, StoreError> {
        multipart::abort_abandoned(&self.bucket, before).await
    }

    fn transfers(&self) -> BoxStream<'static, Result<String, StoreError>> {
        listing::transfers(Arc::clone(&self.bucket))
    }

    fn blobs_of(&self, id: TransferId) -> BoxStream<'static, Result<Listed, StoreError>> {
        listing::blobs_of(Arc::clone(&self.bucket), id)
    }

    fn buffer(&self) -> BufferUse {
        let free_bytes = (self.buffer.available_permits() * BLOCK_BYTES) as u64;
        BufferUse { used_bytes: self.buffer_bytes.saturating_sub(free_bytes), free_bytes }
    }

    async fn probe(&self) -> Result<(), StoreError> {
        let mut probed = self.probed.lock().await;
        if let Some((at, result)) = &*probed
            && at.elapsed() < PROBE_VALID
        {
            return result.clone();
        }
        let answer = tokio::time::timeout(PROBE_TIMEOUT, self.bucket.head()).await;
        let result = match answer {
            // The store was away when this process started, or someone removed it.
            Ok(Err(Failure::Absent)) if self.bucket.create => self.bucket.create().await,
            Ok(Err(Failure::Absent)) => Err(StoreError::internal(anyhow!("the bucket is not there"))),
            Ok(answer) => answer.map_err(StoreError::from),
            Err(_) => Err(Failure::silent("the store does not answer").into()),
        };
        *probed = Some((Instant::now(), result.clone()));
        result
    }
}

#[cfg(test)]
mod tests;
