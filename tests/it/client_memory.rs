//! The CLI holds as little memory for a large file as for a small one, whatever its chunks' size.
//!
//! `make soak` runs it with 20 GiB.

use std::fs::File;

use crate::harness::{Haulier, Server, sha256_of};

const MOST_BYTES: u64 = 200 << 20;

fn file_bytes() -> u64 {
    if std::env::var_os("HAULIER_SOAK").is_some() { 20 << 30 } else { 320 << 20 }
}

#[tokio::test]
async fn memory_is_bounded_whatever_the_size_of_file_and_chunks() {
    let (server, haulier) = (Server::start(), Haulier::new());
    let path = haulier.file("sparse.img", b"begin");
    File::options().write(true).open(&path).expect("there").set_len(file_bytes()).expect("longer");
    let (target, expected) = (haulier.home().join("back.img"), sha256_of(&path));
    for chunk_size in ["64MiB", "8MiB", "960KiB"] {
        let source = path.to_str().expect("UTF-8");
        let send = ["send", source, "--quiet", "--chunk-size", chunk_size, "--parallel", "32", "--to", server.url()];
        let (link, sending) = haulier.run_watched(send).await;
        let get = ["get", &link, "--quiet", "--parallel", "32", "-o", target.to_str().expect("UTF-8")];
        let (_, getting) = haulier.run_watched(get).await;
        assert_eq!(sha256_of(&target), expected, "chunks of {chunk_size}");
        println!("chunks of {chunk_size}: send {} MiB, get {} MiB", sending >> 20, getting >> 20);
        for (what, peak) in [("send", sending), ("get", getting)] {
            assert!((10 << 20..=MOST_BYTES).contains(&peak), "{what} with chunks of {chunk_size}: {} MiB", peak >> 20);
        }
        std::fs::remove_file(&target).expect("removed");
        haulier.run(["rm", &link]).await;
        if file_bytes() > 1 << 30 {
            // One size is enough of these.
            return;
        }
    }
}
