//! Several files, folders, archives and streams: sent with the CLI, and back as they were, or refused before anything
//! travels.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Stdio;

use crate::harness::{Haulier, Proxy, Server, random_bytes, sha256_of};

/// Every file below a folder with its content.
fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(root).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() {
            found.extend(tree(&path).into_iter().map(|(below, bytes)| (format!("{name}/{below}"), bytes)));
        } else {
            found.insert(name, fs::read(&path).expect("readable"));
        }
    }
    found
}

fn files(haulier: &Haulier, files: &[(&str, &[u8])]) {
    for (path, bytes) in files {
        let path = haulier.home().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, bytes).expect("written");
    }
}

fn stderr(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn a_folder_of_a_thousand_files_comes_back_as_it_was() {
    let (server, haulier) = (Server::start(), Haulier::new());
    for number in 0..1_000_usize {
        let folder = haulier.home().join(format!("photos/{}", number % 7));
        fs::create_dir_all(&folder).expect("made");
        fs::write(folder.join(format!("{number}.bin")), random_bytes(number * 37 % 5_000)).expect("written");
    }
    let sent = haulier.send(&haulier.home().join("photos"), server.url(), &[]).await;
    let target = haulier.home().join("back");
    fs::create_dir(&target).expect("made");
    haulier.get(&sent.link, &target).await;
    assert_eq!(tree(&target.join("photos")), tree(&haulier.home().join("photos")));
}

#[tokio::test]
async fn several_paths_become_one_transfer() {
    let (server, haulier) = (Server::start(), Haulier::new());
    files(&haulier, &[("a.txt", b"first"), ("b/c.txt", b"second"), ("b/d/e.txt", b""), ("f.txt", b"third")]);
    let home = haulier.home();
    let more = [home.join("b"), home.join("f.txt")].map(|path| path.to_str().expect("UTF-8").to_owned());
    let sent = haulier.send(&home.join("a.txt"), server.url(), &[&more[0], &more[1], "--name", "things"]).await;
    assert_eq!((sent.file_size, sent.files), (16, 4));
    haulier.get(&sent.link, &home.join("there")).await;
    let back: Vec<String> = tree(&home.join("there")).into_keys().collect();
    assert_eq!(back, ["a.txt", "b/c.txt", "b/d/e.txt", "f.txt"]);
}

#[tokio::test]
async fn names_that_cannot_travel_are_changed_and_told() {
    let (server, haulier) = (Server::start(), Haulier::new());
    files(
        &haulier,
        &[("odd/Meeting 12:30.mov", b"1"), ("odd/aux.txt", b"2"), ("odd/tail. ", b"3"), ("odd/fine", b"4")],
    );
    let output = haulier.run(["send", "odd", "--to", server.url()]).await;
    assert!(output.status.success(), "{output:?}");
    assert!(stderr(&output).contains("3 names were changed"), "{}", stderr(&output));
    let link = String::from_utf8(output.stdout).expect("UTF-8");
    haulier.get(link.trim(), &haulier.home().join("back")).await;
    let names: Vec<String> = tree(&haulier.home().join("back")).into_keys().collect();
    assert_eq!(names, ["Meeting 12_30.mov", "_aux.txt", "fine", "tail__"]);
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_before_anything_travels() {
    let (server, haulier) = (Server::start(), Haulier::new());
    files(&haulier, &[("links/a", b"x"), ("clash/Name", b"x"), ("clash/name/b", b"x"), ("secret/a", b"x")]);
    let home = haulier.home();
    fs::create_dir(home.join("hollow")).expect("made");
    symlink("/etc/passwd", home.join("links/out")).expect("linked");
    for (path, says) in [
        ("links", "is a symbolic link"),
        ("hollow", "holds no file"),
        ("clash", "a file and a folder of the same name"),
        ("nowhere", "No such file"),
    ] {
        let output = haulier.run(["send", path, "--to", server.url()]).await;
        assert_eq!(output.status.code(), Some(9), "{output:?}");
        assert!(stderr(&output).contains(says) && stderr(&output).contains("Nothing was sent."), "{}", stderr(&output));
    }
    assert!(!server.data_dir().join("blobs/transfers").read_dir().is_ok_and(|mut found| found.next().is_some()));

    let sent = haulier.send(&home.join("links"), server.url(), &["--leave-out"]).await;
    assert_eq!(sent.files, 1);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_found_before_anything_travels() {
    let (server, haulier) = (Server::start(), Haulier::new());
    files(&haulier, &[("tree/a", b"x"), ("tree/locked", b"x"), ("tree/room/b", b"x")]);
    let home = haulier.home();
    for (path, mode) in [("tree/locked", 0o000), ("tree/room", 0o000)] {
        fs::set_permissions(home.join(path), fs::Permissions::from_mode(mode)).expect("changed");
    }
    let mut command = haulier.command(["send", "tree", "--to", server.url()]);
    if rustix::process::geteuid().is_root() {
        // Root may read everything: somebody else has to try.
        fs::set_permissions(home, fs::Permissions::from_mode(0o777)).expect("changed");
        let program = command.get_program().to_owned();
        let mut other = std::process::Command::new("setpriv");
        other.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(program).args(command.get_args());
        other.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        other.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?)))).current_dir(home);
        command = other;
    }
    let output = tokio::task::spawn_blocking(move || command.output().expect("runs")).await.expect("not cancelled");
    for (path, mode) in [("tree/locked", 0o600), ("tree/room", 0o700)] {
        fs::set_permissions(home.join(path), fs::Permissions::from_mode(mode)).expect("changed");
    }
    assert_eq!(output.status.code(), Some(9), "{output:?}");
    let said = stderr(&output);
    assert!(said.contains("tree/locked: Permission denied") && said.contains("(and 1 more)"), "{said}");
}

