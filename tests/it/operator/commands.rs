//! migrate, stats and transfer, beside a running server and without one.

use std::fs;

use haulier_wire::ProblemType;
use tempfile::TempDir;

use super::{execute, lines, operate, start, stderr, stdout, transfer_folder};
use crate::harness::{DOWNLOAD_TOKEN, Http, OWNER_TOKEN, Sample, files_below, token_hash};

#[tokio::test]
async fn migrate_says_from_where_to_where() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    let output = operate(&data, &["migrate"]).await;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(stdout(&output), "the database is new: schema version 5\n");
    // As the version before left it.
    let undone = "DELETE FROM _sqlx_migrations WHERE version = 5; DROP TABLE leases;
        ALTER TABLE transfers DROP COLUMN held; ALTER TABLE transfers DROP COLUMN abandoned_bytes";
    execute(&data, undone).await;
    let output = operate(&data, &["migrate"]).await;
    assert_eq!(stdout(&output), "the database went from schema version 4 to 5\n", "{output:?}");
    let server = start(&data);
    let output = operate(&data, &["migrate"]).await;
    assert_eq!(stdout(&output), "the database is up to date: schema version 5\n", "beside a server: {output:?}");
    drop(server);
    execute(&data, "UPDATE _sqlx_migrations SET version = 99 WHERE version = 5").await;
    for command in [&["migrate"][..], &["stats"], &["doctor"], &["rebuild"]] {
        let output = operate(&data, command).await;
        assert_eq!(output.status.code(), Some(1), "{command:?}: {output:?}");
        assert!(stderr(&output).contains("HAULIER_DATABASE_URL"), "{command:?}: {output:?}");
    }
}

#[tokio::test]
async fn nothing_is_made_where_no_server_was() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    let id = Sample::new(1, 65_536).id;
    for command in [
        &["stats"][..],
        &["doctor", "--repair"],
        &["rebuild"],
        &["transfer", "show", id.as_str()],
        &["transfer", "delete", id.as_str()],
    ] {
        let output = operate(&data, command).await;
        assert_eq!(output.status.code(), Some(1), "{command:?}: {output:?}");
        assert!(stderr(&output).contains("HAULIER_DATA_DIR"), "{command:?}: {output:?}");
        assert!(!data.exists(), "{command:?}");
    }
    // An old schema is not touched either.
    operate(&data, &["migrate"]).await;
    drop(start(&data));
    execute(&data, "DELETE FROM _sqlx_migrations").await;
    let output = operate(&data, &["stats"]).await;
    assert!(stderr(&output).contains("this program needs 5: run haulier-server migrate"), "{output:?}");
}

#[tokio::test]
async fn another_users_data_is_refused() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    drop(start(&data));
    let user = std::os::unix::fs::MetadataExt::uid(&fs::metadata(&data).expect("there"));
    // Only root can give folders away; whoever is not root finds root's everywhere.
    let blobs = if user == 0 {
        std::os::unix::fs::chown(data.join("blobs"), Some(12_345), None).expect("given away");
        data.join("blobs")
    } else {
        "/usr".into()
    };
    let url = format!("file://{}", blobs.display());
    let output = super::operate_with(&data, &["stats"], &[("HAULIER_BLOB_URL", &url)]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("run it as the server's user"), "{output:?}");
}

#[tokio::test]
async fn one_environment_serves_all_commands() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    drop(start(&data));
    let fine = [("HAULIER_MAX_REQUESTS", "7"), ("HAULIER_METRICS_LISTEN", "127.0.0.1:9090")];
    lines(&super::operate_with(&data, &["stats", "--json"], &fine).await, 0);
    // What it does not use is checked as well: the server would refuse it.
    let output = super::operate_with(&data, &["stats", "--json"], &[("HAULIER_MAX_REQUESTS", "0")]).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(stderr(&output).contains("HAULIER_MAX_REQUESTS"), "{output:?}");
}

