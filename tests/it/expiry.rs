//! Expiry holds on every read and write, and the owner can move it.

use std::cell::Cell;
use std::time::Duration;

use haulier_wire::api::{
    CompleteResponse, CreateRequest, CreateResponse, DeleteResponse, DeleteStatus, Manifest, UploadStatus,
};
use haulier_wire::{ByteLen, ProblemType, Timestamp};

use crate::delete::every_route_is;
use crate::harness::{Connection, Http, Sample, Server, ServerOptions, eventually, files_below};

fn ending_in(sample: &Sample, seconds: u64) -> CreateRequest {
    CreateRequest { expires_in_seconds: ByteLen::new(seconds), ..sample.create_request() }
}

async fn send_ending_in(http: &Http, seconds: u64) -> Sample {
    let sample = Sample::new(1, 65_536);
    sample.create_with(http, &ending_in(&sample, seconds)).await.ok();
    sample.put(http, 0, 0).await.ok();
    sample.complete(http).await.ok();
    sample
}

/// A little more than the shortest lifetime.
async fn a_second() {
    tokio::time::sleep(Duration::from_millis(1_100)).await;
}

#[tokio::test]
async fn nothing_is_read_or_written_afterwards() {
    let server = Server::start_with(ServerOptions::default().env("HAULIER_UPLOAD_EXPIRY", "1s"));
    let http = Http::new(&server);
    let pending = Sample::new(65_537, 65_536);
    pending.create(&http).await.ok();
    pending.put(&http, 0, 0).await.ok();
    let completed = send_ending_in(&http, 1).await;
    // While it lives, it can be read.
    completed.get(&http, 0).await.ok();
    let body = pending.chunk(1, 0);
    let mut connection = Connection::open(&server).await;
    connection.send(pending.put_head(1, &format!("content-length: {}\r\n", body.len()))).await;
    connection.send(&body[..10]).await;
    a_second().await;

    connection.send(&body[10..]).await;
    connection.reply().await.expect("an answer").is(ProblemType::TransferExpired);
    for sample in [&pending, &completed] {
        every_route_is(&http, sample, ProblemType::TransferExpired).await;
    }
    // The owner need not wait for the sweep: the bytes can go at once, and then it is a tombstone as any other.
    let deleted: DeleteResponse = completed.delete(&http).await.ok().json();
    assert_eq!(deleted.status, DeleteStatus::Deleted);
    every_route_is(&http, &completed, ProblemType::TransferDeleted).await;
}

/// The moment in a create request lies behind when it is sent again: the id decides, not the moment.
#[tokio::test]
async fn create_again_after_its_moment_says_what_became_of_the_transfer() {
    let server = Server::start();
    let http = Http::new(&server);
    let first: CreateResponse = Sample::new(1, 65_536).create(&http).await.ok().json();
    let soon = first.upload_expires_at - Duration::from_secs(7 * 24 * 3600) + Duration::from_secs(3);
    let ending_soon = |sample: &Sample| CreateRequest { expires_at: Some(soon), ..sample.create_request() };
    let (ended, extended, never) = (Sample::new(1, 65_536), Sample::new(1, 65_536), Sample::new(1, 65_536));
    for sample in [&ended, &extended] {
        let created: CreateResponse = sample.create_with(&http, &ending_soon(sample)).await.ok().json();
        assert_eq!(created.expires_at, Some(soon));
    }
    extended.patch(&http, "{\"expires_in_seconds\":3600}").await.ok();
    for _ in 0..3 {
        a_second().await;
    }
    ended.create_with(&http, &ending_soon(&ended)).await.is(ProblemType::TransferExpired);
    ended.status(&http).await.is(ProblemType::TransferExpired);
    assert_eq!(extended.create_with(&http, &ending_soon(&extended)).await.ok().status, 201);
    extended.create(&http).await.is(ProblemType::TransferExists);
    never.create_with(&http, &ending_soon(&never)).await.is(ProblemType::InvalidNumbers);
}

