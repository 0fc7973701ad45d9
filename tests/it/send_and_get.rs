//! The main job on real input: send a file with the CLI, get it back from its link.

use haulier_wire::Problem;
use haulier_wire::problem::ProblemType;

use crate::harness::{Haulier, Http, Reply, Server, random_bytes, sha256_of};

const CHUNK: usize = 960 << 10;

#[tokio::test]
async fn every_size_around_a_chunk_comes_back_as_it_was() {
    let server = Server::start();
    let haulier = Haulier::new();
    for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 1, 2 * CHUNK, 2 * CHUNK + 1] {
        let path = haulier.file(&format!("{size}.bin"), &random_bytes(size));
        let sent = haulier.send(&path, server.url(), &[]).await;
        assert_eq!(sent.file_size, size as u64);
        let target = haulier.home().join(format!("{size}.out"));
        let got = haulier.get(&sent.link, &target).await;
        assert_eq!((got.path, got.file_size), (target.clone(), size as u64));
        assert_eq!(sha256_of(&target), sha256_of(&path), "{size} bytes");
    }
}

#[tokio::test]
async fn a_name_survives_with_its_spaces_emoji_and_quotes() {
    let server = Server::start();
    let haulier = Haulier::new();
    let folder = haulier.home().join("there");
    std::fs::create_dir(&folder).expect("made");
    for name in [
        "two words.txt",
        "\u{1f69a} lorry \u{1f9d1}\u{200d}\u{1f527}.mp4",
        "it's \"quoted\" & $HOME `x`.txt",
        "-o.txt",
        "Zürich ﬁ.txt",
    ] {
        let path = haulier.file(name, name.as_bytes());
        let sent = haulier.send(&path, server.url(), &[]).await;
        let got = haulier.get(&sent.link, &folder).await;
        assert_eq!(got.path.file_name(), path.file_name(), "into a folder, under the sender's name");
        assert_eq!(sha256_of(&folder.join(name)), sha256_of(&path), "{name}");
    }
}

#[tokio::test]
async fn large_files_travel_in_parallel() {
    let server = Server::start();
    let haulier = Haulier::new();
    let path = haulier.file("large.bin", &random_bytes(200 << 20));
    let sent = haulier.send(&path, server.url(), &[]).await;
    let target = haulier.home().join("large.out");
    haulier.get(&sent.link, &target).await;
    assert_eq!(sha256_of(&target), sha256_of(&path));
}

#[tokio::test]
async fn every_key_mode_opens_with_what_it_needs_and_with_nothing_else() {
    let server = Server::start();
    let sender = Haulier::new().env("HAULIER_PASSPHRASE", "correct horse battery staple");
    let path = sender.file("secret.txt", b"the contents");
    for (flags, segments) in [(&[][..], 2), (&["--passphrase"][..], 3), (&["--passphrase-only"][..], 1)] {
        let sent = sender.send(&path, server.url(), flags).await;
        let fragment = sent.link.split_once('#').expect("a fragment").1;
        let parts: Vec<&str> = fragment.trim_start_matches('/').split('/').collect();
        assert_eq!((parts.len(), parts[0]), (segments, sent.transfer_id.as_str()), "{flags:?}");

        let target = sender.home().join(format!("{segments}.out"));
        sender.get(&sent.link, &target).await;
        assert_eq!(std::fs::read(&target).expect("there"), b"the contents");

        if segments != 2 {
            let stranger = Haulier::new().env("HAULIER_PASSPHRASE", "correct horse battery stable");
            let output = stranger.run(["get", &sent.link, "-o", "x"]).await;
            assert_eq!(output.status.code(), Some(3), "a wrong passphrase: {output:?}");
            assert!(!stranger.home().join("x").exists());
        }
    }
}

#[tokio::test]
async fn a_wrong_link_leaves_nothing_and_says_what_is_wrong() {
    let server = Server::start();
    let haulier = Haulier::new();
    let path = haulier.file("a.txt", b"hello");
    let sent = haulier.send(&path, server.url(), &[]).await;
    let key = sent.link.rsplit('/').next().expect("a key");
    let other_key: String = key.chars().rev().collect();
    let unknown_id = "0".repeat(32);
    let cases = [
        (sent.link.replace(key, &format!("A{}", &key[1..])), 3),
        (sent.link.replace(key, &other_key[1..]), 3),
        (sent.link.replace(&sent.transfer_id, &unknown_id), 4),
        ("not a link".to_owned(), 3),
        (format!("{}/p", sent.link), 3),
        (sent.link.replace(&format!("/{key}"), ""), 3),
    ];
    for (link, code) in cases {
        let output = haulier.run(["get", &link, "-o", "target"]).await;
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{link}: {stderr}");
        assert!(!stderr.is_empty() && !stderr.contains(key), "a message without the key: {stderr}");
        assert!(!haulier.home().join("target").exists());
        let left: Vec<_> =
            std::fs::read_dir(haulier.home()).expect("a folder").map(|entry| entry.expect("one").file_name()).collect();
        assert!(left.iter().all(|name| name == "a.txt" || name == "state" || name == "config"), "{left:?}");
    }
}

