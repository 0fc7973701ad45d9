//! Steps, ends and refusals, on a real database and a clock that the test moves.

use std::sync::Mutex;

use futures::{StreamExt as _, TryStreamExt as _};
use haulier_wire::{ByteLen, ChunkLayout, TransferKind};
use std::sync::Arc;
use tempfile::TempDir;

use super::*;
use crate::blob::BlobStore;
use crate::blob::disk::DiskStore;
use crate::blob::troubled::{Trouble, TroubledDisk};
use crate::clock::Clock;
use crate::entropy::SystemEntropy;
use crate::metadata::sqlite::SqliteStore;
use crate::metadata::{Expiry, OperatorStore as _, Restored, Shape, Transfer};
use crate::transfer::lease::Terms;
use crate::transfer::state::{LeaseTimes, Limits};
use crate::transfer::{Clients, Reader, Token, Writer};

const MIB: u64 = 1 << 20;
const OWNER: &str = "the-owner-token";
const START: i64 = 1_800_000_000;

#[derive(Debug)]
struct TestClock(Mutex<Timestamp>);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().expect("no panic")
    }
}

struct House {
    transfers: Transfers,
    clock: Arc<TestClock>,
    folder: TempDir,
}

impl House {
    /// A transfer of `mib` MiB, sealed, that may be downloaded `limit` times.
    async fn new(kind: TransferKind, mib: u64, limit: u64) -> (Self, Terms) {
        let folder = TempDir::new().expect("a folder");
        let blobs = DiskStore::open(&folder.path().join("blobs")).expect("opens");
        Self::on(folder, Arc::new(blobs), transfer(kind, mib, limit)).await
    }

    async fn on(folder: TempDir, blobs: Arc<dyn BlobStore>, transfer: Transfer) -> (Self, Terms) {
        let metadata = SqliteStore::open(&folder.path().join("a.sqlite")).await.expect("opens");
        let restored = Restored { transfer: transfer.clone(), sealed_metadata: None, chunks: Vec::new() };
        assert!(metadata.restore(&restored).await.expect("restored"));
        let clock = Arc::new(TestClock(Mutex::new(second(0))));
        let hour = Duration::from_secs(3600);
        let limits = Limits {
            max_file_bytes: 1 << 40,
            max_total_chunks: 1000,
            default_expiry: hour,
            max_expiry: hour,
            upload_expiry: hour,
            client_timeout: Duration::from_secs(30),
            sweep_grace: Duration::ZERO,
            min_expiry: Duration::from_secs(1),
            create: crate::transfer::state::Create::Open,
            quotas: crate::transfer::Quotas::default(),
            client_rate: None,
            token_rate: None,
            leases: LeaseTimes::default(),
        };
        let now: Arc<TestClock> = Arc::clone(&clock);
        let transfers = Transfers::new(Arc::new(metadata), blobs, now, Arc::new(SystemEntropy), limits);
        (Self { transfers, clock, folder }, Terms::of(&transfer))
    }

    fn at(&self, seconds: i64) {
        *self.clock.0.lock().expect("no panic") = second(seconds);
    }

    async fn row(&self) -> Transfer {
        self.transfers.metadata.transfer(id()).await.expect("read").expect("there")
    }

