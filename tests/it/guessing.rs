//! Wrong download tokens: who guesses waits, for one transfer, and nobody else does.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use haulier_wire::ProblemType;
use haulier_wire::header::LEASE;
use reqwest::{Client, Method, RequestBuilder};

use crate::harness::{DOWNLOAD_TOKEN, Http, Reply, Sample, Server, ServerOptions};

const WRONG: &str = "a-token-that-nobody-has-9876543210";
const FREE: usize = 10;

/// Requests that leave from `127.0.0.LAST`.
fn from(server: &Server, last: u8) -> Http {
    let address = IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
    Http::with_client(server, Client::builder().no_proxy().local_address(address).build().expect("a client"))
}

async fn completed(http: &Http) -> Sample {
    let sample = Sample::new(3 * 65_536, 65_536);
    sample.send(http).await;
    sample
}

/// Every route that compares a download token, in turns.
fn read(http: &Http, sample: &Sample, turn: usize) -> RequestBuilder {
    let routes = [
        (Method::GET, "manifest/ID"),
        (Method::GET, "download/ID/chunk/0"),
        (Method::GET, "download/ID"),
        (Method::GET, "download/ID/chunk/2"),
        (Method::GET, "download-base64/ID"),
        (Method::POST, "lease/ID"),
        (Method::POST, "lease/ID/commit"),
        (Method::DELETE, "lease/ID"),
    ];
    let (method, path) = routes[turn % routes.len()].clone();
    let path = path.replace("ID", sample.id.as_str());
    http.request(method, &format!("/api/transfers/{path}")).header(LEASE, "a-lease-token")
}

#[tokio::test]
async fn ten_wrong_tokens_in_all_then_a_wait_for_this_client_at_this_transfer() {
    let server = Server::start();
    let (guesser, other) = (from(&server, 2), from(&server, 3));
    let (sample, second) = (completed(&guesser).await, completed(&guesser).await);
    for turn in 0..FREE {
        // No token is no guess, and a right one counts for nothing.
        Reply::to(read(&guesser, &sample, turn)).await.is(ProblemType::MissingToken);
        Reply::to(read(&guesser, &sample, turn).bearer_auth(DOWNLOAD_TOKEN)).await.ok();
        Reply::to(read(&guesser, &sample, turn).bearer_auth(WRONG)).await.is(ProblemType::WrongToken);
    }
    // What is asked within the second that the next try has to wait.
    let refused = |turn: usize, token: &'static str| Reply::to(read(&guesser, &sample, turn).bearer_auth(token));
    loop {
        let begun = Instant::now();
        let replies = [refused(0, WRONG).await, refused(1, DOWNLOAD_TOKEN).await, refused(2, DOWNLOAD_TOKEN).await];
        if begun.elapsed() > Duration::from_millis(500) {
            continue;
        }
        for reply in replies {
            assert_eq!(
                reply.header("retry-after"),
                reply.json::<haulier_wire::Problem>().retry_after_seconds.map(|it| it.to_string()).expect("a time")
            );
            reply.is(ProblemType::TooManyWrongTokens);
        }
        break;
    }
    // The recipient, who is elsewhere, and another transfer of the guesser's.
    for turn in 0..4 {
        Reply::to(read(&other, &sample, turn).bearer_auth(DOWNLOAD_TOKEN)).await.ok();
        Reply::to(read(&guesser, &second, turn).bearer_auth(DOWNLOAD_TOKEN)).await.ok();
    }
    // What needs no download token says as much as before.
    sample.info(&guesser).await.ok();
    sample.status(&guesser).await.ok();
    tokio::time::sleep(Duration::from_millis(4500)).await;
    for turn in 0..8 {
        Reply::to(read(&guesser, &sample, turn).bearer_auth(DOWNLOAD_TOKEN)).await.ok();
    }
}

#[tokio::test]
async fn the_wait_grows() {
    let server = Server::start();
    let http = from(&server, 2);
    let sample = completed(&http).await;
    for turn in 0..FREE {
        Reply::to(read(&http, &sample, turn).bearer_auth(WRONG)).await.is(ProblemType::WrongToken);
    }
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let reply = Reply::to(read(&http, &sample, 0).bearer_auth(WRONG)).await;
        if reply.status == 403 {
            continue;
        }
        reply.is(ProblemType::TooManyWrongTokens);
        let head = http.request(Method::HEAD, &format!("/api/transfers/download/{}/chunk/0", sample.id));
        assert_eq!(Reply::to(head.bearer_auth(DOWNLOAD_TOKEN)).await.status, 429);
        return;
    }
    panic!("one wrong token a second was compared each time");
}

#[tokio::test]
async fn guesses_side_by_side_get_no_more_than_one_after_the_other() {
    let server = Server::start();
    let http = from(&server, 2);
    let sample = completed(&http).await;
    let begun = Instant::now();
    let guesses = (0..50).map(|turn| Reply::to(read(&http, &sample, turn).bearer_auth(WRONG)));
    let replies = futures::future::join_all(guesses).await;
    let with = |status: u16| replies.iter().filter(|reply| reply.status == status).count();
    // One more after 1 s, 2 s and so on, where the machine is busy.
    let more = usize::try_from(begun.elapsed().as_secs()).expect("few");
    assert!((FREE..=FREE + more).contains(&with(403)), "{}", with(403));
    assert_eq!(with(403) + with(429), 50);
    // Two hundred readers at one address are no guessers.
    let readers = from(&server, 3);
    let reads = (0..200).map(|turn| Reply::to(read(&readers, &sample, turn).bearer_auth(DOWNLOAD_TOKEN)));
    assert!(futures::future::join_all(reads).await.iter().all(|reply| reply.status == 200));
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_address_that_it_names_is_the_client() {
    let server = Server::start_with(ServerOptions::default().env("HAULIER_TRUSTED_PROXIES", "127.0.0.2"));
    let (proxy, direct) = (from(&server, 2), from(&server, 3));
    let sample = completed(&direct).await;
    let by = |http: &Http, client: &str, token: &str| {
        Reply::to(read(http, &sample, 0).header("x-forwarded-for", client).bearer_auth(token))
    };
    // Beyond the free ones, so that the wait is longer than the test.
    let guess = async |http: &Http, client: &str| {
        let reply = by(http, client, WRONG).await;
        assert!([403, 429].contains(&reply.status.as_u16()), "{reply:?}");
    };
    for number in 0..2 * FREE {
        // Whatever the guesser itself writes stands to the left of what the proxy adds; one /64 is one client.
        guess(&proxy, &format!("203.0.113.{number}, 2001:db8::{number}")).await;
        // Nobody trusts this one: its header means nothing.
        guess(&direct, &format!("198.51.100.{number}")).await;
    }
    by(&proxy, "2001:db8::ffff", DOWNLOAD_TOKEN).await.is(ProblemType::TooManyWrongTokens);
    by(&proxy, "2001:db8:0:1::1", DOWNLOAD_TOKEN).await.ok();
    by(&proxy, "203.0.113.1", DOWNLOAD_TOKEN).await.ok();
    by(&direct, "198.51.100.77", DOWNLOAD_TOKEN).await.is(ProblemType::TooManyWrongTokens);
}