#[tokio::test]
async fn an_existing_file_stays_unless_force_is_given() {
    let server = Server::start();
    let haulier = Haulier::new();
    let path = haulier.file("a.txt", b"new");
    let sent = haulier.send(&path, server.url(), &[]).await;
    let target = haulier.file("b.txt", b"old");
    let output = haulier.run(["get", &sent.link, "-o", "b.txt"]).await;
    assert_eq!(output.status.code(), Some(8), "{output:?}");
    assert_eq!(std::fs::read(&target).expect("there"), b"old");
    let output = haulier.run(["get", &sent.link, "-o", "b.txt", "--force"]).await;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(std::fs::read(&target).expect("there"), b"new");
}

#[tokio::test]
async fn a_deleted_and_a_pending_transfer_are_told_apart() {
    let server = Server::start();
    let (haulier, http) = (Haulier::new(), Http::new(&server));
    let pending = crate::harness::Sample::new(1, 65536);
    pending.create(&http).await.ok();
    let key = "A".repeat(43);
    let output = haulier.run(["get", &format!("{}/#{}/{key}", server.url(), pending.id), "-o", "x"]).await;
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    pending.delete(&http).await.ok();
    let output = haulier.run(["get", &format!("{}/#{}/{key}", server.url(), pending.id), "-o", "x"]).await;
    assert_eq!(output.status.code(), Some(4), "{output:?}");
}

#[tokio::test]
async fn a_sender_outlives_a_server_that_is_killed_and_comes_back() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    let options = || crate::harness::ServerOptions::default().data_dir(&data);
    let mut server = Server::start_with(options());
    let url = server.url().to_owned();
    let haulier = Haulier::new();
    let path = haulier.file("large.bin", &random_bytes(100 << 20));
    let send = haulier.send(&path, &url, &["--chunk-size", "64KiB"]);
    let outage = async {
        let transfers = data.join("blobs/transfers");
        while std::fs::read_dir(&transfers).map_or(0, Iterator::count) == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        server.kill();
        let address = url.trim_start_matches("http://").to_owned();
        Server::start_with(options().env("HAULIER_LISTEN", address))
    };
    let (sent, server) = tokio::join!(send, outage);
    let target = haulier.home().join("large.out");
    haulier.get(&sent.link, &target).await;
    assert_eq!(sha256_of(&target), sha256_of(&path));
    drop(server);
}

#[tokio::test]
async fn a_stored_chunk_is_not_the_plaintext() {
    let server = Server::start();
    let haulier = Haulier::new();
    let plaintext = b"a sentence that must not stand anywhere on the server's disk".repeat(3);
    let path = haulier.file("a-file-name-that-must-not-stand-there.txt", &plaintext);
    let sent = haulier.send(&path, server.url(), &["--message", "a message that must not stand there"]).await;
    let key = sent.link.rsplit('/').next().expect("a key").as_bytes().to_vec();
    for file in files_below(server.data_dir()) {
        let bytes = std::fs::read(&file).expect("readable");
        for secret in [&plaintext[..30], b"a-file-name-that", b"a message that", &key] {
            let found = bytes.windows(secret.len()).any(|window| window == secret);
            assert!(!found, "{} holds {:?}", file.display(), String::from_utf8_lossy(secret));
        }
    }
    let http = Http::new(&server);
    let manifest = Reply::to(http.get(&format!("/api/transfers/manifest/{}", sent.transfer_id))).await;
    let problem: Problem = manifest.is(ProblemType::MissingToken);
    assert_eq!(problem.status, 401);
}

fn files_below(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn over_tls_with_a_certificate_that_the_system_trusts() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let authority = tls_files(folder.path());
    let options = crate::harness::ServerOptions::default()
        .env("HAULIER_TLS_CERT", folder.path().join("cert.pem"))
        .env("HAULIER_TLS_KEY", folder.path().join("key.pem"));
    let server = Server::start_with(options);
    assert!(server.url().starts_with("https://127.0.0.1:"));

    let haulier = Haulier::new().env("SSL_CERT_FILE", authority);
    let path = haulier.file("a.bin", &random_bytes(5 << 20));
    let sent = haulier.send(&path, server.url(), &[]).await;
    let target = haulier.home().join("a.out");
    haulier.get(&sent.link, &target).await;
    assert_eq!(sha256_of(&target), sha256_of(&path));

    // Who does not trust the certificate sends nothing.
    let stranger = Haulier::new();
    let output = stranger.run(["send", path.to_str().expect("UTF-8"), "--to", server.url(), "--quiet"]).await;
    assert_eq!(output.status.code(), Some(6), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).to_lowercase().contains("certificate"), "{output:?}");
}

/// Writes a certificate for 127.0.0.1 and its key; returns the file of the authority that signed it.
fn tls_files(folder: &std::path::Path) -> std::path::PathBuf {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let authority_key = KeyPair::generate().expect("a key");
    let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_pem = authority.self_signed(&authority_key).expect("signed").pem();
    let key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("parameters");
    let cert = leaf.signed_by(&key, &Issuer::new(authority, authority_key)).expect("signed");
    std::fs::write(folder.join("cert.pem"), cert.pem()).expect("written");
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).expect("written");
    std::fs::write(folder.join("authority.pem"), authority_pem).expect("written");
    folder.join("authority.pem")
}
