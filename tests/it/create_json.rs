//! The body of create: one JSON object of the known members, of bounded size and depth.

use haulier_wire::ProblemType;
use haulier_wire::limit::MAX_JSON_BODY_BYTES;

use crate::harness::{Http, Reply, Sample, Server};

const MIB: usize = 1 << 20;

async fn post(http: &Http, body: impl Into<Vec<u8>>) -> Reply {
    Reply::to(http.post("/api/transfers/create").body(body.into())).await
}

fn text(sample: &Sample) -> String {
    serde_json::to_string(&sample.create_request()).expect("JSON")
}

/// `members` in front of the known ones.
fn with_members(sample: &Sample, members: &str) -> Vec<u8> {
    format!("{{{members},{}", &text(sample)[1..]).into_bytes()
}

#[tokio::test]
async fn what_is_not_one_object_of_known_members_creates_nothing() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(1, 65_536);
    let text = text(&sample);
    let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
    let objects = "{\"a\":".repeat(100_000);
    let bodies: Vec<Vec<u8>> = vec![
        with_members(&sample, "\"surprise\":1"),
        with_members(&sample, "\"Transfer_id\":null"),
        with_members(&sample, "\"file_size\":1"),
        with_members(&sample, "\"transfer_id\":null"),
        with_members(&sample, &format!("\"surprise\":{open}{close}")),
        with_members(&sample, &format!("\"surprise\":{objects}")),
        with_members(&sample, &format!("\"key_check\":{open}{close}")),
        text.replace("\"tag_length\":128", "\"tag_length\":128,\"tag_length\":128").into(),
        format!("[{text}]").into(),
        "\"text\"".into(),
        "null".into(),
        "1".into(),
        "true".into(),
        "".into(),
        " ".into(),
        "{".into(),
        text[..text.len() - 1].into(),
        format!("{text}x").into(),
        format!("{text}{text}").into(),
        format!("{text},").into(),
        text.replace('}', ",}").into(),
        text.replace('"', "'").into(),
        format!("{text}// done").into(),
        format!("\u{feff}{text}").into(),
        text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        text.replace("AES-256-GCM", "AES-256-GCM\u{0}").into(),
        [b"{\"transfer_id\":\"", &[0xff, 0xfe][..], b"\"}"].concat(),
        [text.as_bytes(), &[0xff]].concat(),
        open.clone().into(),
        objects.into(),
        format!("{{\"a\":{open}{close}}}").into(),
    ];
    for body in bodies {
        let shown = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
        let reply = post(&http, body).await;
        assert_eq!(reply.status, 400, "{shown}");
        reply.is(ProblemType::InvalidBody);
        sample.info(&http).await.is(ProblemType::TransferNotFound);
    }
    post(&http, text).await.ok();
}

#[tokio::test]
async fn a_detail_is_short_however_long_the_body_is() {
    let server = Server::start();
    let http = Http::new(&server);
    let long = "x".repeat(MIB);
    for body in [format!("{{\"{long}\":1}}"), format!("{{\"file_size\":\"{long}\"}}")] {
        let detail = post(&http, body).await.is(ProblemType::InvalidBody).detail.expect("a detail");
        assert!(detail.chars().count() <= 500, "{} characters", detail.len());
    }
}

#[tokio::test]
async fn a_body_of_n_bytes_is_read_and_one_of_n_plus_1_is_not() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(1, 65_536);
    let text = text(&sample);
    let padded = |len: usize| format!("{text}{}", " ".repeat(len - text.len()));
    let problem = post(&http, padded(MAX_JSON_BODY_BYTES + 1)).await.is(ProblemType::BodyTooLarge);
    assert_eq!(problem.max_bytes, Some(MAX_JSON_BODY_BYTES as u64));
    sample.info(&http).await.is(ProblemType::TransferNotFound);
    post(&http, padded(MAX_JSON_BODY_BYTES)).await.ok();
    for path in ["complete", "upload"] {
        let path = format!("/api/transfers/{path}/{}", sample.id);
        let method = if path.contains("upload") { reqwest::Method::PATCH } else { reqwest::Method::POST };
        let request = http.request(method, &path).bearer_auth(crate::harness::OWNER_TOKEN);
        Reply::to(request.body(" ".repeat(MAX_JSON_BODY_BYTES + 1))).await.is(ProblemType::BodyTooLarge);
    }
}

#[tokio::test]
async fn ten_mib_of_json_cost_no_memory() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(1, 65_536);
    post(&http, text(&sample)).await.ok();
    let before = server.peak_rss_bytes();
    let filler = "x".repeat(10 * MIB);
    for body in [format!("{{\"{filler}\":1}}"), format!("{{\"sealed_metadata\":\"{filler}"), " ".repeat(10 * MIB)] {
        post(&http, body).await.is(ProblemType::BodyTooLarge);
    }
    let grown = server.peak_rss_bytes() - before;
    assert!(grown < 8 * MIB as u64, "{} KiB more at the peak", grown / 1024);
}