#[tokio::test]
async fn an_archive_keeps_links_permissions_and_empty_folders() {
    let (server, haulier) = (Server::start(), Haulier::new());
    files(&haulier, &[("site/index.html", b"<html>"), ("site/bin/run", &random_bytes(70_000))]);
    let home = haulier.home();
    fs::create_dir(home.join("site/empty")).expect("made");
    symlink("index.html", home.join("site/latest")).expect("linked");
    fs::set_permissions(home.join("site/bin/run"), fs::Permissions::from_mode(0o755)).expect("changed");
    let sent = haulier.send(&home.join("site"), server.url(), &["--tar"]).await;
    fs::create_dir(home.join("back")).expect("made");
    let got = haulier.get(&sent.link, &home.join("back")).await;
    assert_eq!(got.path, home.join("back/site.tar"));
    let unpacked = std::process::Command::new("tar").args(["-xpf", "site.tar"]).current_dir(home.join("back")).status();
    assert!(unpacked.expect("tar runs").success());
    assert_eq!(tree(&home.join("back/site")), tree(&home.join("site")));
    assert!(home.join("back/site/empty").is_dir());
    assert_eq!(fs::read_link(home.join("back/site/latest")).expect("a link"), Path::new("index.html"));
    let mode = home.join("back/site/bin/run").metadata().expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
}

#[tokio::test]
async fn standard_input_is_sent_and_leaves_nothing_behind() {
    let (server, haulier) = (Server::start(), Haulier::new());
    let bytes = random_bytes(3 << 20);
    let mut command = haulier.command(["send", "-", "--json", "--name", "dump.sql", "--to", server.url()]);
    let input = bytes.clone();
    let output = tokio::task::spawn_blocking(move || {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("runs");
        child.stdin.take().expect("piped").write_all(&input).expect("taken");
        child.wait_with_output().expect("ends")
    })
    .await
    .expect("not cancelled");
    assert!(output.status.success(), "{output:?}");
    let last = String::from_utf8(output.stdout).expect("UTF-8").lines().last().expect("a line").to_owned();
    let sent: serde_json::Value = serde_json::from_str(&last).expect("JSON");
    let target = haulier.home().join("back");
    haulier.get(sent["link"].as_str().expect("a link"), &target).await;
    assert_eq!(fs::read(&target).expect("there"), bytes);
    let state: Vec<_> = crate::harness::files_below(&haulier.home().join("state/haulier")).into_iter().collect();
    let left: Vec<_> = state
        .iter()
        .filter(|path| {
            path.is_file()
                && !path.starts_with(haulier.home().join("state/haulier/sent"))
                && !path.ends_with("machine-key")
        })
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_sparse_file_of_many_chunks_arrives() {
    let (server, haulier) = (Server::start(), Haulier::new());
    let path = haulier.file("sparse.img", b"begin");
    fs::File::options().write(true).open(&path).expect("there").set_len(300 << 20).expect("longer");
    let sent = haulier.send(&path, server.url(), &[]).await;
    let target = haulier.home().join("back.img");
    haulier.get(&sent.link, &target).await;
    assert_eq!(sha256_of(&target), sha256_of(&path));
}

#[tokio::test]
async fn a_link_that_could_not_be_shown_is_not_lost() {
    let (server, haulier) = (Server::start(), Haulier::new());
    files(&haulier, &[("a", &random_bytes(100_000))]);
    let full = || fs::File::options().write(true).open("/dev/full").expect("there");
    let mut command = haulier.command(["send", "a", "--to", server.url()]);
    let output = command.stdout(full()).stderr(Stdio::piped()).spawn().expect("runs").wait_with_output().expect("ends");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(stderr(&output).contains("shows the link again"), "{}", stderr(&output));
    let again = haulier.run(["send", "a", "--to", server.url(), "--json", "--quiet"]).await;
    let sent: serde_json::Value = serde_json::from_slice(&again.stdout).expect("JSON");
    assert_eq!(sent["resumed"], true, "the same transfer");
    let listed = haulier.run(["list", "--json"]).await;
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    assert_eq!(listed["transfers"].as_array().expect("a list").len(), 1);
    assert_ne!(haulier.send(&haulier.home().join("a"), server.url(), &[]).await.transfer_id, sent["transfer_id"]);

    // What came from a pipe cannot be sent again.
    let mut command = haulier.command(["send", "-", "--to", server.url()]);
    let input = fs::File::open(haulier.home().join("a")).expect("there");
    command.stdin(input).stdout(full()).stderr(Stdio::piped());
    let output = command.spawn().expect("runs").wait_with_output().expect("ends");
    let said = stderr(&output);
    let link = said.lines().find(|line| line.starts_with(server.url())).expect("the link");
    haulier.get(link, &haulier.home().join("back")).await;
    assert_eq!(sha256_of(&haulier.home().join("back")), sha256_of(&haulier.home().join("a")));
}

#[tokio::test]
async fn a_program_that_nobody_listens_to_can_still_be_stopped() {
    let (server, haulier) = (Server::start(), Haulier::new());
    files(&haulier, &[("a", &random_bytes(200_000))]);
    let sent = haulier.send(&haulier.home().join("a"), server.url(), &[]).await;
    // A pipe that is full and is never read: a terminal that was paused.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::NONBLOCK).expect("set");
    while (&writer).write(&[0; 4096]).is_ok() {}
    rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::empty()).expect("set");
    let mut command = haulier.command(["get", &sent.link, "--list"]);
    let mut child = command.stdout(writer).stderr(Stdio::null()).spawn().expect("runs");
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert!(child.try_wait().expect("asked").is_none(), "it waits for its reader");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("sent");
    let begun = std::time::Instant::now();
    let status = tokio::task::spawn_blocking(move || child.wait().expect("ends")).await.expect("not cancelled");
    assert_eq!(status.code(), Some(130));
    assert!(begun.elapsed() < std::time::Duration::from_secs(10));
    drop(reader);
}

