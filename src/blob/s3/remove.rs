//! Removing objects: one by name, or all below a prefix.

use anyhow::anyhow;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};

use super::Bucket;
use super::failure::Failure;
use super::listing::{self, decoded};
use crate::store::StoreError;

/// Removes one object; nothing happens when it is not there.
pub(super) async fn one(bucket: &Bucket, name: &str) -> Result<(), StoreError> {
    let request = || async { Ok(bucket.client.delete_object().bucket(&bucket.name).key(name).send().await.map(drop)?) };
    match bucket.retry.ask(request).await {
        Ok(()) | Err(Failure::Absent) => Ok(()),
        Err(failure) => Err(failure.into()),
    }
}

/// Removes every object whose name begins with `prefix`, also those that come meanwhile.
pub(super) async fn all_below(bucket: &Bucket, prefix: &str) -> Result<(), StoreError> {
    let mut last_first = None;
    loop {
        // What was listed is gone afterwards, so the first page is always the next one.
        let page = bucket.retry.ask(|| listing::page(bucket, prefix, false, None)).await?;
        let names: Vec<String> = page.contents().iter().filter_map(|object| object.key().map(decoded)).collect();
        let Some(first) = names.first().cloned() else { return Ok(()) };
        if last_first.replace(first.clone()) == Some(first) {
            return Err(StoreError::internal(anyhow!("an object stays although it was removed")));
        }
        // XML cannot hold every name that somebody may have put there.
        let (strange, plain): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| name.contains(char::is_control));
        for name in strange {
            one(bucket, &name).await?;
        }
        if !plain.is_empty() {
            bucket.retry.ask(|| remove_batch(bucket, &plain)).await?;
        }
    }
}

/// A page of names: up to a thousand, which is also the most that one request removes.
async fn remove_batch(bucket: &Bucket, names: &[String]) -> Result<(), Failure> {
    let names = names.iter().map(|name| ObjectIdentifier::builder().key(name).build());
    let names = names.collect::<Result<Vec<_>, _>>().map_err(|error| Failure::Refused(error.into()))?;
    let batch = Delete::builder().set_objects(Some(names)).quiet(true).build();
    let batch = batch.map_err(|error| Failure::Refused(error.into()))?;
    let answer = bucket.client.delete_objects().bucket(&bucket.name).delete(batch).send().await?;
    match answer.errors().first() {
        // Each name has its own end; another try removes what is left.
        Some(error) => {
            Err(Failure::Away(anyhow!("the store did not remove all: {}", error.code().unwrap_or_default())))
        }
        None => Ok(()),
    }
}
