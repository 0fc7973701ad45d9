//! What a person, or a script, sees of the real CLI: at terminals of several widths, with outputs that take nothing, and
//! with command lines that make no sense.

use std::io::Read as _;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::harness::{Haulier, Proxy, Server, Terminal, eventually, random_bytes};

const WORDS: &str = "correct horse battery staple";

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A server, and a link that opens with [`WORDS`] alone.
async fn locked(haulier: &Haulier) -> (Server, String) {
    let server = Server::start();
    let path = haulier.file("secret.txt", b"the contents");
    let mut send = haulier.command(["send", "--passphrase-only", "--to", server.url()]);
    send.arg(path).env("HAULIER_PASSPHRASE", WORDS);
    let sent = tokio::task::spawn_blocking(move || send.output().expect("it runs")).await.expect("not cancelled");
    assert!(sent.status.success(), "{sent:?}");
    (server, String::from_utf8(sent.stdout).expect("a link").trim().to_owned())
}

#[tokio::test]
async fn a_wrong_passphrase_can_be_typed_again_and_three_times_in_all() {
    let haulier = Haulier::new();
    let (_server, link) = locked(&haulier).await;
    let mut terminal = Terminal::start(&haulier.command(["get", &link, "-o", "got"]), 80);
    for words in ["correct horse", "", WORDS] {
        terminal.shows("Passphrase: ").await;
        terminal.types(&format!("{words}\n"));
    }
    let (code, text) = terminal.ends().await;
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("It does not open this transfer. Once more"), "{text}");
    assert!(text.contains("It cannot be used: a passphrase is 1 to 1024 bytes"), "{text}");
    assert!(!text.contains("horse"), "nothing that was typed is shown: {text}");
    assert_eq!(std::fs::read(haulier.home().join("got")).expect("there"), b"the contents");

    let mut terminal = Terminal::start(&haulier.command(["get", &link, "-o", "other"]), 80);
    for _ in 0..3 {
        terminal.shows("Passphrase: ").await;
        terminal.types("wrong\n");
    }
    let (code, text) = terminal.ends().await;
    assert_eq!((code, text.matches("Passphrase: ").count()), (Some(3), 3), "{text}");
}

#[tokio::test]
async fn ctrl_d_at_a_passphrase_cancels() {
    let haulier = Haulier::new();
    let (server, link) = locked(&haulier).await;
    let path = haulier.file("a.txt", b"a");
    let path = path.to_str().expect("UTF-8");
    for arguments in [&["get", &link, "-o", "got"][..], &["send", path, "--passphrase", "--to", server.url()]] {
        let mut terminal = Terminal::start(&haulier.command(arguments), 80);
        terminal.shows("Passphrase").await;
        terminal.shows(": ").await;
        terminal.types("\u{4}");
        let (code, text) = terminal.ends().await;
        assert_eq!(code, Some(130), "{text}");
        assert!(text.contains("haulier: cancelled: no passphrase was typed"), "{text}");
    }
    assert!(!haulier.home().join("got").exists());
    let uploads = std::fs::read_dir(haulier.home().join("state/haulier/uploads")).expect("a folder").count();
    assert_eq!(uploads, 0, "nothing was begun");
}

#[tokio::test]
async fn an_upload_that_goes_on_says_which_passphrase_it_has() {
    let haulier = Haulier::new();
    let server = Server::start();
    let proxy = Proxy::to(server.address()).await;
    let path = haulier.file("large.bin", &random_bytes(8 << 20));
    let arguments =
        ["send", path.to_str().expect("UTF-8"), "--to", proxy.url(), "--passphrase", "--chunk-size", "64KiB"];
    proxy.limit(1 << 20);
    let mut first = haulier.command(arguments);
    let first = first.env("HAULIER_PASSPHRASE", WORDS).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut first = first.expect("it starts");
    eventually("some of it is sent", || proxy.record().all().len() > 12).await;
    first.kill().expect("killed");
    first.wait().expect("gone");
    proxy.limit(1 << 30);

    let (code, text) = Terminal::start(&haulier.command(arguments), 200).ends().await;
    assert_eq!(code, Some(0), "{text}");
    // It follows the code that takes the bar away.
    let link = text.rfind("http").map_or("", |place| &text[place..]);
    let id = link.split('#').nth(1).and_then(|fragment| fragment.get(..8)).unwrap_or_else(|| panic!("a link: {text}"));
    let told = format!("Going on with upload {id} where an earlier run stopped, under the passphrase of that run.");
    assert!(text.contains(&told), "{text}");
    assert!(!text.contains("Passphrase"), "nobody was asked: {text}");
}

