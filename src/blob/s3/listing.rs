//! What lies below the prefix: folders of transfers, and what is in one of them, page by page.

use std::sync::Arc;

use anyhow::anyhow;
pub(super) use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output as Page;
use aws_sdk_s3::types::{EncodingType, Object};
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use haulier_wire::{Timestamp, TransferId};
use percent_encoding::percent_decode_str;

use super::Bucket;
use super::failure::Failure;
use crate::blob::Listed;
use crate::store::StoreError;

/// The folders below `transfers/`; an object that lies there itself comes under its name, which is none of ours.
pub(super) fn transfers(bucket: Arc<Bucket>) -> BoxStream<'static, Result<String, StoreError>> {
    let folder = format!("{}transfers/", bucket.prefix);
    let names = move |page: &Page| {
        let below = |name: &str| Some(decoded(name).strip_prefix(&folder)?.to_owned());
        let folders = page.common_prefixes().iter().filter_map(|common| below(common.prefix()?));
        let objects = page.contents().iter().filter(|object| !is_folder_marker(object));
        let objects = objects.filter_map(|object| below(object.key()?));
        // One slash is the folder's; more are part of a name that is none of ours.
        let names = folders.map(|name| name.strip_suffix('/').map_or_else(|| name.clone(), str::to_owned));
        let names = names.chain(objects.map(|name| format!("{name} (not a folder)")));
        names.map(Ok).collect::<Vec<_>>()
    };
    let folder = format!("{}transfers/", bucket.prefix);
    pages(bucket, folder, true).map_ok(move |page| stream::iter(names(&page))).try_flatten().boxed()
}

/// The objects of one transfer's folder.
pub(super) fn blobs_of(bucket: Arc<Bucket>, id: TransferId) -> BoxStream<'static, Result<Listed, StoreError>> {
    let folder = format!("{}transfers/{id}/", bucket.prefix);
    let below = folder.clone();
    let objects = move |page: Page| {
        let objects = page.contents().iter().filter(|object| !is_folder_marker(object));
        stream::iter(objects.map(|object| listed(object, &below)).collect::<Vec<_>>())
    };
    pages(bucket, folder, false).map_ok(objects).try_flatten().boxed()
}

fn listed(object: &Object, folder: &str) -> Result<Listed, StoreError> {
    let listed = || {
        let name = decoded(object.key()?).strip_prefix(folder)?.to_owned();
        let len = u64::try_from(object.size()?).ok()?;
        let modified = Timestamp::from_millisecond(object.last_modified()?.to_millis().ok()?).ok()?;
        Some(Listed { name, len, modified })
    };
    listed().ok_or_else(|| StoreError::internal(anyhow!("the store lists an object without name, length or time")))
}

/// What consoles make when somebody asks them for a folder: an object without bytes, whose name ends in a slash.
fn is_folder_marker(object: &Object) -> bool {
    object.size() == Some(0) && object.key().is_some_and(|key| decoded(key).ends_with('/'))
}

/// The name that the store has encoded as in a URL: some write a space as `+`, and a plus never so.
pub(super) fn decoded(name: &str) -> String {
    percent_decode_str(&name.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// The pages of a list, each asked for when it is wanted; with `folders`, what lies deeper comes as its folder.
pub(super) fn pages(
    bucket: Arc<Bucket>,
    prefix: String,
    folders: bool,
) -> impl stream::Stream<Item = Result<Page, StoreError>> + Send + 'static {
    stream::try_unfold(Some(None), move |next: Option<Option<String>>| {
        let (bucket, prefix) = (Arc::clone(&bucket), prefix.clone());
        async move {
            let Some(token) = next else { return Ok(None) };
            let page = bucket.retry.ask(|| page(&bucket, &prefix, folders, token.clone())).await?;
            let next = page.next_continuation_token().map(|token| Some(token.to_owned()));
            Ok(Some((page, next)))
        }
    })
}

pub(super) async fn page(bucket: &Bucket, prefix: &str, folders: bool, token: Option<String>) -> Result<Page, Failure> {
    // Whoever can write to the bucket can give an object a name that XML cannot hold: one would end every list.
    let request = bucket.client.list_objects_v2().bucket(&bucket.name).prefix(prefix).encoding_type(EncodingType::Url);
    let request = if folders { request.delimiter("/") } else { request };
    Ok(request.set_continuation_token(token).send().await?)
}
