//! `-o -`: one file, in order, and never a byte that was not verified.

use std::io::Read as _;
use std::process::Stdio;

use super::{Way, is_chunk, says};
use crate::harness::{Action, Haulier};

#[tokio::test]
async fn a_file_comes_in_order() {
    let way = Way::with_chunks(50).await;
    let output = way.get(&["-o", "-"]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout == way.sent, "the bytes, and nothing else");
    assert!(way.hidden().is_empty());
}

#[tokio::test]
async fn a_chunk_that_does_not_open_ends_it_before_its_first_byte() {
    let way = Way::with_chunks(20).await;
    way.proxy.on(|request| {
        if request.path.ends_with("/chunk/11") {
            Action::change(|answer| answer.body[5_000] ^= 1)
        } else {
            Action::Pass
        }
    });
    let output = way.get(&["-o", "-"]).await;
    assert_eq!(output.status.code(), Some(7));
    assert!(output.stdout.len() <= 11 * super::CHUNK && way.sent.starts_with(&output.stdout));
}

#[tokio::test]
async fn one_file_of_several_has_to_be_chosen() {
    let haulier = Haulier::new();
    let folder = haulier.home().join("two");
    std::fs::create_dir(&folder).expect("made");
    std::fs::write(folder.join("a"), b"aaa").expect("written");
    std::fs::write(folder.join("b"), b"bbb").expect("written");
    let way = Way::with(haulier, &folder, &[]).await;
    let output = way.get(&["-o", "-"]).await;
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    assert!(says(&output).contains("--only"), "{output:?}");
    assert!(way.asked().is_empty());
    let output = way.get(&["-o", "-", "--only", "b"]).await;
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"bbb"[..]));
    let output = way.get(&["-o", "-", "--only", "b", "--json"]).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[tokio::test]
async fn who_reads_only_the_beginning_hears_no_complaint() {
    let way = Way::with_chunks(100).await;
    let mut command = way.haulier.command(["get", &way.link, "-o", "-", "--quiet"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("haulier starts");
    let sent = way.sent.clone();
    let output = tokio::task::spawn_blocking(move || {
        let mut beginning = vec![0; 1_000];
        child.stdout.take().expect("piped").read_exact(&mut beginning).expect("read");
        assert!(sent.starts_with(&beginning));
        child.wait_with_output().expect("it ends")
    });
    let output = output.await.expect("not cancelled");
    assert_eq!((output.status.code(), says(&output).as_str()), (Some(8), ""));
}

#[tokio::test]
async fn broken_connections_do_not_show() {
    let way = Way::with_chunks(20).await;
    super::cut_first_tries(&way.proxy, 10_000);
    let output = way.get(&["-o", "-"]).await;
    assert!(output.status.success() && output.stdout == way.sent);
    assert!(way.proxy.record().all().iter().any(|exchange| is_chunk(&exchange.request.path)));
}
