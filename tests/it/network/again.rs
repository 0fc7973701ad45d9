//! The same command again, when something is not as it was: finished, changed, copied, or in use.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::{CHUNKS, Journey, told};
use crate::harness::{Action, Haulier};

const BYTES_PER_SECOND: u64 = 16 << 20;

#[tokio::test]
async fn after_completion_it_makes_a_new_transfer() {
    let journey = Journey::begin().await;
    let (first, _) = journey.send().await;
    let (second, says) = journey.send().await;
    assert!(!says.contains("earlier"), "{says}");
    assert_eq!(journey.transfers().len(), 2);
    assert_ne!(first, second);
    assert_eq!(journey.proxy.record().whole_puts().len(), 2 * CHUNKS, "each with chunks of its own");
    journey.arrives(&first).await;
    journey.arrives(&second).await;
}

#[tokio::test]
async fn a_file_that_changed_since_becomes_a_new_transfer() {
    let journey = Journey::begin().await;
    journey.proxy.limit(BYTES_PER_SECOND);
    journey.send_killed_after(CHUNKS / 2).await;
    journey.haulier.file("a.bin", &crate::harness::random_bytes(super::FILE_BYTES));
    let (link, says) = journey.send().await;
    assert!(says.contains("The file has changed since the upload began"), "{says}");
    assert_eq!(journey.transfers().len(), 2);
    journey.arrives(&link).await;
}

/// Size and time say that nothing changed. The chunks that were sealed and did not arrive are sealed again, and differ.
#[tokio::test]
async fn a_file_that_changed_in_secret_is_noticed_at_the_chunk() {
    let journey = Journey::begin().await;
    journey
        .proxy
        .on(|request| if request.is_for_chunk("PUT", 9) { Action::CutRequestAfter(9000) } else { Action::Pass });
    let mut sending = journey.start(&journey.haulier);
    journey.chunks_left(CHUNKS / 2).await;
    sending.kill().expect("it can be killed");
    sending.wait().expect("it has ended");
    journey.proxy.on(|_| Action::Pass);
    let modified = fs::metadata(&journey.path).and_then(|metadata| metadata.modified()).expect("a time");
    let file = File::options().write(true).open(&journey.path).expect("the file");
    file.write_all_at(b"another text", (9 << 16) + 100).expect("written");
    file.set_modified(modified).expect("set");
    let (link, says) = journey.send().await;
    assert!(says.contains("The file has changed since the upload began"), "{says}");
    assert_eq!(journey.transfers().len(), 2);
    journey.arrives(&link).await;
}

/// Size, times and even the inode's own time say that nothing changed, and the chunk that differs is on the server.
#[tokio::test]
async fn another_file_does_not_go_on_as_the_second_half_of_the_first() {
    let journey = Journey::begin().await;
    journey.proxy.limit(BYTES_PER_SECOND);
    journey.send_killed_after(CHUNKS / 2).await;
    let file = File::options().write(true).open(&journey.path).expect("the file");
    file.write_all_at(b"another text", 100).expect("written");
    // Nobody can set an inode's time: a second state, of the file as it is now, tells what it would have to say.
    let other = Haulier::new();
    let mut beginning = journey.start(&other);
    journey.chunks_left(CHUNKS * 3 / 4).await;
    beginning.kill().expect("it can be killed");
    beginning.wait().expect("it has ended");
    take_for_unchanged(&upload_of(&journey.haulier), &upload_of(&other));
    let (link, says) = journey.send().await;
    assert!(says.contains("Going on where an earlier run stopped"), "{says}");
    assert!(says.contains("The file has changed since the upload began"), "{says}");
    journey.arrives(&link).await;
}

/// The folder of the only unfinished upload.
fn upload_of(haulier: &Haulier) -> PathBuf {
    let uploads = fs::read_dir(haulier.home().join("state/haulier/uploads")).expect("a folder");
    let uploads: Vec<_> = uploads.map(|entry| entry.expect("an entry").path()).collect();
    assert_eq!(uploads.len(), 1, "{uploads:?}");
    uploads[0].clone()
}

