//! The same command goes on: only missing chunks travel, and nothing that was changed meanwhile is believed.

use std::os::unix::fs::{FileExt as _, PermissionsExt as _, symlink};
use std::time::Duration;

use super::{WINDOW, Way, cut_first_tries, says};
use crate::harness::{Action, Http, Proxy, Reply};

const CHUNKS: usize = 64;

#[tokio::test]
async fn a_receiver_that_was_killed_goes_on_where_it_was() {
    let way = Way::with_chunks(CHUNKS).await;
    way.killed_after(CHUNKS / 2).await;
    assert!([way.part(), way.log()].iter().all(|path| path.exists()));
    for path in way.hidden() {
        assert_eq!(path.metadata().expect("there").permissions().mode() & 0o777, 0o600, "{}", path.display());
    }
    let before = way.gets();
    let output = way.get_there().await;
    way.arrived(&output);
    assert!(says(&output).contains("\"resumed\":true"), "{output:?}");
    let after = way.gets() - before;
    assert!(after <= CHUNKS + 1 - before + WINDOW, "{before} chunks came before the kill, {after} after it");
}

#[tokio::test]
async fn a_receiver_that_is_killed_again_and_again_arrives_in_the_end() {
    let way = Way::with_chunks(CHUNKS).await;
    for _ in 0..4 {
        way.killed_after(CHUNKS / 8).await;
    }
    way.arrived(&way.get_there().await);
    assert!(way.gets() <= CHUNKS + 1 + 4 * WINDOW, "{} chunks came", way.gets());
}

#[tokio::test]
async fn an_interrupted_receiver_says_that_it_goes_on() {
    let way = Way::with_chunks(CHUNKS).await;
    way.proxy.limit(2 << 20);
    let mut command = way.haulier.command(["get", &way.link, "-o", "there/got.bin"]);
    let child = command.stderr(std::process::Stdio::piped()).spawn().expect("haulier starts");
    while way.gets() < 8 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().expect("kill runs").success());
    let output =
        tokio::task::spawn_blocking(|| child.wait_with_output().expect("it ends")).await.expect("not cancelled");
    assert_eq!(output.status.code(), Some(130));
    assert!(says(&output).contains("The same command goes on where it stopped."), "{output:?}");
    way.proxy.limit(1 << 30);
    way.arrived(&way.get_there().await);
    assert!(way.gets() <= CHUNKS + 1 + WINDOW);
}

#[tokio::test]
async fn what_was_changed_in_the_part_travels_again() {
    let way = Way::with_chunks(CHUNKS).await;
    way.killed_after(CHUNKS / 2).await;
    let part = std::fs::File::options().write(true).open(way.part()).expect("opens");
    part.write_all_at(&vec![0; way.sent.len()], 0).expect("written");
    let before = way.gets();
    way.arrived(&way.get_there().await);
    assert_eq!(way.gets() - before, CHUNKS + 1);
}

#[tokio::test]
async fn a_damaged_log_starts_anew() {
    let way = Way::with_chunks(CHUNKS).await;
    way.killed_after(CHUNKS / 2).await;
    std::fs::write(way.log(), b"anything else").expect("written");
    let output = way.get(&["-o", "there/got.bin"]).await;
    way.arrived(&output);
    assert!(says(&output).contains("cannot be used; starting anew"), "{output:?}");
}

#[tokio::test]
async fn links_that_were_planted_are_not_followed() {
    let way = Way::with_chunks(CHUNKS).await;
    way.killed_after(CHUNKS / 2).await;
    let victim = way.haulier.file("victim", &vec![7; way.sent.len()]);
    for path in way.hidden() {
        std::fs::remove_file(&path).expect("removed");
        symlink(&victim, &path).expect("planted");
    }
    way.arrived(&way.get_there().await);
    assert!(std::fs::read(&victim).expect("there").iter().all(|byte| *byte == 7));
}

