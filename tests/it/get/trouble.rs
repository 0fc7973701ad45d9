//! Full disks, and places that cannot be written to.

use std::process::{Command, Output};

use super::{Way, says};

/// Runs a script in a mount namespace of its own: `$0` is the target's folder, and `$@` gets to `got.bin` in it.
async fn in_namespace(way: &Way, script: &str) -> Output {
    let inner = way.haulier.command(["get", &way.link, "-o", "there/got.bin"]);
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]).arg(way.there());
    command.arg(inner.get_program()).args(inner.get_args()).current_dir(way.haulier.home());
    command.env("HOME", way.haulier.home());
    tokio::task::spawn_blocking(move || command.output().expect("unshare runs")).await.expect("not cancelled")
}

#[tokio::test]
async fn a_disk_that_is_too_small_is_told_at_once() {
    let way = Way::with_chunks(32).await;
    let output =
        in_namespace(&way, r#"mount -t tmpfs -o size=1m tmpfs "$0" && "$@"; code=$?; ls -A "$0"; exit $code"#).await;
    assert_eq!(output.status.code(), Some(8), "{output:?}");
    assert!(says(&output).contains("has room for"), "{output:?}");
    assert!(way.asked().is_empty() && output.stdout.is_empty(), "{output:?}");
}

#[tokio::test]
async fn a_disk_that_fills_up_keeps_what_arrived() {
    let way = Way::with_chunks(64).await;
    way.proxy.limit(2 << 20);
    let script = r#"
        mount -t tmpfs -o size=5m tmpfs "$0" || exit 99
        (sleep 0.7; head -c 5m /dev/zero > "$0/filler") 2> /dev/null &
        "$@"; echo "first $?"
        wait
        rm "$0/filler"
        "$@"; echo "second $?"
        cp "$0/got.bin" "$0/../copy.bin"; ls -A "$0"
    "#;
    let output = in_namespace(&way, script).await;
    let said = says(&output);
    assert!(said.contains("first 8\n") && said.contains("second 0\n"), "{said}");
    assert!(said.contains("No space left") && said.contains("Make room"), "{said}");
    assert!(said.contains("What has arrived is kept") && said.contains("Going on"), "{said}");
    assert!(std::fs::read(way.haulier.home().join("copy.bin")).expect("there") == way.sent);
    assert!(said.lines().all(|line| !line.starts_with(".haulier-")), "{said}");
}

#[tokio::test]
async fn a_place_that_cannot_be_written_to_is_named() {
    let way = Way::with_chunks(2).await;
    let output = in_namespace(&way, r#"mount -t tmpfs -o ro tmpfs "$0" && "$@""#).await;
    assert_eq!(output.status.code(), Some(8), "{output:?}");
    assert!(says(&output).contains("cannot write there/got.bin: Read-only file system"), "{output:?}");
    for place in ["missing/got.bin", "sent.bin/got.bin"] {
        let output = way.get(&["-o", place]).await;
        assert_eq!(output.status.code(), Some(8), "{output:?}");
        assert!(says(&output).contains(&format!("cannot write {place}: No")), "{output:?}");
    }
    assert!(way.asked().is_empty());
}
