//! Where things land when the place is not as it was, or the sender's name is not one to be taken as it is.

use std::fs;
use std::process::{Command, Stdio};

use super::{CHUNK, Way, says};
use crate::harness::{Action, Answer, Haulier, random_bytes};

/// Answers every chunk from `first` on as a server does that lost it.
fn without_chunks_from(way: &Way, first: u32) {
    way.proxy.on(move |request| {
        let index = request.path.rsplit_once("/chunk/").and_then(|(_, index)| index.parse::<u32>().ok());
        match index {
            Some(index) if index >= first => {
                Action::Answer(Answer { status: 410, headers: Vec::new(), body: Vec::new() })
            }
            _ => Action::Pass,
        }
    });
}

#[tokio::test]
async fn a_senders_name_with_a_dot_is_not_taken_unasked() {
    let haulier = Haulier::new();
    let path = haulier.file(".bashrc", b"alias ls=rm");
    let way = Way::with(haulier, &path, &[]).await;
    let output = way.get(&["-o", "there"]).await;
    assert!(output.status.success(), "{output:?}");
    let said = says(&output);
    assert!(said.contains("The sender's name is \".bashrc\"") && said.contains("it becomes \"_bashrc\""), "{said}");
    assert!(said.contains("Got there/_bashrc"), "{said}");
    assert!(way.there().join("_bashrc").exists() && !way.there().join(".bashrc").exists());
    let output = way.get(&["-o", "there/.bashrc"]).await;
    assert!(output.status.success() && !says(&output).contains("becomes"), "{output:?}");
    assert_eq!(fs::read(way.there().join(".bashrc")).expect("there"), b"alias ls=rm");
}

#[tokio::test]
async fn a_folder_that_appears_where_the_target_was_to_be_loses_nothing() {
    let way = Way::with_chunks(16).await;
    without_chunks_from(&way, 12);
    let output = way.get(&["-o", "there/place", "--parallel", "1"]).await;
    assert!(!output.status.success(), "{output:?}");
    assert_eq!(way.hidden().len(), 2);
    fs::create_dir(way.there().join("place")).expect("made");
    way.proxy.on(|_| Action::Pass);
    let before = way.gets();
    let output = way.get(&["-o", "there/place", "--json"]).await;
    assert!(output.status.success() && says(&output).contains("\"resumed\":true"), "{output:?}");
    assert!(fs::read(way.there().join("place/sent.bin")).expect("there") == way.sent);
    assert!(way.gets() - before <= 5, "{} chunks came again", way.gets() - before);
    assert!(way.hidden().is_empty() && fs::read_dir(way.there().join("place")).expect("a folder").count() == 1);
}

#[tokio::test]
async fn a_folder_of_one_file_goes_on_in_a_folder_that_appears() {
    let haulier = Haulier::new();
    let album = haulier.home().join("album");
    fs::create_dir_all(album.join("d")).expect("made");
    let sent = random_bytes(16 * CHUNK);
    fs::write(album.join("d/a.bin"), &sent).expect("written");
    let way = Way::with(haulier, &album, &["--chunk-size", "64KiB"]).await;
    without_chunks_from(&way, 12);
    assert!(!way.get(&["-o", "there/place", "--parallel", "1"]).await.status.success());
    fs::create_dir(way.there().join("place")).expect("made");
    way.proxy.on(|_| Action::Pass);
    let before = way.gets();
    let output = way.get(&["-o", "there/place", "--json"]).await;
    assert!(output.status.success() && says(&output).contains("\"resumed\":true"), "{output:?}");
    assert!(fs::read(way.there().join("place/album/d/a.bin")).expect("there") == sent);
    assert!(way.gets() - before <= 5, "{} chunks came again", way.gets() - before);
    assert!(way.hidden().is_empty() && fs::read_dir(way.there().join("place")).expect("a folder").count() == 1);
}

#[tokio::test]
async fn a_file_of_ones_own_among_what_has_arrived_is_kept() {
    let haulier = Haulier::new();
    let album = haulier.home().join("album");
    fs::create_dir_all(album.join("d")).expect("made");
    fs::write(album.join("a.bin"), random_bytes(4 * CHUNK)).expect("written");
    fs::write(album.join("d/b.bin"), random_bytes(4 * CHUNK)).expect("written");
    let way = Way::with(haulier, &album, &["--chunk-size", "64KiB"]).await;
    without_chunks_from(&way, 6);
    assert!(!way.get(&["-o", "there", "--parallel", "1"]).await.status.success());
    fs::write(way.part().join("d/thesis.txt"), b"mine").expect("written");
    way.proxy.on(|_| Action::Pass);
    let output = way.get(&["-o", "there"]).await;
    assert!(output.status.success(), "{output:?}");
    let aside = way.there().join(format!("haulier-found-{}", &way.id[..8]));
    assert_eq!(fs::read(aside.join("d/thesis.txt")).expect("kept"), b"mine");
    assert!(says(&output).contains(&format!("is in there/haulier-found-{}", &way.id[..8])), "{output:?}");
    assert!(!aside.join("a.bin").exists() && way.hidden().is_empty());
    assert!(fs::read(way.there().join("album/d/b.bin")).is_ok());
}

#[tokio::test]
async fn what_was_set_aside_is_told_also_when_nothing_can_begin() {
    let haulier = Haulier::new();
    let album = haulier.home().join("album");
    fs::create_dir(&album).expect("made");
    for name in ["a.bin", "b.bin"] {
        fs::write(album.join(name), random_bytes(4 * CHUNK)).expect("written");
    }
    let way = Way::with(haulier, &album, &["--chunk-size", "64KiB"]).await;
    without_chunks_from(&way, 6);
    assert!(!way.get(&["-o", "there", "--parallel", "1"]).await.status.success());
    fs::write(way.part().join("thesis.txt"), b"mine").expect("written");
    // No file may become longer than 32 KiB: the new part cannot be made.
    let get = way.haulier.command(["get", way.link.as_str(), "-o", "there"]);
    let mut limited = Command::new("sh");
    limited.args(["-c", r#"trap '' XFSZ; ulimit -f 64; exec "$@""#, "sh"]).arg(get.get_program()).args(get.get_args());
    limited.current_dir(way.haulier.home()).env_clear().stdin(Stdio::null());
    limited.envs(get.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = tokio::task::spawn_blocking(move || limited.output().expect("sh runs")).await.expect("not cancelled");
    let said = says(&output);
    assert!(!output.status.success() && said.contains("cannot write there/album"), "{said}");
    assert!(said.contains(&format!("is in there/haulier-found-{}", &way.id[..8])), "{said}");
    let aside = way.there().join(format!("haulier-found-{}", &way.id[..8]));
    assert_eq!(fs::read(aside.join("thesis.txt")).expect("kept"), b"mine");
    assert!(way.hidden().is_empty(), "{:?}", way.hidden());
}
