//! The server with its chunks in a real S3 store: Garage, MinIO, and whatever `HAULIER_TEST_S3_URL` names.

mod away;
mod https;
mod races;
mod rest;
mod round_trip;
mod sweep;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, EncodingType};
use reqwest::Url;

use crate::harness::{Http, ObjectStore, Server, ServerOptions};

/// A part of a store that one test has for itself.
#[derive(Debug)]
pub(crate) struct Objects {
    pub(crate) store: &'static ObjectStore,
    client: Client,
    pub(crate) url: String,
    bucket: String,
    prefix: String,
}

/// Parts of every store, one after the other.
pub(crate) fn everywhere() -> impl Iterator<Item = Objects> {
    ObjectStore::all().into_iter().map(Objects::new)
}

impl Objects {
    pub(crate) fn new(store: &'static ObjectStore) -> Self {
        static CALLS: AtomicU32 = AtomicU32::new(0);
        let prefix = format!("it-{}-{}", std::process::id(), CALLS.fetch_add(1, Ordering::Relaxed));
        let text = store.url(&prefix);
        let url = Url::parse(&text).expect("a URL");
        let option = |name| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let mut settings = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .credentials_provider(Credentials::new(&store.access_key, &store.secret_key, None, None, "test"))
            .region(Region::new(option("region").expect("a region")))
            .force_path_style(true);
        settings.set_endpoint_url(option("endpoint"));
        let bucket = url.host_str().expect("a bucket").to_owned();
        let prefix = format!("{}/", url.path().trim_matches('/'));
        Self { store, client: Client::from_conf(settings.build()), url: text, bucket, prefix }
    }

    /// In Garage, of which there is always one.
    pub(crate) fn on_garage() -> Self {
        let garage = ObjectStore::all().into_iter().find(|store| store.name == "Garage");
        Self::new(garage.expect("one of all"))
    }

    /// Takes another bucket, which the server makes.
    pub(crate) fn name_bucket(&mut self, name: &str) {
        self.url = self.url.replacen(&self.bucket, name, 1);
        if !self.url.contains("create=true") {
            self.url.push_str("&create=true");
        }
        name.clone_into(&mut self.bucket);
    }

    /// `HOST:PORT` of the store, which must speak plain HTTP.
    pub(crate) fn address(&self) -> String {
        let url = Url::parse(&self.url).expect("a URL");
        let endpoint = url.query_pairs().find(|(name, _)| name == "endpoint").expect("an endpoint").1.into_owned();
        endpoint.strip_prefix("http://").expect("plain HTTP").to_owned()
    }

    /// HAULIER_BLOB_URL by way of another address.
    pub(crate) fn url_by(&self, address: &str) -> String {
        self.url.replace(&self.address(), address)
    }

    /// A server whose chunks are here.
    async fn serve(&self) -> (Server, Http) {
        self.serve_at(&self.url, ServerOptions::default()).await
    }

    /// The same, by another way.
    pub(crate) async fn serve_at(&self, url: &str, options: ServerOptions) -> (Server, Http) {
        let options = options
            .env("HAULIER_BLOB_URL", url)
            .env("AWS_ACCESS_KEY_ID", &self.store.access_key)
            .env("AWS_SECRET_ACCESS_KEY", &self.store.secret_key);
        // On a thread of its own: the way to the store may be a relay that runs on this one.
        let server = tokio::task::spawn_blocking(|| Server::start_with(options)).await.expect("it starts");
        let http = Http::new(&server);
        (server, http)
    }

    /// The names of all objects, without the prefix.
    pub(crate) async fn names(&self) -> BTreeSet<String> {
        let list = self.client.list_objects_v2().bucket(&self.bucket).prefix(&self.prefix);
        // XML cannot hold every name.
        let list = list.encoding_type(EncodingType::Url);
        let pages: Vec<_> = list.into_paginator().send().try_collect().await.expect("listed");
        let objects = pages.iter().flat_map(|page| page.contents());
        let name = |key: &str| {
            let decoded = url::form_urlencoded::parse(key.as_bytes()).next().expect("a name").0;
            decoded.strip_prefix(&self.prefix).expect("below the prefix").to_owned()
        };
        objects.map(|object| name(object.key().expect("a key"))).collect()
    }

    /// Waits until a transfer's objects are gone.
    pub(crate) async fn hold_nothing_of(&self, id: &str) {
        for _ in 0..1200 {
            if !self.names().await.iter().any(|name| name.contains(id)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{}: {:?}", self.store.name, self.names().await);
    }

    /// The bytes of an object.
    pub(crate) async fn bytes(&self, name: &str) -> Vec<u8> {
        let get = self.client.get_object().bucket(&self.bucket).key(format!("{}{name}", self.prefix));
        let body = get.send().await.expect("it is there").body;
        body.collect().await.expect("read to the end").to_vec()
    }

    /// Writes an object behind the server's back.
    pub(crate) async fn put(&self, name: &str, bytes: &[u8]) {
        let put = self.client.put_object().bucket(&self.bucket).key(format!("{}{name}", self.prefix));
        put.body(bytes.to_vec().into()).send().await.expect("written");
    }

    /// Writes an object of 1 GiB: one part, which the store copies.
    pub(crate) async fn put_gib(&self, name: &str) {
        const PARTS: i32 = 16;
        let key = format!("{}{name}", self.prefix);
        self.put("part", &vec![b'{'; (1 << 30) / PARTS as usize]).await;
        let begun = self.client.create_multipart_upload().bucket(&self.bucket).key(&key).send().await.expect("begun");
        let upload = begun.upload_id().expect("an id");
        let mut parts = Vec::new();
        for number in 1..=PARTS {
            let copy = self.client.upload_part_copy().bucket(&self.bucket).key(&key).upload_id(upload);
            let copy = copy.part_number(number).copy_source(format!("{}/{}part", self.bucket, self.prefix));
            let copied = copy.send().await.expect("copied").copy_part_result.expect("a result");
            parts.push(CompletedPart::builder().part_number(number).set_e_tag(copied.e_tag).build());
        }
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let complete = self.client.complete_multipart_upload().bucket(&self.bucket).key(&key).upload_id(upload);
        complete.multipart_upload(parts).send().await.expect("completed");
        self.remove("part").await;
    }

    /// Removes an object, which must be there.
    pub(crate) async fn remove(&self, name: &str) {
        let key = format!("{}{name}", self.prefix);
        self.client.head_object().bucket(&self.bucket).key(&key).send().await.expect("it is there");
        self.client.delete_object().bucket(&self.bucket).key(key).send().await.expect("removed");
    }

    /// Waits until the objects are these.
    pub(crate) async fn are_soon(&self, expected: &[String]) {
        let expected: BTreeSet<String> = expected.iter().cloned().collect();
        for _ in 0..200 {
            if self.names().await == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(self.names().await, expected, "{}", self.store.name);
    }
}
