//! What takes, spends and gives back a place.

use haulier_wire::ProblemType;
use haulier_wire::api::{LeaseEnd, TransferState, UploadStatus};

use super::paths::soon_free;
use super::{CHUNK, Guest, counts, info, limited, send, whole, with_limit};
use crate::harness::{DOWNLOAD_TOKEN, Http, Reply, Sample, Server, ServerOptions};

#[tokio::test]
async fn a_download_takes_a_place_and_spends_it_once() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = limited(&http, 3, 2).await;
    let guest = Guest::new(&http, &sample, 1);
    let lease = guest.taken().await;
    assert!(lease.limited && !lease.spent);
    assert_eq!(lease.payload_bytes.get(), 3 * (CHUNK + 28));
    // The answer was lost: the same token asks again, and has the same lease.
    assert_eq!(guest.taken().await, lease);
    guest.reads_all().await;
    assert_eq!(counts(&http, &sample).await, (1, 1), "what was read whole is spent, with or without a word");
    let committed = guest.commit().await.ok();
    assert_eq!(guest.commit().await.ok().body, committed.body, "again");
    assert_eq!(guest.give_back().await, LeaseEnd::Spent);
    assert_eq!(counts(&http, &sample).await, (1, 1));
    // It serves on, up to twice the payload.
    guest.reads_all().await;
    guest.chunk(0).await.is(ProblemType::LeaseUsedUp);
    assert_eq!(counts(&http, &sample).await, (1, 1));

    let second = Guest::new(&http, &sample, 2);
    second.taken().await;
    second.chunk(0).await.ok();
    second.commit().await.ok();
    assert_eq!(counts(&http, &sample).await, (2, 0), "whoever needs only a part says so");
    assert_eq!(info(&http, &sample).await.status, TransferState::Exhausted);
    second.chunk(1).await.ok();
    assert_eq!(second.read("manifest/ID").await.ok().status, 200, "whoever has a lease is served on");
    sample.manifest(&http).await.is(ProblemType::TransferExhausted);
    whole(&http, &sample).await.is(ProblemType::TransferExhausted);
    sample.put(&http, 0, 0).await.is(ProblemType::TransferExhausted);
    sample.complete(&http).await.ok();
    let status: UploadStatus = sample.status(&http).await.ok().json();
    assert_eq!(status.state, TransferState::Exhausted);
}

#[tokio::test]
async fn looking_costs_nothing() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = limited(&http, 2, 1).await;
    let guest = Guest::new(&http, &sample, 1);
    let chunk = format!("/api/transfers/download/{}/chunk/0", sample.id);
    let all = format!("/api/transfers/download/{}", sample.id);
    for path in [&chunk, &all] {
        let head = http.request(reqwest::Method::HEAD, path).bearer_auth(DOWNLOAD_TOKEN);
        let etag = Reply::to(head).await.ok().header("etag").to_owned();
        let known = http.get(path).bearer_auth(DOWNLOAD_TOKEN).header("if-none-match", &etag);
        assert_eq!(Reply::to(known).await.status, 304);
        let beyond = http.get(path).bearer_auth(DOWNLOAD_TOKEN).header("range", "bytes=999999999-");
        Reply::to(beyond).await.is(ProblemType::RangeNotSatisfiable);
        Reply::to(http.get(path).bearer_auth("another")).await.is(ProblemType::WrongToken);
    }
    sample.manifest(&http).await.ok();
    guest.chunk(7).await.is(ProblemType::ChunkNotFound);
    guest.chunk(0).await.is(ProblemType::LeaseEnded);
    sample.get(&http, 0).await.is(ProblemType::LeaseRequired);
    guest.commit().await.is(ProblemType::LeaseEnded);
    assert_eq!(guest.give_back().await, LeaseEnd::Ended);
    assert_eq!(counts(&http, &sample).await, (0, 1));
    assert_eq!(guest.taken().await.charged_bytes.get(), 0);
    assert_eq!(whole(&http, &sample).await.status, 409);
}