#[tokio::test]
async fn every_chunk_keeps_an_upload_alive() {
    let server = Server::start_with(ServerOptions::default().env("HAULIER_UPLOAD_EXPIRY", "2s"));
    let http = Http::new(&server);
    let sample = Sample::new(3 * 65_536, 65_536);
    sample.create(&http).await.ok();
    let mut before: Option<Timestamp> = None;
    for index in 0..3 {
        a_second().await;
        sample.put(&http, index, 0).await.ok();
        let status: UploadStatus = sample.status(&http).await.ok().json();
        assert!(before < Some(status.upload_expires_at));
        before = Some(status.upload_expires_at);
    }
    sample.complete(&http).await.ok();
    sample.get(&http, 2).await.ok();
}

#[tokio::test]
async fn the_owner_moves_the_end_of_a_completed_transfer_from_now() {
    let server = Server::start();
    let http = Http::new(&server);
    let extended = send_ending_in(&http, 1).await;
    let shortened = send_ending_in(&http, 3600).await;
    let unchanged: Manifest = shortened.manifest(&http).await.ok().json();
    for body in ["", "{}", "{\"max_downloads\":0}"] {
        let status: UploadStatus = shortened.patch(&http, body).await.ok().json();
        assert_eq!(status.expires_at, Some(unchanged.expires_at), "{body}");
    }
    let status: UploadStatus = extended.patch(&http, "{\"expires_in_seconds\":3600}").await.ok().json();
    let now: Manifest = extended.manifest(&http).await.ok().json();
    assert_eq!(status.expires_at, Some(now.expires_at));
    assert!(now.expires_at - Duration::from_secs(3600) >= now.completed_at);
    shortened.patch(&http, "{\"expires_in_seconds\":1}").await.ok();
    a_second().await;
    extended.get(&http, 0).await.ok();
    shortened.get(&http, 0).await.is(ProblemType::TransferExpired);
    shortened.patch(&http, "{\"expires_in_seconds\":3600}").await.is(ProblemType::TransferExpired);
}

#[tokio::test]
async fn the_owner_moves_the_end_of_a_pending_transfer_from_complete() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(1, 65_536);
    sample.create_with(&http, &ending_in(&sample, 1)).await.ok();
    let status: UploadStatus = sample.patch(&http, "{\"expires_in_seconds\":5000}").await.ok().json();
    assert_eq!(status.expires_at, None);
    sample.put(&http, 0, 0).await.ok();
    let completed: CompleteResponse = sample.complete(&http).await.ok().json();
    assert_eq!(completed.expires_at, completed.completed_at + Duration::from_secs(5000));

    let other = Sample::new(1, 65_536);
    other.create(&http).await.ok();
    let moment = completed.expires_at;
    let status: UploadStatus = other.patch(&http, &format!("{{\"expires_at\":\"{moment}\"}}")).await.ok().json();
    assert_eq!(status.expires_at, Some(moment));
    other.put(&http, 0, 0).await.ok();
    let completed: CompleteResponse = other.complete(&http).await.ok().json();
    assert_eq!(completed.expires_at, moment);
}

#[tokio::test]
async fn an_end_out_of_range_changes_nothing() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = send_ending_in(&http, 3600).await;
    let before = sample.manifest(&http).await.ok().body;
    use ProblemType::{InvalidBody, InvalidNumbers};
    for (body, kind) in [
        ("{\"expires_in_seconds\":0}", InvalidNumbers),
        ("{\"expires_in_seconds\":31536001}", InvalidNumbers),
        ("{\"expires_in_seconds\":-1}", InvalidBody),
        ("{\"expires_in_seconds\":\"60\"}", InvalidBody),
        ("{\"expires_at\":\"2020-01-01T00:00:00Z\"}", InvalidNumbers),
        ("{\"expires_at\":\"9999-01-01T00:00:00Z\"}", InvalidNumbers),
        ("{\"expires_at\":\"soon\"}", InvalidBody),
        ("{\"expires_in_seconds\":60,\"expires_at\":\"2027-01-01T00:00:00Z\"}", InvalidNumbers),
        ("{\"max_downloads\":-1}", InvalidBody),
        ("{\"expires_in_seconds\":60,\"max_downloads\":9007199254740992}", InvalidBody),
        ("{\"surprise\":1}", InvalidBody),
        ("[60]", InvalidBody),
        ("null", InvalidBody),
    ] {
        sample.patch(&http, body).await.is(kind);
    }
    assert_eq!(sample.manifest(&http).await.ok().body, before);
}

