//! `haulier doctor` against servers that are well, absent, something else, not trusted, or behind a narrow proxy.

use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Action, Answer, Haulier, Proxy, Server, ServerOptions, eventually, files_below};

/// What doctor says in JSON, and how it ends.
async fn diagnose(haulier: &Haulier, arguments: &[&str]) -> (Value, Option<i32>) {
    let output = haulier.run([&["doctor", "--json"][..], arguments].concat()).await;
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let told = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    (told, output.status.code())
}

/// Each check with its outcome, in order.
fn outcomes(told: &Value) -> Vec<(&str, &str)> {
    told["checks"]
        .as_array()
        .expect("checks")
        .iter()
        .map(|check| (word(check, "check"), word(check, "outcome")))
        .collect()
}

fn word<'check>(check: &'check Value, member: &str) -> &'check str {
    check[member].as_str().expect("a word")
}

fn last(told: &Value) -> (&str, &str, String) {
    let check = told["checks"].as_array().and_then(|checks| checks.last()).expect("a check");
    let text = format!("{} {}", check["message"], check["advice"]);
    (check["check"].as_str().expect("a word"), check["outcome"].as_str().expect("a word"), text)
}

#[tokio::test]
async fn a_server_that_is_well_keeps_nothing() {
    let server = Server::start();
    let haulier = Haulier::new();
    let (told, code) = diagnose(&haulier, &["--to", server.url()]).await;
    assert_eq!(code, Some(0), "{told}");
    let names = ["configuration", "state", "network", "tls", "server", "ready", "clock", "limits", "round-trip"];
    assert_eq!(outcomes(&told), names.map(|name| (name, "ok")), "{told}");
    assert_eq!((&told["ok"], &told["failed"], &told["warnings"]), (&true.into(), &0.into(), &0.into()));
    assert!(!haulier.home().join("state").exists(), "nothing is left here");
    eventually("nothing is left there", || chunks_of(&server).is_empty()).await;

    let (told, code) = diagnose(&haulier, &["--to", server.url(), "--no-round-trip"]).await;
    assert_eq!((code, last(&told).0), (Some(0), "limits"));
}

fn chunks_of(server: &Server) -> Vec<std::path::PathBuf> {
    let is_chunk = |path: &std::path::PathBuf| path.to_string_lossy().contains("/chunks/");
    files_below(server.data_dir()).into_iter().filter(is_chunk).collect()
}

#[tokio::test]
async fn the_configuration_is_named_by_its_source() {
    let server = Server::start();
    let haulier = Haulier::new();
    let folder = haulier.home().join("config/haulier");
    std::fs::create_dir_all(&folder).expect("made");
    std::fs::write(folder.join("config.toml"), format!("server = {:?}", server.url())).expect("written");
    let (told, _) = diagnose(&haulier, &["--no-round-trip"]).await;
    assert!(told["checks"][0]["message"].as_str().expect("words").contains("config.toml"), "{told}");
    let elsewhere = Haulier::new().env("HAULIER_SERVER", server.url());
    let (told, _) = diagnose(&elsewhere, &["--no-round-trip"]).await;
    assert!(told["checks"][0]["message"].as_str().expect("words").contains("HAULIER_SERVER"), "{told}");
    std::fs::write(folder.join("config.toml"), "sever = 1").expect("written");
    let (told, code) = diagnose(&haulier, &[]).await;
    assert_eq!((code, outcomes(&told)), (Some(6), vec![("configuration", "failed")]));
}

#[tokio::test]
async fn a_closed_port_ends_the_way() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let (told, code) = diagnose(&Haulier::new(), &["--to", &format!("http://{address}")]).await;
    assert_eq!(code, Some(6));
    let (check, outcome, text) = last(&told);
    assert_eq!((check, outcome), ("network", "failed"));
    assert!(text.contains(&address.port().to_string()), "{text}");
}

#[tokio::test]
async fn something_else_that_speaks_http_is_none() {
    let server = Server::start();
    let proxy = Proxy::to(server.address()).await;
    proxy.on(|_| Action::Answer(Answer::new(200, "text/html", "<html>Welcome to the hotel</html>")));
    let (told, code) = diagnose(&Haulier::new(), &["--to", proxy.url()]).await;
    assert_eq!(code, Some(6));
    let (check, outcome, text) = last(&told);
    assert_eq!((check, outcome), ("server", "failed"));
    assert!(text.contains("not a Haulier server"), "{text}");
}

