//! A bucket of another system: its objects under their own names.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};

use super::{S3Store, listing, read};
use crate::blob::ByteStream;
use crate::blob::foreign::{ForeignObject, ForeignStore, Found};
use crate::store::StoreError;

#[async_trait]
impl ForeignStore for S3Store {
    fn objects(&self) -> BoxStream<'static, Result<Found, StoreError>> {
        let prefix = self.bucket.prefix.clone();
        let objects = |page: listing::Page| {
            let named = page.contents().iter().filter_map(|object| {
                let len = u64::try_from(object.size()?).ok()?;
                Some(Ok(Found::Object(ForeignObject { name: listing::decoded(object.key()?), len })))
            });
            stream::iter(named.collect::<Vec<_>>())
        };
        listing::pages(Arc::clone(&self.bucket), prefix, false).map_ok(objects).try_flatten().boxed()
    }

    async fn len(&self, name: &str) -> Result<Option<u64>, StoreError> {
        self.bucket.len(name).await
    }

    async fn read(&self, name: &str, range: Range<u64>) -> Result<Option<ByteStream>, StoreError> {
        read::open(Arc::clone(&self.bucket), name.to_owned(), range).await
    }
}
