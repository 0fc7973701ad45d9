//! Folders, single files out of them, and lists.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{CHUNK, Way, is_chunk, says};
use crate::harness::{Action, Haulier, random_bytes};

/// A folder whose files do not end where chunks end.
fn album(haulier: &Haulier) -> std::path::PathBuf {
    let album = haulier.home().join("album");
    fs::create_dir_all(album.join("day 1")).expect("made");
    for (path, len) in
        [("a.bin", 3 * CHUNK / 2), ("day 1/b.bin", 100), ("day 1/c.bin", 2 * CHUNK), ("empty", 0), ("z.bin", 4 * CHUNK)]
    {
        fs::write(album.join(path), random_bytes(len)).expect("written");
    }
    album
}

async fn album_way() -> (Way, std::path::PathBuf) {
    let haulier = Haulier::new();
    let album = album(&haulier);
    (Way::with(haulier, &album, &["--chunk-size", "64KiB", "--message", "for you"]).await, album)
}

fn name(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

fn assert_same(one: &Path, other: &Path) {
    assert!(fs::read(one).expect("there") == fs::read(other).expect("there"), "{} differs", other.display());
}

#[tokio::test]
async fn a_thousand_small_files_arrive_with_their_times() {
    let haulier = Haulier::new();
    let folder = haulier.home().join("many");
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for number in 0..1_000 {
        let path = folder.join(format!("{}/{number}.txt", number % 7));
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(&path, random_bytes(number)).expect("written");
        fs::File::options().write(true).open(&path).expect("opens").set_modified(time).expect("set");
    }
    let way = Way::with(haulier, &folder, &[]).await;
    let output = way.get(&["--json", "-o", "there"]).await;
    assert!(output.status.success(), "{output:?}");
    assert!(says(&output).contains("\"files\":1000"), "{output:?}");
    for number in 0..1_000 {
        let name = format!("{}/{number}.txt", number % 7);
        let got = way.there().join("many").join(&name);
        assert_same(&folder.join(&name), &got);
        assert_eq!(got.metadata().expect("there").mtime(), 1_000_000_000);
    }
    assert!(way.hidden().is_empty());
}

#[tokio::test]
async fn a_folder_goes_on_where_it_stopped() {
    let (way, album) = album_way().await;
    way.proxy.on(|request| {
        if request.path.ends_with("/chunk/6") {
            Action::Answer(crate::harness::Answer { status: 410, headers: Vec::new(), body: Vec::new() })
        } else {
            Action::Pass
        }
    });
    let output = way.get(&["-o", "there", "--parallel", "1"]).await;
    assert!(!output.status.success(), "{output:?}");
    assert!(says(&output).contains("What has arrived is kept; the same command goes on from there."), "{output:?}");
    assert_eq!(way.hidden().len(), 3, "{output:?}");
    assert!(says(&output).contains(&format!("(It is in there/{}.)", name(&way.part()))), "{output:?}");
    way.proxy.on(|_| Action::Pass);
    let before = way.gets();
    let output = way.get(&["-o", "there"]).await;
    assert!(output.status.success(), "{output:?}");
    assert!(way.gets() - before <= 2, "{} chunks came again", way.gets() - before);
    for path in ["a.bin", "day 1/b.bin", "day 1/c.bin", "empty", "z.bin"] {
        assert_same(&album.join(path), &way.there().join("album").join(path));
    }
    assert!(way.hidden().is_empty());
}

#[tokio::test]
async fn only_the_chunks_that_cover_what_is_wanted_travel() {
    for (only, target, inside, chunks) in [
        (&["a.bin"][..], "a.bin", &[("a.bin", "")][..], &[0, 1][..]),
        (&["day 1/b.bin"], "b.bin", &[("day 1/b.bin", "")], &[1]),
        (&["day 1"], "day 1", &[("day 1/b.bin", "b.bin"), ("day 1/c.bin", "c.bin")], &[1, 2, 3]),
        (&["a.bin", "empty"], "album", &[("a.bin", "a.bin"), ("empty", "empty")], &[0, 1]),
        (&["empty"], "empty", &[("empty", "")], &[]),
    ] {
        let (way, album) = album_way().await;
        let mut arguments = vec!["-o", "there"];
        arguments.extend(only.iter().flat_map(|path| ["--only", path]));
        let output = way.get(&arguments).await;
        assert!(output.status.success(), "{output:?}");
        assert_eq!(way.asked().into_iter().collect::<Vec<_>>(), chunks, "{only:?}");
        for (path, below) in inside {
            let got = way.there().join(target);
            assert_same(&album.join(path), &if below.is_empty() { got } else { got.join(below) });
        }
        assert!(way.hidden().is_empty());
    }
}

#[tokio::test]
async fn a_path_that_is_not_there_is_told_and_nothing_travels() {
    let (way, _) = album_way().await;
    let output = way.get(&["--only", "b.bin", "-o", "there"]).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(says(&output).contains("\"b.bin\"") && says(&output).contains("--list"), "{output:?}");
    assert!(way.asked().is_empty() && fs::read_dir(way.there()).expect("a folder").count() == 0);
}

#[tokio::test]
async fn a_list_costs_no_chunk() {
    let (way, _) = album_way().await;
    let output = way.get(&["--list"]).await;
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    for line in ["album", "The sender says: for you", "100 B  day 1/b.bin", "0 B  empty", "in 5 files"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let output = way.get(&["--list", "--json"]).await;
    let listed: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one object");
    assert_eq!(listed["files"][1]["path"], "day 1/b.bin");
    assert_eq!(listed["files"][1]["size"], 100);
    assert_eq!(
        (&listed["name"], &listed["message"], &listed["authentic"]),
        (&"album".into(), &"for you".into(), &true.into())
    );
    assert!(!way.proxy.record().all().iter().any(|exchange| is_chunk(&exchange.request.path)));
}

#[tokio::test]
async fn a_sender_that_is_still_uploading_is_waited_for() {
    let way = Way::with_chunks(1).await;
    let pending = std::sync::atomic::AtomicUsize::new(2);
    way.proxy.on(move |request| {
        let is_info = request.path.contains("/info/");
        let left = pending.load(std::sync::atomic::Ordering::Relaxed);
        if !is_info || left == 0 {
            return Action::Pass;
        }
        pending.store(left - 1, std::sync::atomic::Ordering::Relaxed);
        Action::edit(|info| info["status"] = "pending".into())
    });
    let output = way.get_there().await;
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    assert!(says(&output).contains("--wait"), "{output:?}");
    way.arrived(&way.get(&["--wait", "-o", "there/got.bin"]).await);
}

#[tokio::test]
async fn a_link_is_taken_as_it_was_pasted() {
    let way = Way::with_chunks(1).await;
    let pasted = format!(" <{}>\n", way.link);
    way.arrived(&way.haulier.run(["get", &pasted, "-o", "there/got.bin"]).await);
}
