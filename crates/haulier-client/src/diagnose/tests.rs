//! Findings as tables: what is seen, and how it is judged.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use haulier_wire::Timestamp;

use super::*;
use crate::http::{CallError, Contact};
use crate::unit::{bytes, span};

fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn contact(date: Option<i64>, certificate: Option<i64>) -> Contact {
    Contact {
        config: Err(CallError::Foreign("no JSON".into())),
        date: date.map(moment),
        certificate_ends: certificate.map(moment),
        took: Duration::from_millis(3),
    }
}

fn https() -> Server {
    Server::parse("https://a.example", false).unwrap()
}

#[test]
fn clocks() {
    for (server, outcome, words) in [
        (Some(0), Outcome::Ok, "within 2 s"),
        (Some(120), Outcome::Ok, "within 120 s"),
        (Some(121), Outcome::Warning, "2 min behind"),
        (Some(-86_400), Outcome::Warning, "24 h ahead of"),
        (None, Outcome::Ok, "does not tell"),
    ] {
        let finding = clock::check(&contact(server, None), moment(0));
        assert_eq!(finding.outcome, outcome, "{finding:?}");
        assert!(finding.message.contains(words), "{finding:?}");
    }
}

#[test]
fn certificates() {
    let insecure = || Err(CallError::Insecure("no secure connection: invalid peer certificate: UnknownIssuer".into()));
    for (answer, outcome, words) in [
        (Ok(contact(None, Some(14 * 86_400))), Outcome::Ok, "another 14 days"),
        (Ok(contact(None, Some(14 * 86_400 - 1))), Outcome::Warning, "ends in 13 days"),
        (Ok(contact(None, Some(-1))), Outcome::Warning, "ends in 0 s"),
        (Ok(contact(None, None)), Outcome::Ok, "encrypted"),
        (insecure(), Outcome::Failed, "UnknownIssuer"),
    ] {
        let finding = server::tls(&https(), &answer, moment(0));
        assert_eq!(finding.outcome, outcome, "{finding:?}");
        assert!(finding.message.contains(words), "{finding:?}");
    }
    let plain = |url| server::tls(&Server::parse(url, true).unwrap(), &insecure(), moment(0)).outcome;
    assert_eq!(plain("http://127.0.0.1:1"), Outcome::Ok);
    assert_eq!(plain("http://a.example"), Outcome::Warning);
}

#[test]
fn what_is_no_haulier_server() {
    for (answer, words) in [
        (Ok(contact(None, None)), "not a Haulier server"),
        (Err(CallError::Foreign("status 404".into())), "not a Haulier server"),
        (Err(CallError::Redirect(301)), "redirects elsewhere"),
        (Err(CallError::Again { reason: "status 502".into(), after: None }), "status 502"),
    ] {
        let finding = server::identity(&answer).unwrap_err();
        assert_eq!(finding.outcome, Outcome::Failed);
        assert!(finding.message.contains(words), "{finding:?}");
    }
}

#[test]
fn the_state_folder() {
    let home = tempfile::TempDir::new().unwrap();
    let root = home.path().join("haulier");
    let now = Timestamp::try_from(home.path().metadata().unwrap().modified().unwrap()).unwrap();
    let one = |now| {
        let mut findings = state::check(&root, now);
        assert_eq!(findings.len(), 1, "{findings:?}");
        findings.remove(0)
    };
    assert!(one(now).message.contains("can be made"));
    assert!(!root.exists(), "looking makes nothing");

    let private = |path: &std::path::Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let sent = root.join("sent");
    fs::create_dir_all(&sent).unwrap();
    private(&root, 0o700);
    private(&sent, 0o700);
    assert!(one(now).message.contains("is private"));

    let record = sent.join("x.json");
    fs::write(&record, "{}").unwrap();
    private(&record, 0o640);
    let findings = state::check(&root, now);
    assert!(findings[0].message.contains("others may look into"), "{findings:?}");
    assert!(findings[1].message.contains("x.json"), "a damaged record: {findings:?}");
    fs::remove_file(&record).unwrap();

    let half = sent.join("y.new");
    fs::write(&half, "").unwrap();
    private(&half, 0o600);
    assert_eq!(one(now).outcome, Outcome::Ok, "a run may be writing it now");
    let later = Timestamp::from_second(now.as_second() + 90_000).unwrap();
    assert!(one(later).message.contains("y.new"));
}

#[test]
fn sizes_and_spans() {
    for (size, expected) in [(0, "0 bytes"), (960 << 10, "960 KiB"), (8 << 20, "8 MiB"), (3 << 29, "1.5 GiB")] {
        assert_eq!(bytes(size), expected);
    }
    for (seconds, expected) in [(1, "1 s"), (119, "119 s"), (600, "10 min"), (7_200, "2 h"), (604_800, "7 days")] {
        assert_eq!(span(seconds), expected);
    }
}