#[tokio::test]
async fn a_place_that_is_given_back_is_the_next_ones() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = limited(&http, 4, 1).await;
    let (first, second) = (Guest::new(&http, &sample, 1), Guest::new(&http, &sample, 2));
    first.taken().await;
    let refused = second.take().await;
    assert_eq!(refused.header("retry-after"), "30");
    refused.is(ProblemType::PlacesTaken);
    assert_eq!(first.give_back().await, LeaseEnd::GivenBack);
    second.taken().await;
    second.reads_all().await;
    assert_eq!(counts(&http, &sample).await, (1, 0));
    first.take().await.is(ProblemType::TransferExhausted);
}

/// All but one chunk, again and again: whoever never finishes pays all the same.
#[tokio::test]
async fn the_lease_loop_ends() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = limited(&http, 4, 2).await;
    let mut ends = Vec::new();
    for number in 0..5 {
        let guest = Guest::new(&http, &sample, number);
        let reply = guest.take().await;
        if !reply.status.is_success() {
            reply.is(ProblemType::TransferExhausted);
            break;
        }
        for index in 0..3 {
            guest.chunk(index).await.ok();
        }
        ends.push(guest.give_back().await);
    }
    assert_eq!(ends, [LeaseEnd::GivenBack, LeaseEnd::Spent, LeaseEnd::Spent]);
    assert_eq!(counts(&http, &sample).await, (2, 0));
}

#[tokio::test]
async fn a_lease_is_good_for_one_transfer_and_one_token() {
    let server = Server::start();
    let http = Http::new(&server);
    let (one, other) = (limited(&http, 1, 1).await, limited(&http, 1, 1).await);
    Guest::new(&http, &one, 1).taken().await;
    let stray = Guest::new(&http, &other, 1);
    stray.chunk(0).await.is(ProblemType::LeaseEnded);
    stray.read("download/ID").await.is(ProblemType::LeaseEnded);
    stray.commit().await.is(ProblemType::LeaseEnded);
    assert_eq!(counts(&http, &other).await, (0, 1));
    let path = format!("/api/transfers/lease/{}", one.id);
    Reply::to(http.post(&path).header("haulier-lease", "a")).await.is(ProblemType::MissingToken);
    Reply::to(http.post(&path).bearer_auth("wrong").header("haulier-lease", "a")).await.is(ProblemType::WrongToken);
    Reply::to(http.post(&path).bearer_auth(DOWNLOAD_TOKEN)).await.is(ProblemType::LeaseRequired);
    let long = "x".repeat(257);
    let request = http.post(&path).bearer_auth(DOWNLOAD_TOKEN).header("haulier-lease", &long);
    Reply::to(request).await.is(ProblemType::InvalidRequest);
}

#[tokio::test]
async fn without_a_limit_a_lease_is_nothing() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(CHUNK, CHUNK);
    sample.send(&http).await;
    let guest = Guest::new(&http, &sample, 1);
    let lease = guest.taken().await;
    assert!(!lease.limited && lease.ends_at.is_none());
    guest.chunk(0).await.ok();
    guest.commit().await.ok();
    assert_eq!(guest.give_back().await, LeaseEnd::Ended);
    assert_eq!(counts(&http, &sample).await, (1, 0));
}

