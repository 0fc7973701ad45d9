//! The bucket itself: is it there, and what is it asked in one small request.

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use aws_sdk_s3::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use tokio::time::{Instant, sleep, timeout_at};

use super::Bucket;
use super::failure::Failure;
use crate::blob::BlobKey;
use crate::store::{COMMAND_PATIENCE, StoreError};

/// The region that must not be named when a bucket is made.
const NAMELESS_REGION: &str = "us-east-1";

/// Between two tries of a command.
const COMMAND_PAUSE: Duration = Duration::from_millis(500);

impl Bucket {
    pub(super) fn name_of(&self, key: BlobKey) -> String {
        format!("{}{key}", self.prefix)
    }

    /// Asks whether the bucket is there, once.
    pub(super) async fn head(&self) -> Result<(), Failure> {
        Ok(self.client.head_bucket().bucket(&self.name).send().await.map(drop)?)
    }

    /// Sees that the bucket is there, or makes it. A store that is away is waited for a while, then believed in.
    pub(super) async fn be_there(&self) -> anyhow::Result<()> {
        match self.retry.ask(|| self.head()).await {
            Ok(()) => Ok(()),
            Err(Failure::Absent) if self.create => {
                self.create().await.with_context(|| format!("make the bucket {:?}", self.name))
            }
            Err(Failure::Absent) => bail!("there is no bucket {:?}; create=true makes it", self.name),
            Err(failure) if failure.may_pass() => {
                let error = StoreError::from(failure);
                tracing::warn!(error = &error as &dyn std::error::Error, "the store does not answer yet");
                Ok(())
            }
            Err(failure) => Err(StoreError::from(failure)).with_context(|| format!("the bucket {:?}", self.name)),
        }
    }

    /// Makes sure, for a command, that the bucket is there now.
    pub(super) async fn answers_now(&self) -> anyhow::Result<()> {
        let give_up = Instant::now() + COMMAND_PATIENCE;
        let seconds = COMMAND_PATIENCE.as_secs();
        let away = || format!("no answer within {seconds} s: see that it runs and can be reached from here");
        loop {
            let failure = match timeout_at(give_up, self.head()).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(Failure::Absent)) => bail!("there is no bucket {:?}", self.name),
                Ok(Err(failure)) => failure,
                Err(_) => bail!(away()),
            };
            let may_pass = failure.may_pass();
            let error = StoreError::from(failure);
            if !may_pass {
                return Err(error).with_context(|| format!("the bucket {:?}", self.name));
            }
            if Instant::now() + COMMAND_PAUSE >= give_up {
                return Err(error).with_context(away);
            }
            sleep(COMMAND_PAUSE).await;
        }
    }

    /// Makes the bucket.
    pub(super) async fn create(&self) -> Result<(), StoreError> {
        let region = self.client.config().region().map_or(NAMELESS_REGION, AsRef::as_ref);
        let place = (region != NAMELESS_REGION).then(|| {
            CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::from(region)).build()
        });
        let made = self.retry.ask(|| async {
            let request = self.client.create_bucket().bucket(&self.name);
            match request.set_create_bucket_configuration(place.clone()).send().await {
                // Another server that started at the same time was first.
                Err(SdkError::ServiceError(answer))
                    if matches!(answer.err().code(), Some("BucketAlreadyOwnedByYou" | "BucketAlreadyExists")) =>
                {
                    self.head().await
                }
                answer => Ok(answer.map(drop)?),
            }
        });
        made.await?;
        tracing::info!(bucket = self.name, "made the bucket");
        Ok(())
    }

    /// The length of an object; `None` when it is not there.
    pub(super) async fn len(&self, name: &str) -> Result<Option<u64>, StoreError> {
        let head = || async {
            let answer = self.client.head_object().bucket(&self.name).key(name).send().await?;
            let len = answer.content_length().and_then(|len| u64::try_from(len).ok());
            len.ok_or_else(|| Failure::Refused(anyhow!("the store does not say how long an object is")))
        };
        match self.retry.ask(head).await {
            Ok(len) => Ok(Some(len)),
            Err(Failure::Absent) => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }
}
