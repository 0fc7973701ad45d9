//! Doctor: each planted damage is found, and repaired only where that loses nobody anything.

use std::cell::Cell;
use std::time::Duration;

use haulier_wire::ProblemType;
use serde_json::Value;

use super::backend::{Backend, chunk, meta, on_every_backend};
use super::{lines, stdout};
use crate::harness::{Haulier, Http, Sample, Server, random_bytes, sha256_of, token_hash};
use crate::leases;

on_every_backend!(
    sound_data_has_no_findings_beside_a_running_server,
    a_damaged_chunk_of_an_upload_is_taken_back_and_sent_again,
    a_damaged_chunk_of_a_completed_transfer_is_only_reported,
    meta_json_is_written_again,
    blobs_that_nobody_can_ask_for_are_removed,
    what_a_writer_may_be_about_to_record_is_left_alone,
    what_a_rebuild_brings_back_is_never_removed,
    foreign_names_are_never_touched,
    folders_that_a_console_made_are_no_damage,
    uploads_under_way_are_no_damage,
);

/// A running server with a completed transfer of four chunks, and an upload that has three of its four.
struct Ward {
    backend: Backend,
    server: Server,
    http: Http,
    completed: Sample,
    pending: Sample,
}

impl Ward {
    async fn new(backend: Backend) -> Self {
        let server = backend.serve();
        let http = Http::new(&server);
        let [completed, pending] = [(); 2].map(|()| Sample::new(3 * 65_536 + 5, 65_536));
        completed.send(&http).await;
        pending.create(&http).await.ok();
        for index in 0..3 {
            pending.put(&http, index, 0).await.ok();
        }
        Self { backend, server, http, completed, pending }
    }

    /// What doctor finds, without the sum at the end; `[damage, transfer, index, outcome]`, sorted.
    async fn finds(&self, flags: &[&str], status: i32) -> Vec<[String; 4]> {
        let output = self.backend.operate(&[&["doctor", "--json"], flags].concat()).await;
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
        let before = self.backend.contents().await;
        let line = |outcome: &str| vec![[damage.to_owned(), id.to_string(), index.to_owned(), outcome.to_owned()]];
        assert_eq!(self.finds(flags, 1).await, line("repairable"), "dry");
        assert!(self.backend.contents().await == before, "{damage}: a dry run changes nothing");
        assert_eq!(self.finds(&[flags, &["--repair"]].concat(), 0).await, line("repaired"));
        let after = self.backend.contents().await;
        assert!(self.finds(&[flags, &["--repair"]].concat(), 0).await.is_empty(), "{damage}: gone after the repair");
        assert!(self.backend.contents().await == after, "{damage}: nothing more to repair");
    }

    /// One damage: found, and not touched by a repair.
    async fn is_left(&self, damage: &str, id: impl std::fmt::Display, index: &str, flags: &[&str]) {
        let before = self.backend.contents().await;
        let line = vec![[damage.to_owned(), id.to_string(), index.to_owned(), "left".to_owned()]];
        assert_eq!(self.finds(flags, 1).await, line, "dry");
        assert_eq!(self.finds(&[flags, &["--repair"]].concat(), 1).await, line, "with --repair");
        assert!(self.backend.contents().await == before, "{damage}: nothing was touched");
    }

    /// What damages a chunk.
    async fn hurt(&self, name: &str, how: Hurt) {
        let mut bytes = self.backend.read(name).await;
        match how {
            Hurt::Remove => return self.backend.remove(name).await,
            Hurt::CutShort => bytes.truncate(1000),
            Hurt::Grow => bytes.push(0),
            Hurt::FlipABit => bytes[1000] ^= 1,
        }
        self.backend.write(name, bytes).await;
    }
}

#[derive(Clone, Copy, Debug)]
enum Hurt {
    Remove,
    CutShort,
    Grow,
    FlipABit,
}

const ALL: &[&str] = &["--verify", "--older-than=0s"];