/// A change that is taken for one of a pending transfer must not take a completed one's end away.
#[tokio::test]
async fn a_change_that_races_complete_leaves_a_readable_transfer() {
    let server = Server::start();
    let http = Http::new(&server);
    for _ in 0..20 {
        let sample = Sample::new(1, 65_536);
        sample.create(&http).await.ok();
        sample.put(&http, 0, 0).await.ok();
        let is_complete = Cell::new(false);
        let completing = async {
            sample.complete(&http).await.ok();
            is_complete.set(true);
        };
        let patching = || async {
            while !is_complete.get() {
                sample.patch(&http, "{\"expires_in_seconds\":60}").await.ok();
            }
        };
        tokio::join!(completing, patching(), patching(), patching());
        let _: Manifest = sample.manifest(&http).await.ok().json();
    }
}

/// A change that was acknowledged holds, whichever of the two came first.
#[tokio::test]
async fn a_change_in_the_middle_of_complete_is_not_lost() {
    let server = Server::start();
    let http = Http::new(&server);
    for round in 0..30 {
        let sample = Sample::new(1, 65_536);
        sample.create(&http).await.ok();
        sample.put(&http, 0, 0).await.ok();
        let patching = async {
            tokio::time::sleep(Duration::from_micros(200 * round)).await;
            sample.patch(&http, "{\"expires_in_seconds\":60}").await.ok();
        };
        let (completed, ()) = tokio::join!(sample.complete(&http), patching);
        completed.ok();
        let manifest: Manifest = sample.manifest(&http).await.ok().json();
        let latest = manifest.completed_at + Duration::from_secs(90);
        assert!(manifest.expires_at < latest, "{} is the default, not what the owner asked for", manifest.expires_at);
    }
}

#[tokio::test]
async fn the_bytes_of_what_has_ended_are_swept() {
    let options = ServerOptions::default()
        .env("HAULIER_UPLOAD_EXPIRY", "1s")
        .env("HAULIER_SWEEP_INTERVAL", "1s")
        .env("HAULIER_SWEEP_GRACE", "0s");
    let server = Server::start_with(options);
    let http = Http::new(&server);
    let kept = send_ending_in(&http, 3600).await;
    let expired = send_ending_in(&http, 1).await;
    let abandoned = Sample::new(65_537, 65_536);
    abandoned.create(&http).await.ok();
    abandoned.put(&http, 0, 0).await.ok();
    let folder = |sample: &Sample| server.data_dir().join(format!("blobs/transfers/{}", sample.id));
    assert!([&kept, &expired, &abandoned].iter().all(|sample| !files_below(&folder(sample)).is_empty()));
    eventually("both are swept", || !folder(&expired).exists() && !folder(&abandoned).exists()).await;
    for sample in [&expired, &abandoned] {
        every_route_is(&http, sample, ProblemType::TransferExpired).await;
        assert!(!folder(sample).exists(), "a late chunk leaves no file");
    }
    kept.get(&http, 0).await.ok();
}

#[tokio::test]
async fn one_transfer_that_cannot_be_removed_does_not_keep_the_others() {
    let options = ServerOptions::default().env("HAULIER_SWEEP_INTERVAL", "1s").env("HAULIER_SWEEP_GRACE", "0s");
    let server = Server::start_with(options);
    let http = Http::new(&server);
    let folder = |sample: &Sample| server.data_dir().join(format!("blobs/transfers/{}", sample.id));
    // It ends first, so that every round meets it first.
    let stuck = send_ending_in(&http, 1).await;
    std::fs::remove_dir_all(folder(&stuck)).expect("removed");
    std::fs::write(folder(&stuck), "a file where a folder should be").expect("written");
    let expired = send_ending_in(&http, 1).await;
    eventually("the other is swept", || !folder(&expired).exists()).await;
    assert!(folder(&stuck).exists());
    std::fs::remove_file(folder(&stuck)).expect("removed");
}
