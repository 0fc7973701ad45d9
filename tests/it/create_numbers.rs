//! Numbers at create: they describe one transfer within the server's limits, or nothing is created.

use haulier_wire::api::CreateResponse;
use haulier_wire::{ProblemType, Timestamp};

use crate::harness::{Http, Reply, Sample, Server, ServerOptions};

/// Three chunks: 65536, 65536 and 1 byte.
fn sample() -> Sample {
    Sample::new(131_073, 65_536)
}

async fn post(http: &Http, body: String) -> Reply {
    Reply::to(http.post("/api/transfers/create").body(body)).await
}

/// The create request of `sample` with one number respelled.
fn respelled(sample: &Sample, member: &str, spelling: &str) -> String {
    let text = serde_json::to_string(&sample.create_request()).expect("JSON");
    let begin = text.find(&format!("\"{member}\":")).expect("a member") + member.len() + 3;
    let len = text[begin..].find([',', '}']).expect("an end");
    format!("{}{spelling}{}", &text[..begin], &text[begin + len..])
}

#[tokio::test]
async fn sizes_that_lie_create_nothing() {
    let server = Server::start();
    let http = Http::new(&server);
    use ProblemType::{InvalidBody, InvalidNumbers};
    for (member, spelling, kind) in [
        ("total_chunks", "2", InvalidNumbers),
        ("total_chunks", "4", InvalidNumbers),
        ("total_chunks", "4294967295", InvalidNumbers),
        ("total_chunks", "0", InvalidBody),
        ("total_chunks", "4294967296", InvalidBody),
        ("total_chunks", "-3", InvalidBody),
        ("total_chunks", "3.0", InvalidBody),
        ("total_chunks", "\"3\"", InvalidBody),
        ("total_chunks", "[3]", InvalidBody),
        ("chunk_size", "0", InvalidNumbers),
        ("chunk_size", "1", InvalidNumbers),
        ("chunk_size", "1023", InvalidNumbers),
        ("chunk_size", "67108865", InvalidNumbers),
        ("chunk_size", "9007199254740991", InvalidNumbers),
        ("chunk_size", "9223372036854775808", InvalidBody),
        ("chunk_size", "18446744073709551616", InvalidBody),
        ("chunk_size", "-1", InvalidBody),
        ("chunk_size", "1.5", InvalidBody),
        ("chunk_size", "65536.0", InvalidBody),
        ("chunk_size", "6.5536e4", InvalidBody),
        ("chunk_size", "\"8\"", InvalidBody),
        ("chunk_size", "065536", InvalidBody),
        ("chunk_size", "NaN", InvalidBody),
        ("file_size", "131072", InvalidNumbers),
        ("file_size", "196609", InvalidNumbers),
        ("file_size", "0", InvalidNumbers),
        ("file_size", "9007199254740991", InvalidNumbers),
        ("file_size", "9007199254740992", InvalidBody),
        ("file_size", "-1", InvalidBody),
        ("file_size", "1e400", InvalidBody),
    ] {
        let sample = sample();
        let reply = post(&http, respelled(&sample, member, spelling)).await;
        assert_eq!(reply.status, 400, "{member}: {spelling}");
        reply.is(kind);
        sample.info(&http).await.is(ProblemType::TransferNotFound);
    }
}

#[tokio::test]
async fn the_largest_numbers_do_not_overflow() {
    let server = Server::start();
    let http = Http::new(&server);
    let max = (1_u64 << 53) - 1;
    for (file_size, chunk_size, total_chunks) in [
        (max, 64 << 20, 1_u64 << 27),
        (max, 1 << 16, (1 << 37) & 0xffff_ffff),
        ((1 << 48) - 65_536, 1 << 16, (1 << 32) - 1),
        (1 << 48, 1 << 16, 1 << 32),
    ] {
        let sample = sample();
        let text = serde_json::to_string(&sample.create_request()).expect("JSON");
        let text = text
            .replace(":131073", &format!(":{file_size}"))
            .replace(":65536", &format!(":{chunk_size}"))
            .replace("\"total_chunks\":3", &format!("\"total_chunks\":{total_chunks}"));
        assert_eq!(post(&http, text).await.status, 400, "{file_size} {chunk_size} {total_chunks}");
        sample.info(&http).await.is(ProblemType::TransferNotFound);
    }
}