async fn sound_data_has_no_findings_beside_a_running_server(backend: Backend) {
    let ward = Ward::new(backend).await;
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
    let output = ward.backend.operate(&["doctor", "--verify", "--older-than=0s"]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = stdout(&output);
    assert!(text.starts_with("looked at 4 transfers, 9 chunks and "), "{text}");
    assert!(text.trim_end().ends_with("read and compared: 0 damaged, 0 repaired"), "{text}");
    assert_eq!(text.lines().count(), 1);

    ward.pending.put(&ward.http, 3, 0).await.ok();
    ward.pending.complete(&ward.http).await.ok();
}

async fn a_damaged_chunk_of_an_upload_is_taken_back_and_sent_again(backend: Backend) {
    let ward = Ward::new(backend).await;
    let id = ward.pending.id;
    for (damage, index, how, flags, missing) in [
        ("chunk-missing", 0, Hurt::Remove, &[][..], "[[0,0],[3,3]]"),
        ("chunk-length", 1, Hurt::CutShort, &[], "[[1,1],[3,3]]"),
        ("chunk-length", 0, Hurt::Grow, &[], "[[0,0],[3,3]]"),
        ("chunk-bytes", 2, Hurt::FlipABit, &["--verify"], "[[2,3]]"),
    ] {
        ward.hurt(&chunk(id, index), how).await;
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

async fn a_damaged_chunk_of_a_completed_transfer_is_only_reported(backend: Backend) {
    let ward = Ward::new(backend).await;
    let id = ward.completed.id;
    for (damage, index, how, flags) in [
        ("chunk-missing", 1, Hurt::Remove, &[][..]),
        ("chunk-length", 2, Hurt::CutShort, &[]),
        ("chunk-length", 3, Hurt::Grow, &[]),
        ("chunk-bytes", 0, Hurt::FlipABit, &["--verify"]),
    ] {
        let name = chunk(id, index);
        let sound = ward.backend.read(&name).await;
        ward.hurt(&name, how).await;
        ward.is_left(damage, id, &index.to_string(), flags).await;
        ward.backend.write(&name, sound).await;
        assert!(ward.finds(ALL, 0).await.is_empty(), "put back from a backup");
    }
    for lost in ["chunk_index = 1", "chunk_index >= 2"] {
        ward.backend.execute(&format!("DELETE FROM chunks WHERE {lost} AND transfer_id = '{id}'")).await;
        ward.is_left("chunk-unrecorded", id, "1", &[]).await;
    }
}

async fn meta_json_is_written_again(backend: Backend) {
    let ward = Ward::new(backend).await;
    let id = ward.completed.id;
    let name = meta(id);
    let text = ward.backend.read_text(&name).await;
    let other = Sample::new(7, 65_536);
    other.send(&ward.http).await;
    let others = ward.backend.read_text(&meta(other.id)).await;
    let hash = token_hash(crate::harness::DOWNLOAD_TOKEN);
    let open = text.replace(&format!(",\"download_token_hash\":\"{}\"", hash.as_str()), "");
    assert_ne!(open, text);
    let counted = text.replace("\"download_count\":0", "\"download_count\":7");
    assert_ne!(counted, text);

    ward.backend.remove(&name).await;
    ward.is_repaired("meta-missing", id, "", &[]).await;
    assert_eq!(ward.backend.read_text(&name).await, text);
    for wrong in [others, text[..200].to_owned(), String::new(), open, format!("{text} "), "{".repeat(3 << 20)] {
        ward.backend.write(&name, wrong).await;
        ward.is_repaired("meta-wrong", id, "", &[]).await;
        assert_eq!(ward.backend.read_text(&name).await, text);
    }
    ward.backend.write(&name, counted).await;
    assert!(ward.finds(&[], 0).await.is_empty(), "downloads are counted in the row alone");
    for limit in [2, 1] {
        let limited = leases::limited(&ward.http, 2, limit).await;
        let guest = leases::Guest::new(&ward.http, &limited, 1);
        guest.taken().await;
        guest.reads_all().await;
        let name = meta(limited.id);
        let spent = ward.backend.read_with(&name, "\"download_count\":1").await;
        // As if the server had been killed between the two.
        ward.backend.write(&name, spent.replace("\"download_count\":1", "\"download_count\":0")).await;
        ward.is_repaired("meta-wrong", limited.id, "", &[]).await;
        assert_eq!(ward.backend.read_text(&name).await, spent);
    }
    // A newer program wrote it, which may know more than this one.
    ward.backend.write(&name, text.replace("{\"v\":1,", "{\"v\":3,")).await;
    ward.is_left("meta-newer", id, "", &[]).await;
}

async fn blobs_that_nobody_can_ask_for_are_removed(backend: Backend) {
    let ward = Ward::new(backend).await;
    let backend = &ward.backend;
    let surplus = chunk(ward.completed.id, 4);
    backend.write(&surplus, "beyond the end").await;
    assert!(ward.finds(&["--repair"], 0).await.is_empty(), "too young to be judged");
    ward.is_repaired("chunk-surplus", ward.completed.id, "4", ALL).await;
    assert!(!backend.names().await.contains(&surplus));

    // A late writer published after the sweep had been there, and its process was killed before it could tidy up.
    let deleted = Sample::new(70_000, 65_536);
    deleted.send(&ward.http).await;
    deleted.delete(&ward.http).await.ok();
    let shown =
        async || lines(&backend.operate(&["transfer", "show", deleted.id.as_str(), "--json"]).await, 0).remove(0);
    while shown().await["bytes_removed"] == false {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    backend.is_gone_soon(deleted.id).await;
    backend.write(&chunk(deleted.id, 1), deleted.chunk(1, 0)).await;
    assert!(ward.finds(&["--repair"], 0).await.is_empty(), "too young: the writer may still tidy up");
    ward.is_repaired("leftover", deleted.id, "", ALL).await;
    assert!(backend.is_gone(deleted.id).await);

    // An upload that a restored database does not know: it can never be finished.
    let orphan = Sample::new(70_000, 65_536);
    for index in 0..2 {
        backend.write(&chunk(orphan.id, index), orphan.chunk(index, 0)).await;
    }
    assert!(ward.finds(&["--repair"], 0).await.is_empty(), "too young to be judged");
    ward.is_repaired("orphan", orphan.id, "", ALL).await;
    assert!(backend.is_gone(orphan.id).await);
    orphan.create(&ward.http).await.is(ProblemType::TransferDeleted);
    // A folder that a crash left empty.
    let empty = Sample::new(70_000, 65_536);
    backend.make_folder(&format!("transfers/{}/chunks", empty.id)).await;
    ward.is_repaired("orphan", empty.id, "", &[]).await;
    assert!(backend.is_gone(empty.id).await);
}

async fn what_a_writer_may_be_about_to_record_is_left_alone(backend: Backend) {
    let ward = Ward::new(backend).await;
    let name = chunk(ward.pending.id, 3);
    for bytes in [b"cut short".to_vec(), ward.pending.chunk(3, 9)] {
        ward.backend.write(&name, &bytes).await;
        assert!(ward.finds(&["--verify", "--repair", "--older-than=0s"], 0).await.is_empty());
        assert!(ward.backend.read(&name).await == bytes);
    }
    assert_eq!(ward.pending.put(&ward.http, 3, 0).await.ok().status, 201);
    ward.pending.complete(&ward.http).await.ok();
    assert_eq!(ward.pending.get(&ward.http, 3).await.ok().body, ward.pending.chunk(3, 0));
}

async fn what_a_rebuild_brings_back_is_never_removed(backend: Backend) {
    let ward = Ward::new(backend).await;
    let lost = &ward.completed;
    for table in ["chunks", "sealed_metadata"] {
        ward.backend.execute(&format!("DELETE FROM {table} WHERE transfer_id = '{}'", lost.id)).await;
    }
    ward.backend.execute(&format!("DELETE FROM transfers WHERE id = '{}'", lost.id)).await;
    lost.get(&ward.http, 2).await.is(ProblemType::TransferNotFound);
    ward.is_left("row-missing", lost.id, "", ALL).await;
    lines(&ward.backend.operate(&["rebuild", "--json"]).await, 0);
    assert!(ward.finds(ALL, 0).await.is_empty());
    assert_eq!(lost.get(&ward.http, 2).await.ok().body, lost.chunk(2, 0), "readable at once, without a restart");
}

async fn foreign_names_are_never_touched(backend: Backend) {
    let ward = Ward::new(backend).await;
    let backend = &ward.backend;
    let own = ward.completed.id.to_string();
    let bare = Sample::new(1, 65_536).id;
    for (name, id) in [
        ("transfers/notes".to_owned(), ""),
        ("transfers/x/y".to_owned(), ""),
        ("transfers/0123456789ABCDEF0123456789ABCDEF".to_owned(), ""),
        (format!("transfers/{bare}"), ""),
        (format!("transfers/{own}/notes.txt"), &own),
        (format!("transfers/{own}/chunks/1.bak"), &own),
        (format!("transfers/{own}/chunks/01"), &own),
    ] {
        backend.write(&name, "mine").await;
        ward.is_left("foreign-name", id, "", ALL).await;
        backend.remove(&name).await;
        if backend.is_on_disk() && name.ends_with("/y") {
            std::fs::remove_dir(ward.backend.data().join("blobs/transfers/x")).expect("empty");
        }
    }
    // Among blobs that could go, a foreign name keeps all of them.
    let orphan = Sample::new(70_000, 65_536);
    backend.write(&chunk(orphan.id, 0), "a blob").await;
    backend.write(&format!("transfers/{}/\u{1b}[31mred", orphan.id), "mine").await;
    let before = backend.contents().await;
    let output = backend.operate(&["doctor", "--repair", "--older-than=0s"]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = stdout(&output);
    assert!(!text.contains('\u{1b}') && text.contains("[31mred"), "{text}");
    assert!(text.contains(&format!("orphan {}: ", orphan.id)) && text.contains(" 2 damaged, 0 repaired"), "{text}");
    assert!(backend.contents().await == before);
}

async fn folders_that_a_console_made_are_no_damage(backend: Backend) {
    let ward = Ward::new(backend).await;
    let own = ward.completed.id;
    for folder in ["transfers".to_owned(), format!("transfers/{own}"), format!("transfers/{own}/chunks")] {
        ward.backend.make_folder(&folder).await;
    }
    assert!(ward.finds(&["--verify", "--repair", "--older-than=0s"], 0).await.is_empty());
    let (_, sum) = super::rebuild::rebuild(&ward.backend, 0).await;
    assert_eq!((&sum["known"], &sum["unfinished"], &sum["foreign"]), (&2.into(), &0.into(), &0.into()), "{sum}");
    // They go with their transfer.
    ward.completed.delete(&ward.http).await.ok();
    ward.backend.is_gone_soon(own).await;
}

async fn uploads_under_way_are_no_damage(backend: Backend) {
    let ward = Ward::new(backend).await;
    let sample = Sample::new(300 * 65_536, 65_536);
    sample.create(&ward.http).await.ok();
    let looks = Cell::new(0);
    let puts = async {
        for indices in (0..300_u32).collect::<Vec<_>>().chunks(8) {
            // However fast it is: half of it is there while the doctor looks.
            while indices[0] >= 150 && looks.get() < 2 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let puts = indices.iter().map(|index| sample.put(&ward.http, *index, 0));
            for reply in futures::future::join_all(puts).await {
                reply.ok();
            }
        }
        sample.complete(&ward.http).await.ok();
    };
    // And as people send: create, chunks, complete, one transfer after the other.
    let haulier = Haulier::new();
    let file = haulier.file("a.bin", &random_bytes(1_000_000));
    let people = async {
        let mut sent = Vec::new();
        for _ in 0..3 {
            sent.push(haulier.send(&file, ward.server.url(), &["--chunk-size", "64KiB"]).await);
        }
        sent
    };
    let mut uploads = std::pin::pin!(futures::future::join(puts, people));
    let ((), sent) = loop {
        tokio::select! {
            done = &mut uploads => break done,
            found = ward.finds(&["--repair", "--verify", "--older-than=0s"], 0) => {
                assert!(found.is_empty(), "{found:?}");
                looks.set(looks.get() + 1);
            }
        }
    };
    assert!(ward.finds(ALL, 0).await.is_empty());
    for index in 0..300 {
        assert_eq!(sample.get(&ward.http, index).await.ok().body, sample.chunk(index, 0), "chunk {index}");
    }
    for (number, sent) in sent.iter().enumerate() {
        let back = haulier.home().join(format!("back-{number}"));
        haulier.get(&sent.link, &back).await;
        assert_eq!(sha256_of(&back), sha256_of(&file));
    }
}