#[tokio::test]
async fn a_second_process_at_the_same_target_is_told_so() {
    let way = Way::with_chunks(CHUNKS).await;
    way.proxy.limit(1 << 20);
    let mut first = way.start();
    while way.gets() < 4 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let second = way.get_there().await;
    assert_eq!(second.status.code(), Some(8), "{second:?}");
    assert!(says(&second).contains("another process is getting this here"), "{second:?}");
    let elsewhere = way.get(&["-o", "there/other.bin", "--quiet"]);
    way.proxy.limit(1 << 30);
    assert!(elsewhere.await.status.success());
    assert!(first.wait().expect("it ends").success());
    std::fs::remove_file(way.there().join("other.bin")).expect("there");
    assert!(std::fs::read(way.target()).expect("there") == way.sent);
}

#[tokio::test]
async fn a_target_that_appears_meanwhile_keeps_what_arrived() {
    let way = Way::with_chunks(4).await;
    way.proxy.limit(64 << 10);
    let first = way.start();
    while way.hidden().len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    std::fs::write(way.target(), b"mine").expect("written");
    way.proxy.limit(1 << 30);
    let output =
        tokio::task::spawn_blocking(|| first.wait_with_output().expect("it ends")).await.expect("not cancelled");
    assert_eq!(output.status.code(), Some(8), "{output:?}");
    assert_eq!(std::fs::read(way.target()).expect("there"), b"mine");
    std::fs::remove_file(way.target()).expect("removed");
    let before = way.gets();
    way.arrived(&way.get_there().await);
    assert_eq!(way.gets(), before, "everything was there");
}

#[tokio::test]
async fn a_chunk_goes_on_at_the_byte_where_its_connection_broke() {
    let way = Way::with_chunks(4).await;
    cut_first_tries(&way.proxy, 40_000);
    way.arrived(&way.get_there().await);
    let all = way.proxy.record().all();
    let parts: Vec<_> = all.iter().filter(|exchange| exchange.status == Some(206)).collect();
    assert!(parts.len() >= 4, "{} parts", parts.len());
    assert!(parts.iter().all(|part| part.answer.len() < 64 << 10));
}

#[tokio::test]
async fn large_chunks_come_over_a_link_that_is_cut_again_and_again() {
    let haulier = crate::harness::Haulier::new();
    let sent = crate::harness::random_bytes(24 << 20);
    let path = haulier.file("sent.bin", &sent);
    let way = Way { sent, ..Way::with(haulier, &path, &["--chunk-size", "8MiB"]).await };
    // No chunk of 8 MiB gets through between two cuts.
    way.proxy.limit(6 << 20);
    way.proxy.cut_every(Duration::from_millis(700));
    way.arrived(&way.get_there().await);
    assert!(way.proxy.cuts() >= 3);
}

/// Three chunks of 8 MiB, over a line that needs 4 s for all of them.
async fn way_of_large_chunks() -> Way {
    let haulier = crate::harness::Haulier::new();
    let sent = crate::harness::random_bytes(24 << 20);
    let path = haulier.file("sent.bin", &sent);
    let way = Way { sent, ..Way::with(haulier, &path, &["--chunk-size", "8MiB"]).await };
    way.proxy.limit(6 << 20);
    way
}