#[tokio::test]
async fn the_owner_changes_the_limit_at_any_time() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(2 * CHUNK, CHUNK);
    sample.create(&http).await.ok();
    let limit = async |most: u64| sample.patch(&http, &format!("{{\"max_downloads\":{most}}}")).await;
    let status: UploadStatus = limit(3).await.ok().json();
    assert_eq!((status.state, status.max_downloads), (TransferState::Pending, 3));
    for index in 0..2 {
        sample.put(&http, index, 0).await.ok();
    }
    Guest::new(&http, &sample, 1).take().await.is(ProblemType::TransferPending);
    sample.complete(&http).await.ok();
    let guest = Guest::new(&http, &sample, 1);
    guest.taken().await;
    guest.reads_all().await;
    limit(0).await.ok();
    sample.get(&http, 0).await.ok();
    assert_eq!(info(&http, &sample).await.download_count, 2);
    limit(9_007_199_254_740_991).await.ok();
    for bad in ["-1", "9007199254740992", "1.5", "\"2\"", "1e3"] {
        sample.patch(&http, &format!("{{\"max_downloads\":{bad}}}")).await.is(ProblemType::InvalidBody);
    }
    sample.get(&http, 0).await.is(ProblemType::LeaseRequired);
    let status: UploadStatus = limit(2).await.ok().json();
    assert_eq!(status.state, TransferState::Exhausted, "two are spent");
    limit(9).await.is(ProblemType::TransferExhausted);
    sample.patch(&http, "{\"expires_in_seconds\":60}").await.is(ProblemType::TransferExhausted);
    sample.create_with(&http, &sample.create_request()).await.is(ProblemType::TransferExhausted);
    sample.delete(&http).await.ok();
    guest.chunk(0).await.is(ProblemType::TransferDeleted);
}

#[tokio::test]
async fn places_of_those_who_vanish_come_back() {
    // As long as two requests may take on a busy machine.
    let options = ServerOptions::default().env("HAULIER_LEASE_UNUSED", "6s").env("HAULIER_LEASE_IDLE", "6s");
    let server = Server::start_with(options);
    let http = Http::new(&server);
    let sample = limited(&http, 4, 1).await;
    let (gone, slow, next) =
        (Guest::new(&http, &sample, 1), Guest::new(&http, &sample, 2), Guest::new(&http, &sample, 3));
    gone.taken().await;
    slow.take().await.is(ProblemType::PlacesTaken);
    soon_free(&slow).await;
    slow.chunk(0).await.ok();
    gone.chunk(0).await.is(ProblemType::LeaseEnded);
    next.take().await.is(ProblemType::PlacesTaken);
    soon_free(&next).await;
    slow.chunk(1).await.is(ProblemType::LeaseEnded);
    next.reads_all().await;
    assert_eq!(counts(&http, &sample).await, (1, 0));
}

#[tokio::test]
async fn leases_outlive_the_server() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let start = || Server::start_with(ServerOptions::default().data_dir(&folder.path().join("data")));
    let mut server = start();
    let http = Http::new(&server);
    let sample = limited(&http, 3, 1).await;
    let guest = Guest::new(&http, &sample, 1);
    guest.taken().await;
    guest.chunk(0).await.ok();
    server.kill();
    let server = start();
    let http = Http::new(&server);
    let guest = Guest::new(&http, &sample, 1);
    assert_eq!(guest.taken().await.charged_bytes.get(), CHUNK + 28);
    Guest::new(&http, &sample, 2).take().await.is(ProblemType::PlacesTaken);
    guest.chunk(1).await.ok();
    guest.chunk(2).await.ok();
    assert_eq!(counts(&http, &sample).await, (1, 0));
    guest.commit().await.ok();
}

/// What knows nothing of leases takes one for each answer, and they add up.
#[tokio::test]
async fn a_seed_reader_needs_no_lease() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(4 * CHUNK, CHUNK);
    send(&http, &sample, &with_limit(sample.seed_request(), 1)).await;
    let path = |index: u32| format!("/api/transfers/download/{}/chunk/{index}", sample.id);
    for index in 0..4 {
        assert_eq!(counts(&http, &sample).await, (0, 1), "{index}");
        assert!(Reply::to(http.get(&path(index))).await.ok().body == sample.chunk(index, 0));
    }
    assert_eq!(counts(&http, &sample).await, (1, 0));
    Reply::to(http.get(&path(0))).await.is(ProblemType::TransferExhausted);
}