#[tokio::test]
async fn messages_break_between_words_on_a_narrow_terminal() {
    let haulier = Haulier::new();
    for (arguments, words) in [
        (&["get", "not a link"][..], "Copy the whole link, in quotes"),
        (&["send", "--parallel", "0", "x"], "at least 1"),
        (&["get", "https://a.example/#00112233"], "Copy the whole link, in quotes"),
    ] {
        let (code, text) = Terminal::start(&haulier.command(arguments), 50).ends().await;
        assert!(matches!(code, Some(2 | 3)), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 50), "{text}");
        assert!(text.replace('\n', " ").contains(words), "{text}");
    }
    let (_, wide) = Terminal::start(&haulier.command(["get", "not a link"]), 200).ends().await;
    assert_eq!(wide.trim().lines().count(), 2, "{wide}");
}

#[tokio::test]
async fn what_the_command_line_has_wrong_is_json_where_json_was_asked_for() {
    let haulier = Haulier::new();
    for (arguments, words) in [
        (&["send", "--json"][..], "required arguments were not provided"),
        (&["get", "x", "--json", "--nonsense"], "--nonsense"),
        (&["send", "--json", "--parallel", "0", "x"], "at once, at least 1"),
        (&["rm", "--json"], "ID|LINK"),
    ] {
        let output = haulier.run(arguments).await;
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(2), ""), "{output:?}");
        let told: Value = serde_json::from_slice(&output.stdout).expect("one object");
        let error = &told["error"];
        assert_eq!((&error["code"], &error["exit_code"]), (&"usage".into(), &2.into()), "{told}");
        assert!(error["message"].as_str().is_some_and(|message| message.contains(words)), "{told}");
        assert!(error["advice"].as_str().is_some_and(|advice| advice.contains("--help")), "{told}");
    }
    let output = haulier.run(["send", "--nonsense", "--", "--json"]).await;
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "a file may be called --json: {output:?}");
    assert!(stderr(&output).contains("--nonsense"), "{output:?}");
}

#[tokio::test]
async fn a_closed_standard_output_costs_no_link() {
    let server = Server::start();
    let haulier = Haulier::new();
    let path = haulier.file("a.txt", b"a");
    let path = path.to_str().expect("UTF-8");
    let shell = |script: &'static str| {
        let inner = haulier.command(["send", path, "--to", server.url(), "--quiet"]);
        let mut command = std::process::Command::new("sh");
        command.args(["-c", script]).arg(inner.get_program()).args(inner.get_args()).env_clear();
        command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        tokio::task::spawn_blocking(move || command.output().expect("sh runs"))
    };
    let output = shell("exec \"$0\" \"$@\" >&-").await.expect("not cancelled");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(stderr(&output).contains("standard output is closed, so the link would be lost"), "{output:?}");
    let list = haulier.run(["list"]).await;
    assert!(String::from_utf8_lossy(&list.stdout).contains("Nothing was sent"), "{list:?}");
    // To throw the link away is a choice.
    let output = shell("exec \"$0\" \"$@\" > /dev/null").await.expect("not cancelled");
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test]
async fn a_reader_who_went_away_does_not_stop_what_was_asked_for() {
    let server = Server::start();
    let haulier = Haulier::new();
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(haulier.send(&haulier.file(name, b"x"), server.url(), &[]).await.transfer_id);
    }
    let arguments = ["rm", &ids[0], &ids[1], &ids[2]];
    let mut child =
        haulier.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    drop(child.stdout.take());
    let ended = tokio::task::spawn_blocking(move || {
        let mut told = String::new();
        child.stderr.take().expect("piped").read_to_string(&mut told).expect("UTF-8");
        (child.wait().expect("it ends").code(), told)
    });
    let (code, told) = ended.await.expect("not cancelled");
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("standard output cannot be written") && told.contains("is done"), "{told}");
    let list = haulier.run(["list"]).await;
    assert!(String::from_utf8_lossy(&list.stdout).contains("Nothing was sent"), "all three are gone: {list:?}");
}