#[tokio::test]
async fn the_servers_own_limits_take_n_and_refuse_n_plus_1() {
    let options = ServerOptions::default().env("HAULIER_MAX_FILE_SIZE", "1MiB").env("HAULIER_MAX_CHUNKS", "3");
    let server = Server::start_with(options);
    let http = Http::new(&server);
    for (file_size, chunk_size, accepted) in [
        (3 * 65_536, 65_536, true),
        (3 * 65_536 + 1, 65_536, false),
        (1 << 20, 1 << 19, true),
        ((1 << 20) + 1, 1 << 19, false),
    ] {
        let sample = Sample::new(file_size, chunk_size);
        let reply = sample.create(&http).await;
        if accepted {
            reply.ok();
        } else {
            reply.is(ProblemType::InvalidNumbers);
            sample.info(&http).await.is(ProblemType::TransferNotFound);
        }
    }
}

#[tokio::test]
async fn an_expiry_lies_within_its_limits() {
    let server = Server::start_with(ServerOptions::default().env("HAULIER_MAX_EXPIRY", "30d"));
    let http = Http::new(&server);
    let month = 30 * 24 * 3600;
    let far = Timestamp::MAX.to_string();
    use ProblemType::{InvalidBody, InvalidNumbers};
    for (members, refused) in [
        ("\"expires_in_seconds\":1".to_owned(), None),
        (format!("\"expires_in_seconds\":{month}"), None),
        ("\"expires_in_seconds\":0".to_owned(), Some(InvalidNumbers)),
        (format!("\"expires_in_seconds\":{}", month + 1), Some(InvalidNumbers)),
        ("\"expires_in_seconds\":9007199254740991".to_owned(), Some(InvalidNumbers)),
        ("\"expires_in_seconds\":-1".to_owned(), Some(InvalidBody)),
        ("\"expires_in_seconds\":1.5".to_owned(), Some(InvalidBody)),
        ("\"expires_at\":\"2020-01-01T00:00:00Z\"".to_owned(), Some(InvalidNumbers)),
        (format!("\"expires_at\":\"{far}\""), Some(InvalidNumbers)),
        ("\"expires_at\":\"tomorrow\"".to_owned(), Some(InvalidBody)),
        ("\"expires_at\":\"2026-13-01T00:00:00Z\"".to_owned(), Some(InvalidBody)),
        ("\"expires_at\":\"2027-01-01\"".to_owned(), Some(InvalidBody)),
        ("\"expires_at\":1800000000".to_owned(), Some(InvalidBody)),
        ("\"expires_in_seconds\":60,\"expires_at\":\"2020-01-01T00:00:00Z\"".to_owned(), Some(InvalidNumbers)),
        ("\"max_downloads\":0".to_owned(), None),
        ("\"max_downloads\":1".to_owned(), None),
        ("\"max_downloads\":9007199254740991".to_owned(), None),
        ("\"max_downloads\":9007199254740992".to_owned(), Some(InvalidBody)),
        ("\"max_downloads\":18446744073709551616".to_owned(), Some(InvalidBody)),
        ("\"max_downloads\":1.5".to_owned(), Some(InvalidBody)),
        ("\"max_downloads\":\"1\"".to_owned(), Some(InvalidBody)),
        ("\"max_downloads\":-1".to_owned(), Some(InvalidBody)),
    ] {
        let sample = sample();
        let text = serde_json::to_string(&sample.create_request()).expect("JSON");
        let reply = post(&http, format!("{{{members},{}", &text[1..])).await;
        match refused {
            None => assert_eq!(reply.ok().status, 201, "{members}"),
            Some(kind) => {
                assert_eq!(reply.status, 400, "{members}");
                reply.is(kind);
                sample.info(&http).await.is(ProblemType::TransferNotFound);
            }
        }
    }
}

#[tokio::test]
async fn a_moment_is_kept_to_the_millisecond() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = sample();
    let tomorrow = std::time::Duration::from_secs(24 * 3600);
    let created: CreateResponse = sample.create(&http).await.ok().json();
    let moment = created.upload_expires_at - tomorrow;
    let other = Sample::new(1, 65_536);
    let request = haulier_wire::api::CreateRequest { expires_at: Some(moment), ..other.create_request() };
    let created: CreateResponse = other.create_with(&http, &request).await.ok().json();
    assert_eq!(created.expires_at, Some(moment));
}