    /// held and spent, once they are `expected`: what ends in a task of its own takes a moment.
    async fn comes_to(&self, expected: (u64, u64)) {
        for _ in 0..500 {
            let row = self.row().await;
            if (row.held, row.download_count) == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never came to {expected:?}: {:?}", self.row().await);
    }

    /// What meta.json says of the downloads, once it says `expected`.
    async fn is_written(&self, expected: u64) {
        let path = self.folder.path().join(format!("blobs/transfers/{}/meta.json", id()));
        let part = format!("\"download_count\":{expected},");
        for _ in 0..500 {
            if std::fs::read_to_string(&path).is_ok_and(|text| text.contains(&part)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{part} never stood in meta.json: {:?}", std::fs::read_to_string(&path));
    }

    async fn charged(&self, token: &str) -> u64 {
        let key = super::super::key(id(), &Token::new(token).expect("a token"));
        self.transfers.metadata.lease(&key).await.expect("read").expect("there").charged_bytes
    }
}

fn id() -> TransferId {
    TransferId::from_random_bytes([1; 16])
}

fn second(seconds: i64) -> Timestamp {
    Timestamp::from_second(START + seconds).expect("in range")
}

fn transfer(kind: TransferKind, mib: u64, limit: u64) -> Transfer {
    let layout = ChunkLayout::new(ByteLen::new(1).expect("in range"), 65_536).expect("a layout");
    Transfer {
        id: id(),
        kind,
        state: StoredState::Completed,
        create_digest: [0; 32],
        shape: Shape::Chunks(layout),
        stored_chunks: 1,
        stored_bytes: mib * MIB,
        key_check: None,
        kdf_salt: None,
        owner_token_hash: Token::new(OWNER).map(|token| token.hash()),
        download_token_hash: None,
        max_downloads: limit,
        download_count: 0,
        held: 0,
        abandoned_bytes: 0,
        created_at: second(0),
        upload_expires_at: second(0),
        expiry: Expiry::At(second(1_000_000)),
        completed_at: Some(second(0)),
        is_swept: false,
    }
}

fn reader(lease: Option<&str>) -> Reader {
    let lease = lease.map(|token| Token::new(token).expect("a token"));
    let client = Clients::new(Arc::new(crate::clock::SystemClock), Arc::new(SystemEntropy)).at([127, 0, 0, 1].into());
    Reader { download: None, lease, client }
}

/// Lets `bytes` leave, step by step.
async fn send(toll: &mut Toll, bytes: u64) -> Vec<u64> {
    let (mut rest, mut steps) = (bytes, Vec::new());
    while rest > 0 {
        let step = toll.pay(rest).await.expect("may leave");
        assert!(step > 0);
        toll.passed(step);
        rest -= step;
        steps.push(step);
    }
    steps
}

#[tokio::test]
async fn without_a_limit_nothing_is_asked() {
    let (house, terms) = House::new(TransferKind::Full, 10, 0).await;
    let mut toll = house.transfers.admit(terms, &reader(None), 10 * MIB).await.expect("free");
    assert_eq!(send(&mut toll, 10 * MIB).await, [10 * MIB]);
    let row = house.row().await;
    assert_eq!((row.held, row.download_count), (0, 0));
}

#[tokio::test]
async fn bytes_are_paid_in_steps_before_they_leave() {
    for (mib, step) in [(10, MIB), (16, MIB), (64, 4 * MIB)] {
        let (house, terms) = House::new(TransferKind::Full, mib, 1).await;
        assert!(house.transfers.take_lease(id(), &reader(Some("a"))).await.expect("a place").limited);
        let mut toll = house.transfers.admit(terms, &reader(Some("a")), mib * MIB).await.expect("begins");
        assert_eq!(house.charged("a").await, step, "the first step is paid when the head leaves");
        let mut sent = 0;
        while sent < mib * MIB {
            let step = toll.pay(mib * MIB - sent).await.expect("may leave");
            assert!(house.charged("a").await >= sent + step, "no byte leaves unpaid");
            toll.passed(step);
            sent += step;
        }
        house.comes_to((1, 1)).await;
        assert_eq!(house.charged("a").await, mib * MIB);
        assert_eq!(house.row().await.state, StoredState::Exhausted);
    }
}

#[tokio::test]
async fn a_chunk_needs_a_lease_and_an_older_reader_takes_one() {
    let (house, terms) = House::new(TransferKind::Full, 4, 1).await;
    let refused = |result: Result<Toll, TransferError>| result.expect_err("refused");
    let admit = async |terms, lease| house.transfers.admit(terms, &reader(lease), MIB).await;
    assert!(matches!(refused(admit(terms, None).await), TransferError::LeaseRequired));
    assert!(matches!(refused(admit(terms, Some("never-taken")).await), TransferError::LeaseEnded));
    let own = Terms { takes_own: true, ..terms };
    assert!(matches!(refused(admit(own, Some("never-taken")).await), TransferError::LeaseEnded));
    let toll = house.transfers.admit(own, &reader(None), 4 * MIB).await.expect("a place of its own");
    assert!(matches!(refused(admit(own, None).await), TransferError::PlacesTaken));
    drop(toll);
    house.comes_to((0, 0)).await;
    assert_eq!(house.row().await.abandoned_bytes, 0, "nothing has left");
    let mut toll = house.transfers.admit(own, &reader(None), 4 * MIB).await.expect("a place of its own");
    toll.passed(1000);
    drop(toll);
    house.comes_to((0, 0)).await;
    assert_eq!(house.row().await.abandoned_bytes, 1000, "what has left was not for nothing");
}

#[tokio::test]
async fn what_was_paid_and_did_not_leave_comes_back() {
    let (house, terms) = House::new(TransferKind::Full, 1, 1).await;
    house.transfers.take_lease(id(), &reader(Some("a"))).await.expect("a place");
    // One chunk whose connection breaks ten times, and each time a tenth has left.
    let tenth = MIB / 10;
    let mut rest = MIB;
    for broken in 1..=10 {
        let mut toll = house.transfers.admit(terms, &reader(Some("a")), rest).await.expect("it may go on");
        assert!(toll.pay(rest).await.expect("may leave") == rest);
        toll.passed(tenth);
        drop(toll);
        rest -= tenth;
        for _ in 0..500 {
            if house.charged("a").await == broken * tenth {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(house.charged("a").await, broken * tenth);
    }
    assert_eq!(house.row().await.download_count, 1, "it was spent by the first charge, and stays so");
}

/// As after kill -9: nobody gives the place back, and its token is known to nobody.
#[tokio::test]
async fn a_place_of_its_own_outlives_its_server_for_minutes() {
    let (house, terms) = House::new(TransferKind::Seed, 64, 1).await;
    let mut toll = house.transfers.admit(terms, &reader(None), 64 * MIB).await.expect("a place");
    assert_eq!(toll.pay(64 * MIB).await.expect("may leave"), 4 * MIB);
    std::mem::forget(toll);
    house.at(599);
    assert!(matches!(house.transfers.admit(terms, &reader(None), MIB).await, Err(TransferError::PlacesTaken)));
    house.at(600);
    house.transfers.admit(terms, &reader(None), MIB).await.expect("the place is free");
}

/// A reader that takes something now and then is not one that has vanished.
#[tokio::test]
async fn a_slow_body_keeps_its_own_lease() {
    let (house, terms) = House::new(TransferKind::Seed, 64, 1).await;
    let mut toll = house.transfers.admit(terms, &reader(None), 64 * MIB).await.expect("a place");
    for step in 1..=9 {
        // As long as it may stand still, and a minute.
        house.at(step * (256 + 30 + 60));
        assert!(toll.pay(64 * MIB).await.expect("kept") > 0);
        toll.passed(1);
    }
    assert!(matches!(house.transfers.admit(terms, &reader(None), MIB).await, Err(TransferError::PlacesTaken)));
}

#[tokio::test]
async fn a_reader_of_parts_finds_its_place_free_again() {
    let (house, terms) = House::new(TransferKind::Seed, 4, 1).await;
    for part in 1..=4 {
        let mut toll = house.transfers.admit(terms, &reader(None), MIB).await.expect("a place");
        // The next one comes when it has all of this one, whatever this server has still to do.
        let row = house.row().await;
        let expected = if part < 4 { (0, 0, part * MIB) } else { (1, 1, 0) };
        assert_eq!((row.held, row.download_count, row.abandoned_bytes), expected, "{part}");
        assert_eq!(send(&mut toll, MIB).await, [MIB]);
    }
    let again = house.transfers.admit(terms, &reader(None), MIB).await;
    assert!(matches!(again, Err(TransferError::Exhausted)));
}

#[tokio::test]
async fn a_commit_that_comes_again_writes_the_count_down() {
    let (house, _) = House::new(TransferKind::Full, 2, 2).await;
    house.transfers.take_lease(id(), &reader(Some("a"))).await.expect("a place");
    // The server was killed between the commit of the database and meta.json.
    let key = super::super::key(id(), &Token::new("a").expect("a token"));
    house.transfers.metadata.commit_lease(&key, second(0), LeaseTimes::default()).await.expect("spent");
    assert!(house.transfers.commit_lease(id(), &reader(Some("a"))).await.expect("again").spent);
    house.is_written(1).await;
}

/// Ten places are spent while the store takes nothing: nobody waits for it, and it is not asked ten times.
#[tokio::test]
async fn no_reader_waits_for_the_count_to_be_written() {
    let folder = TempDir::new().expect("a folder");
    let disk = DiskStore::open(&folder.path().join("blobs")).expect("opens");
    let disk = Arc::new(TroubledDisk::new(disk, Trouble::PutsWait));
    let blobs: Arc<TroubledDisk> = Arc::clone(&disk);
    let (house, terms) = House::on(folder, blobs, transfer(TransferKind::Full, 2, 100)).await;
    let spend = async {
        for number in 0..10 {
            let token = format!("token-{number}");
            house.transfers.take_lease(id(), &reader(Some(&token))).await.expect("a place");
            let mut toll = house.transfers.admit(terms, &reader(Some(&token)), 2 * MIB).await.expect("begins");
            send(&mut toll, 2 * MIB).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), spend).await.expect("nobody waits");
    assert_eq!(house.row().await.download_count, 10);
    let saved = house.transfers.counts_saved();
    tokio::pin!(saved);
    assert!(futures::poll!(&mut saved).is_pending(), "whoever stops waits for it");
    disk.heal();
    saved.await;
    house.is_written(10).await;
    assert!(disk.puts() <= 3, "{} times", disk.puts());
}

#[tokio::test]
async fn only_the_last_place_calls_for_a_sweep() {
    let (house, terms) = House::new(TransferKind::Seed, 2, 3).await;
    let called = async |within: u64| {
        let call = house.transfers.sweep_due();
        tokio::time::timeout(Duration::from_millis(within), call).await.is_ok()
    };
    let whole = async || {
        let mut toll = house.transfers.admit(terms, &reader(None), 2 * MIB).await.expect("begins");
        send(&mut toll, 2 * MIB).await;
    };
    whole().await;
    assert!(!called(200).await, "two are left");
    whole().await;
    assert!(!called(200).await, "one is left");
    whole().await;
    assert!(called(60_000).await, "that was the last");
    assert!(!called(200).await, "once");
}

#[tokio::test]
async fn a_burnt_place_and_a_lower_limit_call_for_a_sweep_too() {
    let (house, terms) = House::new(TransferKind::Seed, 4, 1).await;
    for expected in [(0, 0), (1, 1)] {
        let mut toll = house.transfers.admit(terms, &reader(None), 4 * MIB).await.expect("begins");
        for _ in 0..3 {
            toll.pay(4 * MIB).await.expect("may leave");
            toll.passed(MIB);
        }
        drop(toll);
        house.comes_to(expected).await;
    }
    let call = tokio::time::timeout(Duration::from_secs(60), house.transfers.sweep_due()).await;
    assert!(call.is_ok(), "twice three of four parts are one payload and more");

    let (house, _) = House::new(TransferKind::Seed, 4, 9).await;
    house.transfers.count_download(id()).await;
    let lower = serde_json::from_str("{\"max_downloads\":1}").expect("a request");
    let owner = Writer { owner: Token::new(OWNER), access: None };
    let status = house.transfers.update(id(), &owner, &lower).await.expect("changed");
    assert_eq!(status.max_downloads, 1);
    assert!(tokio::time::timeout(Duration::from_secs(60), house.transfers.sweep_due()).await.is_ok());
}

/// A reader goes away at some moment while its place is being taken.
#[tokio::test]
async fn a_reader_that_goes_away_at_once_leaves_no_place_taken() {
    let (house, terms) = House::new(TransferKind::Seed, 4, 1000).await;
    for round in 0..200_u64 {
        let reader = reader(None);
        let admitted = house.transfers.admit(terms, &reader, 4 * MIB);
        let patience = Duration::from_micros(round * 20);
        drop(tokio::time::timeout(patience, admitted).await);
    }
    // What was paid while they went may have burnt some; no place is under way.
    let mut row = house.row().await;
    for _ in 0..500 {
        if row.held == row.download_count {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        row = house.row().await;
    }
    assert_eq!(row.held, row.download_count);
}

/// Somebody else spends the last place while a body is in its last step.
#[tokio::test]
async fn the_last_step_of_a_body_outlives_the_transfer() {
    let (house, terms) = House::new(TransferKind::Seed, 4, 1).await;
    let mut last = house.transfers.admit(terms, &reader(None), MIB).await.expect("a part");
    last.passed(1);
    let mut whole = house.transfers.admit(terms, &reader(None), 4 * MIB).await.expect("its place is free");
    send(&mut whole, 4 * MIB).await;
    drop(whole);
    house.comes_to((1, 1)).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    house.transfers.sweep().await.expect("swept");
    assert!(!house.row().await.is_swept, "somebody reads");
    house.at(599);
    assert!(last.pay(MIB - 1).await.expect("kept") > 0);
    house.at(1198);
    house.transfers.sweep().await.expect("swept");
    assert!(!house.row().await.is_swept, "somebody still reads");
    drop(last);
    for _ in 0..500 {
        house.transfers.sweep().await.expect("swept");
        if house.row().await.is_swept {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(house.row().await.is_swept);
    assert_eq!(house.row().await.held, 1);
}

#[tokio::test]
async fn twice_the_payload_is_the_end() {
    let (house, terms) = House::new(TransferKind::Full, 2, 1).await;
    house.transfers.take_lease(id(), &reader(Some("a"))).await.expect("a place");
    for _ in 0..4 {
        let mut toll = house.transfers.admit(terms, &reader(Some("a")), MIB).await.expect("may leave");
        send(&mut toll, MIB).await;
    }
    let fifth = house.transfers.admit(terms, &reader(Some("a")), 1).await;
    assert!(matches!(fifth, Err(TransferError::LeaseUsedUp)));
    assert_eq!(house.row().await.download_count, 1);
}

#[tokio::test]
async fn a_slow_body_keeps_its_lease() {
    let (house, terms) = House::new(TransferKind::Full, 64, 1).await;
    house.transfers.take_lease(id(), &reader(Some("a"))).await.expect("a place");
    let mut toll = house.transfers.admit(terms, &reader(Some("a")), 64 * MIB).await.expect("begins");
    for minute in 1..=90 {
        house.at(minute * 60);
        assert!(toll.pay(64 * MIB).await.expect("kept") > 0);
        toll.passed(1);
    }
    assert_eq!(house.charged("a").await, 4 * MIB, "nothing more was paid");
    // Nobody asked for a byte for an hour.
    house.at(90 * 60 + 3600);
    let error = toll.pay(64 * MIB).await.expect_err("lapsed");
    assert!(matches!(error, TransferError::LeaseEnded));
    house.transfers.end_lapsed_leases(house.clock.now()).await.expect("ended");
    house.comes_to((0, 0)).await;
}

#[tokio::test]
async fn a_body_keeps_a_lease_that_lasts_less_than_a_minute() {
    let (mut house, terms) = House::new(TransferKind::Full, 64, 1).await;
    house.transfers.limits.leases.idle = Duration::from_secs(30);
    house.transfers.take_lease(id(), &reader(Some("a"))).await.expect("a place");
    let mut toll = house.transfers.admit(terms, &reader(Some("a")), 64 * MIB).await.expect("begins");
    for step in 1..=20 {
        house.at(step * 14);
        assert!(toll.pay(64 * MIB).await.expect("kept") > 0);
        toll.passed(1);
    }
    toll.passed(4 * MIB);
    toll.pay(64 * MIB).await.expect("the next step");
}

#[tokio::test]
async fn a_place_whose_holder_is_gone_is_taken_over() {
    let (house, _) = House::new(TransferKind::Full, 64, 1).await;
    house.transfers.take_lease(id(), &reader(Some("a"))).await.expect("a place");
    house.at(119);
    let busy = house.transfers.take_lease(id(), &reader(Some("b"))).await;
    assert!(matches!(busy, Err(TransferError::PlacesTaken)));
    house.at(120);
    house.transfers.take_lease(id(), &reader(Some("b"))).await.expect("the place is free");
    // The clock jumps back by a year, and on again.
    house.at(-31_536_000);
    house.transfers.take_lease(id(), &reader(Some("c"))).await.expect("b has its place from the future");
    house.at(200);
    house.transfers.take_lease(id(), &reader(Some("d"))).await.expect("c is long over");
    assert_eq!(house.row().await.held, 1);
}

#[tokio::test]
async fn a_stream_pays_piece_by_piece_and_breaks_when_it_cannot() {
    let (house, terms) = House::new(TransferKind::Full, 2, 1).await;
    house.transfers.take_lease(id(), &reader(Some("a"))).await.expect("a place");
    let bytes = Bytes::from(vec![7; 3 << 19]);
    let pieces = || stream::iter([Ok(bytes.clone()), Ok(bytes.slice(..1 << 19))]).boxed();
    for _ in 0..2 {
        let toll = house.transfers.admit(terms, &reader(Some("a")), 2 * MIB).await.expect("begins");
        let read: Vec<Bytes> = toll.over(pieces(), 2 * MIB).try_collect().await.expect("whole");
        assert_eq!(read.iter().map(Bytes::len).sum::<usize>() as u64, 2 * MIB);
        assert!(read.iter().all(|piece| piece.len() as u64 <= MIB), "no piece is more than a step");
    }
    assert_eq!(house.charged("a").await, 4 * MIB);

    let (house, terms) = House::new(TransferKind::Full, 2, 1).await;
    house.transfers.take_lease(id(), &reader(Some("a"))).await.expect("a place");
    let toll = house.transfers.admit(terms, &reader(Some("a")), 2 * MIB).await.expect("begins");
    let mut stream = toll.over(pieces(), 2 * MIB);
    assert_eq!(stream.next().await.expect("a piece").expect("paid").len() as u64, MIB);
    house.transfers.give_back_lease(id(), &reader(Some("a"))).await.expect("given back");
    assert!(stream.next().await.expect("an end").is_err(), "never a clean end");
    assert!(stream.next().await.is_none());
}
