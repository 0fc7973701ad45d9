//! `haulier info` of the legacy system's transfers, on its own servers and on ours.

use serde_json::{Value, json};

use super::send::send;
use super::{KEY, seal};
use crate::harness::{Haulier, LegacyServer, Server};

async fn told(haulier: &Haulier, arguments: &[&str]) -> String {
    let output = haulier.run([&["info"], arguments].concat()).await;
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

async fn told_json(haulier: &Haulier, wanted: &str) -> Value {
    serde_json::from_str(&told(haulier, &[wanted, "--json"]).await).expect("JSON")
}

#[tokio::test]
async fn a_link_and_an_id_show_what_the_server_says_and_nothing_is_downloaded() {
    let (ours, legacy) = (Server::start(), LegacyServer::start());
    for (url, ends) in [(ours.url(), true), (legacy.url(), false)] {
        let haulier = Haulier::new();
        haulier.file("a.txt", b"hello");
        let sent = send(&haulier, url, &["a.txt", "--downloads", "3"]).await;
        let (id, link) = (sent["transfer_id"].as_str().expect("an id"), sent["link"].as_str().expect("a link"));
        let output = haulier.run(["get", link, "-o", "got"]).await;
        assert!(output.status.success(), "{output:?}");
        let before = legacy.requests("/download/").len();
        for wanted in [link, id, &id[..6]] {
            let text = told(&haulier, &[wanted]).await;
            for line in ["State       complete", "Size        35 B in one piece", "Downloads   1 of at most 3"] {
                assert!(text.contains(line), "{line}: {text}");
            }
            assert_eq!(text.contains("Expires     never"), !ends, "{text}");
            assert!(text.contains("sealed with its content"), "{text}");
            assert!(!text.contains(link.rsplit('/').next().expect("a key")), "the key is not shown");

            let info = told_json(&haulier, wanted).await;
            assert_eq!((info["expires_at"].is_string(), info["created_at"].is_string()), (ends, true), "{info}");
            for (member, value) in [
                ("transfer_id", json!(id)),
                ("server", json!(url)),
                ("state", json!("completed")),
                ("file_size", json!(35)),
                ("total_chunks", json!(null)),
                ("passphrase", json!(false)),
                ("download_count", json!(1)),
                ("max_downloads", json!(3)),
                ("sealed", json!(null)),
            ] {
                assert_eq!(info[member], value, "{member}");
            }
        }
        assert_eq!(legacy.requests("/download/").len(), before, "no byte of it was asked for");
    }
}

#[tokio::test]
async fn every_state_of_a_legacy_server_is_told() {
    let server = LegacyServer::start();
    let haulier = Haulier::new();
    for (id, status, code, words) in [
        ("a00000000001", "pending", 0, "still uploading"),
        ("a00000000002", "exhausted", 0, "every download is spent"),
        ("a00000000003", "deleted", 4, ""),
        ("a00000000004", "expired", 4, ""),
    ] {
        server.put(id, seal(KEY, b"x"), status);
        let output = haulier.run(["info", &format!("{}/#{id}/{KEY}", server.url())]).await;
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains(words), "{output:?}");
    }
    let output = haulier.run(["info", &format!("{}/#a00000000000/{KEY}", server.url())]).await;
    assert_eq!(output.status.code(), Some(4), "{output:?}");
}