#[tokio::test]
async fn stats_add_up() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    let server = start(&data);
    let http = Http::new(&server);
    let samples: Vec<Sample> = (0..5).map(|_| Sample::new(70_000, 65_536)).collect();
    for sample in &samples[..4] {
        sample.send(&http).await;
    }
    samples[4].create(&http).await.ok();
    samples[4].put(&http, 0, 0).await.ok();
    samples[3].delete(&http).await.ok();
    samples[2].patch(&http, "{\"expires_in_seconds\":1}").await.ok();
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    crate::harness::eventually("swept", || !transfer_folder(&data, samples[3].id).exists()).await;
    let sum = lines(&operate(&data, &["stats", "--blobs", "--json"]).await, 0).remove(0);
    let sealed = 70_000 + 2 * 28;
    for (sort, expected) in [
        ("pending", (1, 70_000, 1, 65_564)),
        ("completed", (2, 140_000, 4, 2 * sealed)),
        ("to_be_swept", (1, 70_000, 2, sealed)),
        ("gone", (1, 70_000, 2, sealed)),
    ] {
        let found = &sum[sort];
        let (transfers, declared, chunks, bytes) = expected;
        assert_eq!(found["transfers"], transfers, "{sort}: {sum}");
        assert_eq!((&found["declared_bytes"], &found["stored_chunks"]), (&declared.into(), &chunks.into()), "{sort}");
        assert_eq!(found["stored_bytes"], bytes, "{sort}");
    }
    let metas: u64 = samples[..3]
        .iter()
        .map(|sample| fs::metadata(transfer_folder(&data, sample.id).join("meta.json")).expect("there").len())
        .sum();
    let blobs = serde_json::json!({ "transfers": 4, "chunks": 7, "chunk_bytes": 3 * sealed + 65_564, "payloads": 0, "payload_bytes": 0, "other_bytes": metas });
    assert_eq!(sum["blobs"], blobs);
    let text = stdout(&operate(&data, &["stats"]).await);
    assert!(
        text.lines().any(|line| line.split_whitespace().eq("completed 2 136.7 KiB 4 136.8 KiB".split(' '))),
        "{text}"
    );
    assert!(!text.contains("in the store"));
    assert!(lines(&operate(&data, &["stats", "--json"]).await, 0)[0].get("blobs").is_none());
}

#[tokio::test]
async fn show_tells_what_is_known_and_no_secret() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    let server = start(&data);
    let http = Http::new(&server);
    let sample = Sample::new(70_000, 65_536);
    sample.create(&http).await.ok();
    sample.put(&http, 1, 0).await.ok();
    let show = async |json: &[&str]| operate(&data, &[&["transfer", "show", sample.id.as_str()], json].concat()).await;
    let known = lines(&show(&["--json"]).await, 0).remove(0);
    let expected = [
        ("state", "pending".into()),
        ("file_size", 70_000.into()),
        ("total_chunks", 2.into()),
        ("stored_chunks", 1.into()),
        ("stored_bytes", (70_000 - 65_536 + 28).into()),
        ("sealed_metadata_bytes", 100.into()),
        ("needs_passphrase", false.into()),
        ("has_owner_token", true.into()),
        ("expires_seconds_after_complete", (7 * 24 * 3600).into()),
        ("expires_at", serde_json::Value::Null),
        ("completed_at", serde_json::Value::Null),
    ];
    for (member, value) in expected {
        assert_eq!(known[member], value, "{member}: {known}");
    }
    assert!(known["upload_expires_at"].is_string());
    sample.put(&http, 0, 0).await.ok();
    sample.complete(&http).await.ok();
    let text = stdout(&show(&[]).await) + &stdout(&show(&["--json"]).await);
    for line in ["state:            completed\n", "chunks stored:    2 of 2, 64.0 KiB each\n", "downloads:        0\n"]
    {
        assert!(text.contains(line), "{text}");
    }
    for secret in [token_hash(OWNER_TOKEN).as_str(), token_hash(DOWNLOAD_TOKEN).as_str(), "CAgICAgICAg", "BwcHBwcHBwc"]
    {
        assert!(!text.contains(secret), "{text}");
    }
    let output = operate(&data, &["transfer", "show", Sample::new(1, 65_536).id.as_str()]).await;
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(1), ""));
    assert!(stderr(&output).contains("knows a transfer"), "{output:?}");
}