#[tokio::test]
async fn a_certificate_that_nobody_signed() {
    let folder = TempDir::new().expect("a folder");
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    std::fs::write(folder.path().join("cert.pem"), made.cert.pem()).expect("written");
    std::fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).expect("written");
    let options = ServerOptions::default()
        .env("HAULIER_TLS_CERT", folder.path().join("cert.pem"))
        .env("HAULIER_TLS_KEY", folder.path().join("key.pem"));
    let server = Server::start_with(options);
    let (told, code) = diagnose(&Haulier::new(), &["--to", server.url()]).await;
    assert_eq!(code, Some(6));
    let (check, outcome, text) = last(&told);
    assert_eq!((check, outcome), ("tls", "failed"), "{told}");
    assert!(text.contains("SSL_CERT_FILE") && text.to_lowercase().contains("certificate"), "{text}");
}

#[tokio::test]
async fn a_proxy_with_a_narrow_gate_is_told_and_tried_with_less() {
    let server = Server::start();
    let proxy = Proxy::to(server.address()).await;
    let narrow = |most: u64| {
        move |request: &crate::harness::Request| match request.body_bytes() > most {
            true => Action::Answer(Answer::new(413, "text/html", "<h1>413 Request Entity Too Large</h1>")),
            false => Action::Pass,
        }
    };
    proxy.on(narrow(1 << 20));
    let (told, code) = diagnose(&Haulier::new(), &["--to", proxy.url()]).await;
    assert_eq!(code, Some(0), "{told}");
    let trips: Vec<_> = outcomes(&told).into_iter().filter(|(check, _)| *check == "round-trip").collect();
    assert_eq!(trips, [("round-trip", "warning"), ("round-trip", "ok")], "{told}");
    assert!(told.to_string().contains("client_max_body_size"), "{told}");
    assert!(last(&told).2.contains("960 KiB there and back"), "{told}");

    proxy.on(narrow(100_000));
    let (told, code) = diagnose(&Haulier::new(), &["--to", proxy.url()]).await;
    assert_eq!((code, last(&told).1), (Some(6), "failed"), "{told}");
    eventually("nothing is left there", || chunks_of(&server).is_empty()).await;
}

#[tokio::test]
async fn a_server_whose_clock_is_wrong_and_whose_storage_is_away() {
    let server = Server::start();
    let proxy = Proxy::to(server.address()).await;
    proxy.on(|request| match request.path.as_str() {
        "/api/config" => Action::change(|answer| {
            answer.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("date"));
            answer.headers.push(("date".into(), "Sun, 06 Nov 1994 08:49:37 GMT".into()));
        }),
        "/readyz" => Action::Answer(Answer::new(503, "text/plain", "away")),
        _ => Action::Pass,
    });
    let (told, code) = diagnose(&Haulier::new(), &["--to", proxy.url()]).await;
    assert_eq!(code, Some(6));
    let outcomes = outcomes(&told);
    assert!(outcomes.contains(&("clock", "warning")) && outcomes.contains(&("ready", "failed")), "{told}");
    assert!(!outcomes.iter().any(|(check, _)| *check == "round-trip"), "not tried where it cannot work: {told}");
}

#[tokio::test]
async fn an_interruption_deletes_the_test_transfer() {
    let server = Server::start();
    let proxy = Proxy::to(server.address()).await;
    proxy.limit(2 << 20);
    let haulier = Haulier::new();
    let child = haulier.command(["doctor", "--to", proxy.url()]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.expect("it starts");
    eventually("it is created", || !proxy.record().creates().is_empty()).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let pid = child.id().to_string();
    std::process::Command::new("kill").args(["-INT", &pid]).status().expect("kill runs");
    let ended = tokio::task::spawn_blocking(move || child.wait_with_output().expect("it ends"));
    let output = ended.await.expect("not cancelled");
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let exchanges = proxy.record().all();
    let deleted = exchanges.iter().any(|exchange| exchange.request.method == "DELETE" && exchange.status == Some(200));
    assert!(deleted, "the transfer is deleted");
}