/// Makes a state say that its input is the one of another state. The tags are bound to the state and follow it.
fn take_for_unchanged(upload: &Path, other: &Path) {
    let read = |folder: &Path| {
        let text = fs::read_to_string(folder.join("state.json")).expect("readable");
        let body = text.lines().next().expect("JSON").to_owned();
        let json: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        (body, json["input"]["digest"].as_str().expect("a digest").to_owned())
    };
    let ((body, own), (_, wanted)) = (read(upload), read(other));
    assert_ne!(own, wanted, "the change shows");
    let body = body.replace(&own, &wanted);
    let checksum = blake3::hash(body.as_bytes());
    fs::write(upload.join("state.json"), format!("{body}\n{}\n", checksum.to_hex())).expect("written");
    let mut tags = fs::read(upload.join("tags")).expect("readable");
    for (index, record) in (0_u32..).zip(tags.chunks_exact_mut(32)).filter(|(_, record)| record.iter().any(|b| *b != 0))
    {
        let mut hasher = blake3::Hasher::new_keyed(checksum.as_bytes());
        hasher.update(&index.to_be_bytes()).update(&record[..16]);
        record[16..].copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    }
    fs::write(upload.join("tags"), tags).expect("written");
}

#[tokio::test]
async fn a_file_that_changes_between_a_put_and_its_retry_is_not_sealed_again() {
    let journey = Journey::begin().await;
    let (path, is_changed) = (journey.path.clone(), AtomicBool::new(false));
    journey.proxy.on(move |request| {
        if request.is_for_chunk("PUT", 9) && !is_changed.swap(true, Ordering::Relaxed) {
            let file = File::options().write(true).open(&path).expect("the file");
            file.write_all_at(b"another text", (9 << 16) + 100).expect("written");
            return Action::CutRequestAfter(9000);
        }
        Action::Pass
    });
    let output = journey.haulier.run(journey.arguments()).await;
    let says = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(9), "{says}");
    assert!(says.contains("changed while it was being sent"), "{says}");
    assert!(output.stdout.is_empty(), "no link");
    journey.proxy.record().assert_sealed_once();
    let (link, _) = journey.send().await;
    assert_eq!(journey.transfers().len(), 2);
    journey.arrives(&link).await;
}

#[tokio::test]
async fn a_copied_state_seals_nothing_again() {
    let journey = Journey::begin().await;
    journey.proxy.limit(BYTES_PER_SECOND);
    journey.send_killed_after(CHUNKS / 4).await;
    let copy = Haulier::new();
    copy_folder(&journey.haulier.home().join("state"), &copy.home().join("state"));
    journey.send_killed_after(CHUNKS * 3 / 4).await;

    // The server has chunks that the copy knows nothing of.
    let (link, says) = told(&copy.run(journey.arguments()).await);
    assert!(says.contains("An earlier upload cannot go on; a new transfer starts"), "{says}");
    assert_eq!(journey.transfers().len(), 2);
    journey.arrives(&link).await;
    let (link, _) = journey.send().await;
    journey.arrives(&link).await;
}

#[tokio::test]
async fn a_state_and_its_copy_at_the_same_time_send_the_same_bytes() {
    let journey = Journey::begin().await;
    journey.proxy.limit(BYTES_PER_SECOND);
    journey.send_killed_after(CHUNKS / 4).await;
    let copy = Haulier::new();
    copy_folder(&journey.haulier.home().join("state"), &copy.home().join("state"));
    let (ours, theirs) = tokio::join!(journey.haulier.run(journey.arguments()), copy.run(journey.arguments()));
    for output in [ours, theirs] {
        let (link, _) = told(&output);
        journey.arrives(&link).await;
    }
}

#[tokio::test]
async fn two_processes_do_not_share_a_state() {
    let journey = Journey::begin().await;
    journey.proxy.limit(BYTES_PER_SECOND);
    journey.send_killed_after(CHUNKS / 2).await;
    let (one, other) = tokio::join!(journey.send(), journey.send());
    assert_ne!(one.0, other.0);
    assert_eq!(journey.transfers().len(), 2);
    let says = [one.1, other.1];
    for message in ["Going on where an earlier run stopped", "Another process is sending this file"] {
        assert_eq!(says.iter().filter(|says| says.contains(message)).count(), 1, "{message}: {says:?}");
    }
    journey.arrives(&one.0).await;
    journey.arrives(&other.0).await;
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("a folder").map(|entry| entry.expect("an entry")) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}