#[tokio::test]
async fn a_file_that_hides_its_size_is_not_sent_as_an_empty_one() {
    let server = Server::start();
    let haulier = Haulier::new();
    let output = haulier.run(["send", "/proc/version", "--to", server.url()]).await;
    assert_eq!(output.status.code(), Some(9), "{output:?}");
    let told = stderr(&output);
    assert!(told.contains("has no size although there is something in it"), "{told}");
    assert!(told.contains("haulier send - < PATH"), "{told}");
    let empty = haulier.file("empty", b"");
    haulier.send(&empty, server.url(), &[]).await;
}

#[tokio::test]
async fn what_a_dead_server_left_here_can_be_forgotten() {
    let server = Server::start();
    let proxy = Proxy::to(server.address()).await;
    let haulier = Haulier::new();
    let sent = haulier.send(&haulier.file("a.txt", b"a"), server.url(), &[]).await;
    proxy.limit(1 << 20);
    let path = haulier.file("large.bin", &random_bytes(8 << 20));
    let arguments = ["send", path.to_str().expect("UTF-8"), "--to", proxy.url(), "--chunk-size", "64KiB"];
    let mut child = haulier.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let uploads = haulier.home().join("state/haulier/uploads");
    let begun = || std::fs::read_dir(&uploads).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let whole = || begun().find(|name| !name.as_encoded_bytes().starts_with(b".")).and_then(|id| id.into_string().ok());
    eventually("an upload begins", || whole().is_some()).await;
    let id = whole().expect("an upload");
    let output = haulier.run(["rm", "--forget", &id]).await;
    assert!(!output.status.success() && stderr(&output).contains("another process"), "{output:?}");
    child.kill().expect("killed");
    child.wait().expect("gone");
    drop((server, proxy));

    // The state of one is damaged as well, so that no id but the whole one names it.
    std::fs::write(uploads.join(&id).join("state.json"), "{").expect("written");
    let output = haulier.run(["rm", "--forget", &sent.link, &id, &"0".repeat(32)]).await;
    let (told, shown) = (stderr(&output), String::from_utf8_lossy(&output.stdout).into_owned());
    assert_eq!(output.status.code(), Some(4), "{told}");
    assert_eq!(shown.matches("Forgot ").count(), 2, "{shown}");
    assert!(told.contains("No server was asked") && told.contains("was not sent from this machine"), "{told}");
    assert!(!uploads.join(&id).exists());
    let list = haulier.run(["list"]).await;
    assert!(String::from_utf8_lossy(&list.stdout).contains("Nothing was sent"), "{list:?}");
}

#[tokio::test]
async fn info_and_doctor_say_what_they_did_not_see() {
    let haulier = Haulier::new();
    let (server, link) = locked(&haulier).await;
    let output = haulier.run(["info", &link]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("Passphrase  needed") && text.contains("12 B"), "{text}");
    assert!(text.contains("are sealed.") && text.contains("haulier get LINK --list shows them"), "{text}");
    let output = haulier.run(["doctor", "--no-round-trip", "--to", server.url()]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && !text.contains("All is well"), "{text}");
    assert!(text.contains("Not tried: a transfer there and back"), "{text}");
}
