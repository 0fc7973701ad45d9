//! Transfers of opaque bytes: to the server, sealed chunks are nothing else.

use std::sync::atomic::{AtomicU64, Ordering};

use haulier_wire::api::{CreateRequest, Encryption};
use haulier_wire::encoding::Base64Url;
use haulier_wire::kind::IvStrategy;
use haulier_wire::{ByteLen, ChunkCount, ChunkIndex, ChunkLayout, TokenHash, TransferId};
use sha2::{Digest as _, Sha256};

use super::{Http, Reply};

pub(crate) const OWNER_TOKEN: &str = "the-owner-token-of-the-sample-transfers-1234";
pub(crate) const DOWNLOAD_TOKEN: &str = "the-download-token-of-the-samples-123456789";

/// One transfer to be.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) id: TransferId,
    pub(crate) layout: ChunkLayout,
}

impl Sample {
    pub(crate) fn new(file_size: u64, chunk_size: u64) -> Self {
        let id = TransferId::from_random_bytes(random_bytes(16).try_into().expect("16 bytes"));
        let layout = ChunkLayout::new(ByteLen::new(file_size).expect("in range"), chunk_size).expect("a layout");
        Self { id, layout }
    }

    /// The create request of a FULL transfer.
    pub(crate) fn create_request(&self) -> CreateRequest {
        CreateRequest {
            transfer_id: Some(self.id),
            total_chunks: ChunkCount::new(self.layout.total_chunks()).expect("in range"),
            chunk_size: ByteLen::new(self.layout.chunk_size().into()).expect("in range"),
            file_size: ByteLen::new(self.layout.file_size()).expect("in range"),
            encryption: Encryption::v1(IvStrategy::PrefixCounter),
            sealed_metadata: Some(Base64Url(vec![7; 100])),
            key_check: Some(Base64Url(vec![8; 32])),
            kdf: None,
            expires_in_seconds: None,
            expires_at: None,
            max_downloads: None,
            owner_token_hash: Some(token_hash(OWNER_TOKEN)),
            download_token_hash: Some(token_hash(DOWNLOAD_TOKEN)),
        }
    }

    /// The create request of a SEED transfer without tokens.
    pub(crate) fn seed_request(&self) -> CreateRequest {
        CreateRequest {
            encryption: Encryption::v1(IvStrategy::Counter),
            sealed_metadata: None,
            key_check: None,
            owner_token_hash: None,
            download_token_hash: None,
            ..self.create_request()
        }
    }

    /// The bytes of sealed chunk `index`: the same for the same id, index and `variant`.
    pub(crate) fn chunk(&self, index: u32, variant: u8) -> Vec<u8> {
        let len = self.layout.sealed_len(ChunkIndex::new(index).expect("in range")).expect("the chunk exists");
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.id.as_str().as_bytes()).update(&index.to_be_bytes()).update(&[variant]);
        let mut bytes = vec![0; usize::try_from(len).expect("fits")];
        hasher.finalize_xof().fill(&mut bytes);
        bytes
    }

    pub(crate) async fn create(&self, http: &Http) -> Reply {
        self.create_with(http, &self.create_request()).await
    }

    /// Creates with other members than [`Sample::create_request`].
    pub(crate) async fn create_with(&self, http: &Http, request: &CreateRequest) -> Reply {
        Reply::to(http.post("/api/transfers/create").json(request)).await
    }

    pub(crate) fn put_request(&self, http: &Http, index: u32, body: Vec<u8>) -> reqwest::RequestBuilder {
        http.put(&self.chunk_path(index)).bearer_auth(OWNER_TOKEN).body(body)
    }

    /// The head of a PUT of chunk `index` as it travels; `headers` end in `\r\n` each.
    pub(crate) fn put_head(&self, index: u32, headers: &str) -> String {
        let path = self.chunk_path(index);
        format!("PUT {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {OWNER_TOKEN}\r\n{headers}\r\n")
    }

    pub(crate) async fn put(&self, http: &Http, index: u32, variant: u8) -> Reply {
        Reply::to(self.put_request(http, index, self.chunk(index, variant))).await
    }

    pub(crate) async fn complete(&self, http: &Http) -> Reply {
        Reply::to(http.post(&format!("/api/transfers/complete/{}", self.id)).bearer_auth(OWNER_TOKEN)).await
    }

    /// Creates, uploads every chunk in variant 0, completes.
    pub(crate) async fn send(&self, http: &Http) {
        self.create(http).await.ok();
        for index in 0..self.layout.total_chunks() {
            self.put(http, index, 0).await.ok();
        }
        self.complete(http).await.ok();
    }

    pub(crate) async fn get(&self, http: &Http, index: u32) -> Reply {
        let path = format!("/api/transfers/download/{}/chunk/{index}", self.id);
        Reply::to(http.get(&path).bearer_auth(DOWNLOAD_TOKEN)).await
    }

    pub(crate) async fn status(&self, http: &Http) -> Reply {
        Reply::to(http.get(&format!("/api/transfers/upload/{}", self.id)).bearer_auth(OWNER_TOKEN)).await
    }

    pub(crate) async fn patch(&self, http: &Http, body: &str) -> Reply {
        let path = format!("/api/transfers/upload/{}", self.id);
        Reply::to(http.request(reqwest::Method::PATCH, &path).bearer_auth(OWNER_TOKEN).body(body.to_owned())).await
    }

    pub(crate) async fn info(&self, http: &Http) -> Reply {
        Reply::to(http.get(&format!("/api/transfers/info/{}", self.id))).await
    }

    pub(crate) async fn manifest(&self, http: &Http) -> Reply {
        Reply::to(http.get(&format!("/api/transfers/manifest/{}", self.id)).bearer_auth(DOWNLOAD_TOKEN)).await
    }

    pub(crate) async fn delete(&self, http: &Http) -> Reply {
        let path = format!("/api/transfers/delete/{}", self.id);
        Reply::to(http.request(reqwest::Method::DELETE, &path).bearer_auth(OWNER_TOKEN)).await
    }

    pub(crate) fn chunk_path(&self, index: u32) -> String {
        format!("/api/transfers/upload/{}/chunk/{index}", self.id)
    }

    /// Every sealed chunk in variant 0, end to end.
    pub(crate) fn whole(&self) -> Vec<u8> {
        (0..self.layout.total_chunks()).flat_map(|index| self.chunk(index, 0)).collect()
    }
}

pub(crate) fn token_hash(token: &str) -> TokenHash {
    TokenHash::from_digest(&Sha256::digest(token.as_bytes()).into())
}

/// Bytes that no other test gets.
pub(crate) fn random_bytes(len: usize) -> Vec<u8> {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let mut hasher = blake3::Hasher::new();
    hasher.update(&CALLS.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    hasher.update(&std::process::id().to_be_bytes());
    let mut bytes = vec![0; len];
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}