/// Gets for a while, with no chunk whole at its end, and is killed; returns the bytes that came.
async fn killed_inside_the_chunks(way: &Way) -> u64 {
    let mut child = way.start();
    while way.proxy.record().chunk_bytes().1 < 12 << 20 {
        assert!(child.try_wait().expect("a child").is_none(), "it ended too early");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    child.kill().expect("killed");
    child.wait().expect("gone");
    way.proxy.hang_up().await;
    assert_eq!(way.gets(), 0, "no chunk was whole");
    way.proxy.record().chunk_bytes().1
}

/// Writes over what the first place holds that beginnings are kept at; returns the index of its chunk.
fn damage_beginning(way: &Way, bytes: &[u8], offset: u64) -> u32 {
    let arriving = std::fs::File::options().read(true).write(true).open(way.arriving()).expect("opens");
    let mut index = [0; 4];
    arriving.read_exact_at(&mut index, 16).expect("a head");
    arriving.write_all_at(bytes, offset).expect("written");
    u32::from_be_bytes(index)
}

#[tokio::test]
async fn a_receiver_that_was_killed_goes_on_inside_of_its_chunks() {
    let way = way_of_large_chunks().await;
    let before = killed_inside_the_chunks(&way).await;
    assert_eq!(way.arriving().metadata().expect("there").permissions().mode() & 0o777, 0o600);
    let output = way.get_there().await;
    way.arrived(&output);
    assert!(says(&output).contains("\"resumed\":true"), "{output:?}");
    let again = way.proxy.record().chunk_bytes().1 - way.sent.len() as u64;
    assert!(again < 6 << 20, "of {before} bytes {again} came again: more than a second brings");
}

#[tokio::test]
async fn what_was_changed_in_a_chunk_that_was_arriving_travels_again() {
    let way = way_of_large_chunks().await;
    killed_inside_the_chunks(&way).await;
    let index = damage_beginning(&way, &[1; 1000], 4_000);
    // The disk's fault is not counted against the way, which has one as well: the rest is damaged, and then the whole.
    damage_chunk(&way.proxy, index, 2);
    way.arrived(&way.get_there().await);
    assert_eq!(way.proxy.record().travelled_again("GET"), 2);
}

#[tokio::test]
async fn a_beginning_of_other_content_is_not_gone_on_from() {
    let way = way_of_large_chunks().await;
    killed_inside_the_chunks(&way).await;
    way.proxy.limit(1 << 30);
    let index = damage_beginning(&way, b"\"another", 32);
    way.arrived(&way.get_there().await);
    let all = way.proxy.record().all();
    let answered = |index| {
        let chunk = Some((way.id.clone(), index));
        let answered = all.iter().filter(|one| one.chunk() == chunk && one.request.method == "GET");
        answered.map(|one| one.status).collect::<Vec<_>>()
    };
    for other in 0..3 {
        let expected = if other == index { 200 } else { 206 };
        assert_eq!(answered(other), [Some(200), Some(expected)], "chunk {other}, with {index} changed");
    }
}

#[tokio::test]
async fn a_damaged_chunk_is_fetched_once_more_and_then_given_up() {
    let way = Way::with_chunks(8).await;
    damage_chunk(&way.proxy, 5, 1);
    way.arrived(&way.get_there().await);
    std::fs::remove_file(way.target()).expect("there");
    damage_chunk(&way.proxy, 5, usize::MAX);
    let output = way.get_there().await;
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert!(!way.target().exists(), "nothing appears");
    // A fault that passes, hours into a download, costs no more than itself.
    way.proxy.on(|_| Action::Pass);
    way.arrived(&way.get_there().await);
}

fn damage_chunk(proxy: &Proxy, index: u32, times: usize) {
    let (suffix, left) = (format!("/chunk/{index}"), std::sync::Mutex::new(times));
    proxy.on(move |request| {
        let mut left = left.lock().expect("fine");
        if *left == 0 || !request.path.ends_with(&suffix) {
            return Action::Pass;
        }
        *left -= 1;
        Action::change(|answer| answer.body[100] ^= 1)
    });
}

#[tokio::test]
async fn what_is_kept_goes_with_the_transfer() {
    let way = Way::with_chunks(CHUNKS).await;
    way.killed_after(CHUNKS / 2).await;
    delete(&way).await;
    let output = way.get_there().await;
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(way.hidden().is_empty(), "{:?}", way.hidden());
}

/// Deletes as the owner does: the token is in the sender's state.
async fn delete(way: &Way) {
    let record = way.haulier.home().join(format!("state/haulier/sent/{}.json", way.id));
    let record: serde_json::Value = serde_json::from_slice(&std::fs::read(record).expect("kept")).expect("JSON");
    let token = record["owner_token"].as_str().expect("a token");
    let http = Http::new(&way.server);
    let path = format!("/api/transfers/delete/{}", way.id);
    Reply::to(http.request(reqwest::Method::DELETE, &path).bearer_auth(token)).await.ok();
}
