//! Doctor: each planted damage is found, and repaired only where that loses nobody anything.

use std::fs;
use std::path::Path;

use haulier_wire::ProblemType;
use serde_json::Value;
use tempfile::TempDir;

use super::{contents, execute, lines, operate, start, stdout, transfer_folder};
use crate::harness::{Haulier, Http, Sample, Server, eventually, random_bytes};

/// A running server with a completed transfer of four chunks, and an upload that has three of its four.
struct Ward {
    folder: TempDir,
    server: Server,
    http: Http,
    completed: Sample,
    pending: Sample,
}

impl Ward {
    async fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let server = start(&folder.path().join("data"));
        let http = Http::new(&server);
        let [completed, pending] = [(); 2].map(|()| Sample::new(3 * 65_536 + 5, 65_536));
        completed.send(&http).await;
        pending.create(&http).await.ok();
        for index in 0..3 {
            pending.put(&http, index, 0).await.ok();
        }
        Self { folder, server, http, completed, pending }
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    fn chunk(&self, sample: &Sample, index: u32) -> std::path::PathBuf {
        self.server.chunk_path(sample.id.as_str(), index)
    }

    fn meta(&self) -> std::path::PathBuf {
        transfer_folder(&self.data(), self.completed.id).join("meta.json")
    }

    /// What doctor finds, without the sum at the end; `[damage, transfer, index, outcome]`, sorted.
    async fn finds(&self, flags: &[&str], status: i32) -> Vec<[String; 4]> {
        let output = operate(&self.data(), &[&["doctor", "--json"], flags].concat()).await;
        let mut lines = lines(&output, status);
        let sum = lines.pop().expect("a sum");
        assert_eq!(sum["damaged"], lines.len(), "{lines:?}");
        let mut found: Vec<_> = lines
            .iter()
            .map(|line| {
                ["damage", "transfer_id", "index", "outcome"].map(|member| match &line[member] {
                    Value::String(text) => text.clone(),
                    Value::Null => String::new(),
                    other => other.to_string(),
                })
            })
            .collect();
        found.sort();
        found
    }

    /// One damage: found without a change, then repaired, then gone.
    async fn is_repaired(&self, damage: &str, id: impl std::fmt::Display, index: &str, flags: &[&str]) {
        let before = contents(&self.data());
        let line = |outcome: &str| vec![[damage.to_owned(), id.to_string(), index.to_owned(), outcome.to_owned()]];
        assert_eq!(self.finds(flags, 1).await, line("repairable"), "dry");
        assert!(contents(&self.data()) == before, "{damage}: a dry run changes nothing");
        assert_eq!(self.finds(&[flags, &["--repair"]].concat(), 0).await, line("repaired"));
        assert!(self.finds(flags, 0).await.is_empty(), "{damage}: gone after the repair");
    }

    /// One damage: found, and not touched by a repair.
    async fn is_left(&self, damage: &str, id: impl std::fmt::Display, index: &str, flags: &[&str]) {
        let before = contents(&self.data());
        let line = vec![[damage.to_owned(), id.to_string(), index.to_owned(), "left".to_owned()]];
        assert_eq!(self.finds(flags, 1).await, line, "dry");
        assert_eq!(self.finds(&[flags, &["--repair"]].concat(), 1).await, line, "with --repair");
        assert!(contents(&self.data()) == before, "{damage}: nothing was touched");
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        let target = to.join(entry.file_name().expect("a name"));
        if entry.is_dir() {
            copy(&entry, &target);
        } else {
            fs::copy(entry, target).expect("copied");
        }
    }
}

fn remove(path: &Path) {
    fs::remove_file(path).expect("removed");
}

fn flip_a_bit(path: &Path) {
    let mut bytes = fs::read(path).expect("read");
    bytes[1000] ^= 1;
    fs::write(path, bytes).expect("written");
}

fn cut_short(path: &Path) {
    fs::OpenOptions::new().write(true).open(path).expect("opened").set_len(1000).expect("cut");
}

const ALL: &[&str] = &["--verify", "--older-than=0s"];