#[tokio::test]
async fn a_link_that_comes_first_can_be_waited_for() {
    use std::io::{BufRead as _, Read as _};
    let (server, haulier) = (Server::start(), Haulier::new());
    let proxy = Proxy::to(server.address()).await;
    proxy.limit(2 << 20);
    files(&haulier, &[("a", &random_bytes(6 << 20))]);
    let mut command = haulier.command(["send", "a", "--link-first", "--quiet", "--to", proxy.url()]);
    let mut sending = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("runs");
    let mut stdout = std::io::BufReader::new(sending.stdout.take().expect("piped"));
    let (mut stdout, link) = tokio::task::spawn_blocking(move || {
        let mut link = String::new();
        stdout.read_line(&mut link).expect("a line");
        (stdout, link)
    })
    .await
    .expect("not cancelled");
    assert!(sending.try_wait().expect("asked").is_none(), "long before the upload is complete");
    let early = haulier.run(["get", link.trim(), "-o", "early"]).await;
    assert_eq!(early.status.code(), Some(5), "{early:?}");
    assert!(stderr(&early).contains("--wait"), "{}", stderr(&early));
    let waited = haulier.run(["get", link.trim(), "-o", "back", "--wait"]).await;
    assert!(waited.status.success(), "{waited:?}");
    assert_eq!(sha256_of(&haulier.home().join("back")), sha256_of(&haulier.home().join("a")));
    assert!(sending.wait().expect("ended").success());
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).expect("text");
    assert_eq!(rest, "", "told once");
}

#[tokio::test]
async fn an_upload_of_another_file_under_the_same_size_and_time_does_not_go_on() {
    let (server, haulier) = (Server::start(), Haulier::new());
    let proxy = Proxy::to(server.address()).await;
    proxy.limit(8 << 20);
    let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    let write = |byte: u8| {
        let path = haulier.file("a", &vec![byte; 4 << 20]);
        fs::File::options().write(true).open(path).expect("there").set_modified(time).expect("set");
    };
    write(b'A');
    let arguments = ["send", "a", "--chunk-size", "64KiB", "--json", "--to", proxy.url()];
    let mut child = haulier.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("runs");
    crate::harness::eventually("chunks arrive", || proxy.record().whole_puts().len() > 16).await;
    child.kill().expect("killed");
    child.wait().expect("ended");
    write(b'B');
    let output = haulier.run(arguments).await;
    let last = String::from_utf8(output.stdout).expect("UTF-8").lines().last().expect("a line").to_owned();
    let sent: serde_json::Value = serde_json::from_str(&last).expect("JSON");
    assert_eq!(sent["resumed"], false, "{sent}");
    let target = haulier.home().join("back");
    haulier.get(sent["link"].as_str().expect("a link"), &target).await;
    assert_eq!(sha256_of(&target), sha256_of(&haulier.home().join("a")));
}
