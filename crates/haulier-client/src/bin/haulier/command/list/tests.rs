//! The list as it stands on the screen.

use super::*;

fn sent(id: &str, name: &str, server: &str, age: i64, left: i64) -> SentTransfer {
    SentTransfer {
        transfer_id: id.parse().unwrap(),
        server: server.into(),
        name: name.into(),
        file_size: 4_509_715_661,
        sent_at: moment(-age),
        expires_at: Some(moment(left)),
        max_downloads: Some(0),
        is_legacy: false,
    }
}

fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_000_000_000 + seconds).unwrap()
}

fn known() -> Owned {
    let upload = UnfinishedUpload {
        transfer_id: "cccccccc000000000000000000000003".parse().unwrap(),
        server: "https://a.example".into(),
        name: "dump.sql".into(),
        can_go_on: true,
        file_size: 1 << 20,
        total_chunks: 40,
        sealed_chunks: 10,
        in_use: true,
        begun_at: Some(moment(-60)),
    };
    Owned {
        transfers: vec![
            sent("aaaaaaaa000000000000000000000001", "a\u{1b}[2J.mp4", "https://a.example", 120, 500_000),
            sent("aaaaaaaabb0000000000000000000002", "old.txt", "https://a.example", 900_000, -1),
        ],
        uploads: vec![upload],
        damaged: vec![],
    }
}

#[test]
fn transfers_then_uploads_then_their_one_server() {
    assert_eq!(
        lines(&known(), moment(0), None),
        [
            "ID         SENT         EXPIRES    SIZE      NAME",
            "aaaaaaaa0  2 min ago    in 5 days  4.20 GiB  a\\u{1b}[2J.mp4",
            "aaaaaaaab  10 days ago  expired    4.20 GiB  old.txt",
            "",
            "Not finished; the same command as before goes on:",
            "ID         BEGUN      SEALED        SIZE      NAME",
            "cccccccc0  1 min ago  25%, running  1.00 MiB  dump.sql",
            "",
            "Server: https://a.example",
        ]
    );
}

#[test]
fn several_servers_have_a_column_and_a_terminal_has_an_edge() {
    let mut known = known();
    known.uploads.clear();
    known.transfers[1].server = "https://b.example:8443/x".into();
    known.transfers[1].name = "a name that is far longer than what is left of the line".into();
    let lines = lines(&known, moment(0), Some(80));
    assert_eq!(lines[0], "ID         SENT         EXPIRES    SIZE      SERVER            NAME");
    assert_eq!(lines[2], "aaaaaaaab  10 days ago  expired    4.20 GiB  b.example:8443/x  a name that is...");
    assert_eq!(lines.len(), 3);
}

#[test]
fn a_narrow_terminal_gets_two_lines_for_each() {
    let mut known = known();
    let shown = lines(&known, moment(0), Some(50));
    assert_eq!(
        shown,
        [
            "aaaaaaaa0  a\\u{1b}[2J.mp4",
            "  4.20 GiB, sent 2 min ago, expires in 5 days",
            "aaaaaaaab  old.txt",
            "  4.20 GiB, sent 10 days ago, expired",
            "",
            "Not finished; the same command as before goes on:",
            "cccccccc0  dump.sql",
            "  1.00 MiB, begun 1 min ago, sealed 25%, running",
            "",
            "Server: https://a.example",
        ]
    );
    known.transfers[1].server = "https://b.example".into();
    let shown = lines(&known, moment(0), Some(50));
    assert_eq!(shown[1..3], ["  4.20 GiB, sent 2 min ago, expires in 5 days,", "  on a.example"]);
    assert!(shown.iter().all(|line| line.len() <= 50), "{shown:#?}");
}

#[test]
fn limits_of_downloads_have_a_column_where_there_are_any() {
    let mut known = known();
    known.transfers[0].max_downloads = Some(3);
    known.transfers[1].max_downloads = None;
    let shown = lines(&known, moment(0), Some(80));
    assert_eq!(
        shown[..3],
        [
            "ID         SENT         EXPIRES    DOWNLOADS  SIZE      NAME",
            "aaaaaaaa0  2 min ago    in 5 days  at most 3  4.20 GiB  a\\u{1b}[2J.mp4",
            "aaaaaaaab  10 days ago  expired    -          4.20 GiB  old.txt",
        ]
    );
    assert_eq!(shown[5], "ID         BEGUN      SEALED        SIZE      NAME", "uploads have no such column");
    let shown = lines(&known, moment(0), Some(40));
    assert_eq!(
        shown[..5],
        [
            "aaaaaaaa0  a\\u{1b}[2J.mp4",
            "  4.20 GiB, sent 2 min ago,",
            "  expires in 5 days, downloads at most 3",
            "aaaaaaaab  old.txt",
            "  4.20 GiB, sent 10 days ago, expired",
        ]
    );
    assert!(lines(&known, moment(0), None)[0].contains("DOWNLOADS"), "also in a file");
}

#[test]
fn what_a_legacy_server_keeps_for_good_never_expires() {
    let mut known = known();
    known.uploads.clear();
    known.transfers[0] =
        SentTransfer { expires_at: None, ..sent("a1b2c3d4e5f6", "a.txt", "https://a.example", 120, 0) };
    assert_eq!(
        lines(&known, moment(0), Some(80))[..2],
        ["ID        SENT         EXPIRES  SIZE      NAME", "a1b2c3d4  2 min ago    never    4.20 GiB  a.txt",]
    );
    let shown = lines(&known, moment(0), Some(44));
    assert_eq!(shown[..2], ["a1b2c3d4  a.txt", "  4.20 GiB, sent 2 min ago, never expires"]);
}

#[test]
fn what_came_from_standard_input_and_stopped_stands_apart() {
    let mut known = known();
    known.transfers.clear();
    known.uploads.push(UnfinishedUpload {
        transfer_id: "dddddddd000000000000000000000004".parse().unwrap(),
        in_use: false,
        can_go_on: false,
        ..known.uploads[0].clone()
    });
    assert_eq!(
        lines(&known, moment(0), Some(80)),
        [
            "Not finished; the same command as before goes on:",
            "ID        BEGUN      SEALED        SIZE      NAME",
            "cccccccc  1 min ago  25%, running  1.00 MiB  dump.sql",
            "",
            "Lost: standard input cannot be read again. haulier rm ID gives them up:",
            "ID        BEGUN      SEALED  SIZE      NAME",
            "dddddddd  1 min ago  25%     1.00 MiB  dump.sql",
            "",
            "Server: https://a.example",
        ]
    );
}

#[test]
fn nothing_is_said_to_be_nothing() {
    assert_eq!(lines(&Owned::default(), moment(0), Some(80)), ["Nothing was sent from this machine yet."]);
}