#[tokio::test]
async fn sound_data_has_no_findings_beside_a_running_server() {
    let ward = Ward::new().await;
    let haulier = Haulier::new();
    let file = haulier.file("a.bin", &random_bytes(300_000));
    haulier.send(&file, ward.server.url(), &[]).await;
    let (deleted, changed) = (Sample::new(5, 65_536), Sample::new(0, 65_536));
    deleted.send(&ward.http).await;
    deleted.delete(&ward.http).await.ok();
    changed.send(&ward.http).await;
    changed.patch(&ward.http, "{\"expires_in_seconds\":3600}").await.ok();
    for index in [0, 0, 0] {
        changed.get(&ward.http, index).await.ok();
    }
    let output = operate(&ward.data(), &["doctor", "--verify", "--older-than=0s"]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = stdout(&output);
    assert!(text.starts_with("looked at 4 transfers, 9 chunks and "), "{text}");
    assert!(text.trim_end().ends_with("read and compared: 0 damaged, 0 repaired"), "{text}");
    assert_eq!(text.lines().count(), 1);

    ward.pending.put(&ward.http, 3, 0).await.ok();
    ward.pending.complete(&ward.http).await.ok();
}

#[tokio::test]
async fn a_damaged_chunk_of_an_upload_is_taken_back_and_sent_again() {
    let ward = Ward::new().await;
    let id = ward.pending.id;
    for (damage, index, hurt, flags, missing) in [
        ("chunk-missing", 0, remove as fn(&Path), &[][..], "[[0,0],[3,3]]"),
        ("chunk-length", 1, cut_short, &[], "[[1,1],[3,3]]"),
        ("chunk-bytes", 2, flip_a_bit, &["--verify"], "[[2,3]]"),
    ] {
        hurt(&ward.chunk(&ward.pending, index));
        if damage == "chunk-bytes" {
            assert!(ward.finds(&[], 0).await.is_empty(), "lengths alone do not tell");
        }
        ward.is_repaired(damage, id, &index.to_string(), flags).await;
        let status: Value = ward.pending.status(&ward.http).await.ok().json();
        assert_eq!(status["missing"].to_string(), missing);
        assert_eq!(status["stored_chunks"], 2);
        ward.pending.complete(&ward.http).await.is(ProblemType::ChunksMissing);
        ward.pending.put(&ward.http, index, 9).await.is(ProblemType::ChunkConflict);
        assert_eq!(ward.pending.put(&ward.http, index, 0).await.ok().status, 201, "the same bytes come again");
    }
    ward.pending.put(&ward.http, 3, 0).await.ok();
    ward.pending.complete(&ward.http).await.ok();
    for index in 0..4 {
        assert_eq!(ward.pending.get(&ward.http, index).await.ok().body, ward.pending.chunk(index, 0));
    }
    assert!(ward.finds(ALL, 0).await.is_empty());
}

#[tokio::test]
async fn a_damaged_chunk_of_a_completed_transfer_is_only_reported() {
    let ward = Ward::new().await;
    let id = ward.completed.id;
    for (damage, index, hurt, flags) in [
        ("chunk-missing", 1, remove as fn(&Path), &[][..]),
        ("chunk-length", 2, cut_short, &[]),
        ("chunk-bytes", 0, flip_a_bit, &["--verify"]),
    ] {
        let path = ward.chunk(&ward.completed, index);
        let sound = fs::read(&path).expect("read");
        hurt(&path);
        ward.is_left(damage, id, &index.to_string(), flags).await;
        fs::write(&path, sound).expect("put back from a backup");
        assert!(ward.finds(ALL, 0).await.is_empty());
    }
    execute(
        &ward.data(),
        "DELETE FROM chunks WHERE chunk_index = 1 AND transfer_id IN \
        (SELECT id FROM transfers WHERE state = 'completed')",
    )
    .await;
    ward.is_left("chunk-unrecorded", id, "1", &[]).await;
    execute(
        &ward.data(),
        "DELETE FROM chunks WHERE chunk_index >= 2 AND transfer_id IN \
        (SELECT id FROM transfers WHERE state = 'completed')",
    )
    .await;
    ward.is_left("chunk-unrecorded", id, "1", &[]).await;
}

#[tokio::test]
async fn meta_json_is_written_again() {
    let ward = Ward::new().await;
    let (meta, id) = (ward.meta(), ward.completed.id);
    let sound = fs::read(&meta).expect("read");
    let other = Sample::new(7, 65_536);
    other.send(&ward.http).await;
    let others = fs::read(transfer_folder(&ward.data(), other.id).join("meta.json")).expect("read");
    let text = String::from_utf8(sound.clone()).expect("UTF-8");
    let open = text.replace(
        &format!(
            ",\"download_token_hash\":\"{}\"",
            crate::harness::token_hash(crate::harness::DOWNLOAD_TOKEN).as_str()
        ),
        "",
    );
    assert_ne!(open, text);
    let counted = text.replace("\"download_count\":0", "\"download_count\":7");
    assert_ne!(counted, text);

    fs::remove_file(&meta).expect("removed");
    ward.is_repaired("meta-missing", id, "", &[]).await;
    assert_eq!(fs::read(&meta).expect("read"), sound);
    for wrong in
        [others, sound[..200].to_vec(), open.into_bytes(), format!("{text} ").into_bytes(), vec![b'{'; 3 << 20]]
    {
        fs::write(&meta, wrong).expect("written");
        ward.is_repaired("meta-wrong", id, "", &[]).await;
        assert_eq!(fs::read(&meta).expect("read"), sound);
    }
    fs::write(&meta, counted).expect("written");
    assert!(ward.finds(&[], 0).await.is_empty(), "downloads are counted in the row alone");
}

#[tokio::test]
async fn blobs_that_nobody_can_ask_for_are_removed() {
    let ward = Ward::new().await;
    let surplus = ward.chunk(&ward.completed, 4);
    fs::write(&surplus, "beyond the end").expect("written");
    assert!(ward.finds(&["--repair"], 0).await.is_empty(), "too young to be judged");
    ward.is_repaired("chunk-surplus", ward.completed.id, "4", ALL).await;
    assert!(!surplus.exists());

    // A late writer published after the sweep had been there, and its process was killed before it could tidy up.
    let deleted = Sample::new(70_000, 65_536);
    deleted.send(&ward.http).await;
    let folder = transfer_folder(&ward.data(), deleted.id);
    let kept = ward.folder.path().join("kept");
    copy(&folder, &kept);
    deleted.delete(&ward.http).await.ok();
    let shown =
        async || lines(&operate(&ward.data(), &["transfer", "show", deleted.id.as_str(), "--json"]).await, 0).remove(0);
    while shown().await["bytes_removed"] == false {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    eventually("swept", || !folder.exists()).await;
    copy(&kept.join("chunks"), &folder.join("chunks"));
    assert!(ward.finds(&["--repair"], 0).await.is_empty(), "too young: the writer may still tidy up");
    ward.is_repaired("leftover", deleted.id, "", ALL).await;
    assert!(!folder.exists());

    // An upload that a restored database does not know: it can never be finished.
    let orphan = Sample::new(70_000, 65_536);
    let folder = transfer_folder(&ward.data(), orphan.id);
    copy(&kept.join("chunks"), &folder.join("chunks"));
    assert!(ward.finds(&["--repair"], 0).await.is_empty(), "too young to be judged");
    ward.is_repaired("orphan", orphan.id, "", ALL).await;
    assert!(!folder.exists());
    orphan.create(&ward.http).await.is(ProblemType::TransferDeleted);
    // A folder that a crash left empty.
    let empty = Sample::new(70_000, 65_536);
    fs::create_dir_all(transfer_folder(&ward.data(), empty.id).join("chunks")).expect("made");
    ward.is_repaired("orphan", empty.id, "", &[]).await;
}

#[tokio::test]
async fn what_a_rebuild_brings_back_is_never_removed() {
    let ward = Ward::new().await;
    let other = Ward::new().await;
    let lost = &other.completed;
    copy(&transfer_folder(&other.data(), lost.id), &transfer_folder(&ward.data(), lost.id));
    ward.is_left("row-missing", lost.id, "", ALL).await;
    lines(&operate(&ward.data(), &["rebuild", "--json"]).await, 0);
    assert!(ward.finds(ALL, 0).await.is_empty());
    assert_eq!(lost.get(&ward.http, 2).await.ok().body, lost.chunk(2, 0), "readable at once, without a restart");
}

#[tokio::test]
async fn foreign_names_are_never_touched() {
    let ward = Ward::new().await;
    let transfers = ward.data().join("blobs/transfers");
    let own = transfer_folder(&ward.data(), ward.completed.id);
    for (place, id) in [
        (transfers.join("notes"), String::new()),
        (transfers.join("0123456789ABCDEF0123456789ABCDEF"), String::new()),
        (own.join("notes.txt"), ward.completed.id.to_string()),
        (own.join("chunks/1.bak"), ward.completed.id.to_string()),
        (own.join("chunks/01"), ward.completed.id.to_string()),
    ] {
        fs::write(&place, "mine").expect("written");
        ward.is_left("foreign-name", id, "", ALL).await;
        fs::remove_file(place).expect("still there");
    }
    // Among blobs that could go, a foreign name keeps all of them.
    let orphan = Sample::new(70_000, 65_536);
    let folder = transfer_folder(&ward.data(), orphan.id);
    fs::create_dir_all(folder.join("chunks")).expect("made");
    fs::write(folder.join("chunks/0"), "a blob").expect("written");
    fs::write(folder.join("\u{1b}[31mred"), "mine").expect("written");
    let before = contents(&ward.data());
    let output = operate(&ward.data(), &["doctor", "--repair", "--older-than=0s"]).await;
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(!text.contains('\u{1b}') && text.contains("[31mred"), "{text}");
    assert!(text.contains(&format!("orphan {}: ", orphan.id)) && text.contains(" 2 damaged, 0 repaired"), "{text}");
    assert!(contents(&ward.data()) == before);
}

#[tokio::test]
async fn uploads_under_way_are_no_damage() {
    let ward = Ward::new().await;
    let sample = Sample::new(400 * 65_536, 65_536);
    sample.create(&ward.http).await.ok();
    let uploads = async {
        for indices in (0..400_u32).collect::<Vec<_>>().chunks(8) {
            let puts = indices.iter().map(|index| sample.put(&ward.http, *index, 0));
            for reply in futures::future::join_all(puts).await {
                reply.ok();
            }
        }
        sample.complete(&ward.http).await.ok();
    };
    let mut uploads = std::pin::pin!(uploads);
    let mut looks = 0;
    loop {
        tokio::select! {
            () = &mut uploads => break,
            found = ward.finds(&["--repair", "--verify", "--older-than=0s"], 0) => {
                assert!(found.is_empty(), "{found:?}");
                looks += 1;
            }
        }
    }
    assert!(looks >= 2, "the doctor looked {looks} times while chunks arrived");
    assert!(ward.finds(ALL, 0).await.is_empty());
    for index in 0..400 {
        assert_eq!(sample.get(&ward.http, index).await.ok().body, sample.chunk(index, 0), "chunk {index}");
    }
}
