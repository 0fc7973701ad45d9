//! Payloads of the older system's transfers: looked at, repaired and rebuilt like chunks.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{lines, operate, start, stdout};
use crate::harness::{Http, Reply, Server, files_below};

const PAYLOAD: &[u8] = b"what the older system's client sealed";

struct Ward {
    folder: TempDir,
    server: Server,
    id: String,
}

impl Ward {
    async fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let server = start(&folder.path().join("data"));
        let http = Http::new(&server);
        let created = Reply::to(http.post("/api/transfers/create").json(&json!({"file_size_bytes": 9}))).await.ok();
        let id = created.json::<Value>()["transfer_id"].as_str().expect("an id").to_owned();
        Reply::to(http.post(&format!("/api/transfers/upload/{id}")).body(PAYLOAD)).await.ok();
        Reply::to(http.post(&format!("/api/transfers/complete/{id}"))).await.ok();
        Self { folder, server, id }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn payloads(&self) -> PathBuf {
        self.data().join(format!("blobs/transfers/{}/payloads", self.id))
    }

    fn payload(&self) -> PathBuf {
        files_below(&self.payloads()).into_iter().next().expect("one")
    }

    /// What doctor says, with which exit status: damages and what came of them.
    async fn finds(&self, flags: &[&str], status: i32) -> Vec<(String, String)> {
        let arguments = [&["doctor", "--json", "--verify", "--older-than", "0s"], flags].concat();
        let mut found = lines(&operate(&self.data(), &arguments).await, status);
        found.pop().expect("a sum");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        found.iter().map(|line| (text(&line["damage"]), text(&line["outcome"]))).collect()
    }
}

fn one(damage: &str, outcome: &str) -> Vec<(String, String)> {
    vec![(damage.to_owned(), outcome.to_owned())]
}

#[tokio::test]
async fn doctor_finds_what_is_wrong_with_a_payload() {
    let ward = Ward::new().await;
    assert!(ward.finds(&[], 0).await.is_empty(), "all is well");
    let path = ward.payload();
    fs::write(&path, vec![b'x'; PAYLOAD.len()]).expect("written");
    assert_eq!(ward.finds(&["--repair"], 1).await, one("payload-bytes", "left"));
    fs::write(&path, b"short").expect("written");
    assert_eq!(ward.finds(&["--repair"], 1).await, one("payload-length", "left"));
    fs::remove_file(&path).expect("removed");
    assert_eq!(ward.finds(&["--repair"], 1).await, one("payload-missing", "left"));
    fs::write(&path, PAYLOAD).expect("written");

    fs::write(ward.payloads().join("00112233445566aa"), b"of a writer that died").expect("written");
    assert_eq!(ward.finds(&[], 1).await, one("payload-surplus", "repairable"));
    assert_eq!(ward.finds(&["--repair"], 0).await, one("payload-surplus", "repaired"));
    fs::remove_file(ward.payloads().parent().expect("above").join("meta.json")).expect("removed");
    assert_eq!(ward.finds(&["--repair"], 0).await, one("meta-missing", "repaired"));
    assert!(ward.finds(&[], 0).await.is_empty(), "all is well again");
    let stats = lines(&operate(&ward.data(), &["stats", "--blobs", "--json"]).await, 0);
    let blobs = &stats[0]["blobs"];
    assert_eq!((&blobs["payloads"], &blobs["payload_bytes"]), (&json!(1), &json!(PAYLOAD.len())));
    assert!(stdout(&operate(&ward.data(), &["transfer", "show", &ward.id]).await).contains("completed"));
}

#[tokio::test]
async fn a_payload_comes_back_without_its_row() {
    let mut ward = Ward::new().await;
    let before: Value = info(&ward).await;
    ward.server.kill();
    for name in ["haulier.sqlite", "haulier.sqlite-wal", "haulier.sqlite-shm"] {
        let _ = fs::remove_file(ward.data().join(name));
    }
    let sum = lines(&operate(&ward.data(), &["rebuild", "--json"]).await, 0);
    assert_eq!(sum[0]["restored"], 1, "{sum:?}");
    ward.server = start(&ward.data());
    let path = format!("/api/transfers/download/{}", ward.id);
    assert_eq!(&*Reply::to(Http::new(&ward.server).get(&path)).await.ok().body, PAYLOAD);
    let mut after = info(&ward).await;
    after["download_count"] = before["download_count"].clone();
    assert_eq!(after, before);

    // Other bytes are not what was sent.
    ward.server.kill();
    fs::write(ward.payload(), vec![b'x'; PAYLOAD.len()]).expect("written");
    for name in ["haulier.sqlite", "haulier.sqlite-wal", "haulier.sqlite-shm"] {
        let _ = fs::remove_file(ward.data().join(name));
    }
    let said = lines(&operate(&ward.data(), &["rebuild", "--json"]).await, 1);
    assert!(said[0]["reason"].as_str().is_some_and(|reason| reason.contains("other bytes")), "{said:?}");
}

async fn info(ward: &Ward) -> Value {
    Reply::to(Http::new(&ward.server).get(&format!("/api/transfers/info/{}", ward.id))).await.ok().json()
}