#[tokio::test]
async fn a_link_in_an_ids_place_is_refused_and_its_key_not_repeated() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    let link = format!("https://host/#{}/{}", Sample::new(1, 65_536).id, "K".repeat(43));
    for command in ["show", "delete"] {
        let output = operate(&data, &["transfer", command, &link]).await;
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = stdout(&output) + &stderr(&output);
        assert!(said.contains("the 32 digits behind the # of a link") && !said.contains("KKK"), "{said}");
    }
}

#[tokio::test]
async fn the_operator_deletes_while_the_server_serves() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    let server = start(&data);
    let http = Http::new(&server);
    let (completed, pending, kept) =
        (Sample::new(70_000, 65_536), Sample::new(70_000, 65_536), Sample::new(70_000, 65_536));
    completed.send(&http).await;
    kept.send(&http).await;
    pending.create(&http).await.ok();
    pending.put(&http, 0, 0).await.ok();
    let delete = async |sample: &Sample| operate(&data, &["transfer", "delete", sample.id.as_str(), "--json"]).await;
    for sample in [&completed, &pending] {
        for status in ["deleted", "already_deleted"] {
            assert_eq!(lines(&delete(sample).await, 0)[0]["status"], status);
            assert!(!transfer_folder(&data, sample.id).exists(), "the bytes go at once");
        }
        crate::delete::every_route_is(&http, sample, ProblemType::TransferDeleted).await;
    }
    assert_eq!(kept.get(&http, 0).await.ok().body, kept.chunk(0, 0));
    // What has bytes and no row is deleted as well, and a rebuild does not bring it back.
    let lost = Sample::new(70_000, 65_536);
    let folder = transfer_folder(&data, lost.id);
    fs::create_dir_all(folder.join("chunks")).expect("made");
    fs::write(folder.join("chunks/0"), "x").expect("written");
    assert_eq!(lines(&delete(&lost).await, 0)[0]["status"], "deleted");
    assert!(!folder.exists());
    lost.create(&http).await.is(ProblemType::TransferDeleted);
    let unknown = delete(&Sample::new(1, 65_536)).await;
    assert_eq!(unknown.status.code(), Some(1), "{unknown:?}");
    assert_eq!(fs::read_dir(data.join("blobs/transfers")).expect("a folder").count(), 1);
}

#[tokio::test]
async fn deleting_races_uploads_and_loses_nothing_else() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    let server = start(&data);
    let http = Http::new(&server);
    let kept = Sample::new(100 * 65_536, 65_536);
    kept.create(&http).await.ok();
    let keep = async {
        for index in 0..100 {
            // Never refused because the database was busy elsewhere.
            kept.put(&http, index, 0).await.ok();
        }
        kept.complete(&http).await.ok();
    };
    let abuse = async {
        for _ in 0..6 {
            let sample = Sample::new(20 * 65_536, 65_536);
            sample.create(&http).await.ok();
            let puts = (0..20).map(|index| sample.put(&http, index, 0));
            let uploads = futures::future::join_all(puts);
            let (_, deleted) =
                futures::future::join(uploads, operate(&data, &["transfer", "delete", sample.id.as_str()])).await;
            assert!(deleted.status.success(), "{deleted:?}");
            sample.status(&http).await.is(ProblemType::TransferDeleted);
            crate::harness::eventually("late writers tidied up", || {
                files_below(&transfer_folder(&data, sample.id)).is_empty()
            })
            .await;
        }
    };
    futures::future::join(keep, abuse).await;
    for index in 0..100 {
        assert_eq!(kept.get(&http, index).await.ok().body, kept.chunk(index, 0));
    }
}
