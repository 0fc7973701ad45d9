//! A statement that was done and whose answer never came, while another server goes on.

use std::net::SocketAddr;

use haulier_wire::TransferKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::*;
use crate::metadata::{Payload, PayloadRecord, PayloadStore as _, PayloadUpload};
use crate::store::UploadId;

/// A way to a database that loses the answer to whatever names `word`, once; new connections then wait until it opens.
struct Way {
    address: SocketAddr,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Fine,
    Lost,
    OpenAgain,
}

impl Way {
    async fn to(upstream: String, word: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = watch::Sender::new(State::Fine);
        let shared = state.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, upstream.clone(), word, shared.clone()));
            }
        });
        Self { address, state }
    }

    async fn has_lost_it(&self) {
        self.state.subscribe().wait_for(|state| *state == State::Lost).await.expect("it still runs");
    }

    fn open_again(&self) {
        self.state.send_replace(State::OpenAgain);
    }
}

async fn carry(client: TcpStream, upstream: String, word: &'static str, state: watch::Sender<State>) {
    state.subscribe().wait_for(|state| *state != State::Lost).await.expect("it still runs");
    let server = TcpStream::connect(upstream).await.expect("the database is there");
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let is_named = Arc::new(AtomicBool::new(false));
    let up = {
        let (is_named, state) = (Arc::clone(&is_named), state.clone());
        async move {
            let mut piece = vec![0; 64 << 10];
            while let Ok(read @ 1..) = from_client.read(&mut piece).await {
                let names_it = piece[..read].windows(word.len()).any(|part| part == word.as_bytes());
                if names_it && *state.borrow() == State::Fine {
                    is_named.store(true, Ordering::Relaxed);
                }
                if to_server.write_all(&piece[..read]).await.is_err() {
                    break;
                }
            }
        }
    };
    let down = async move {
        let mut piece = vec![0; 64 << 10];
        while let Ok(read @ 1..) = from_server.read(&mut piece).await {
            // The statement commits by itself: its answer says that this is done.
            if is_named.load(Ordering::Relaxed) {
                state.send_replace(State::Lost);
                break;
            }
            if to_client.write_all(&piece[..read]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = up => {}
        () = down => {}
    }
}

async fn open_by(way: &Way, database: &TestDatabase) -> PostgresStore {
    let mut url = url::Url::parse(database.url()).expect("a URL");
    url.set_host(Some("127.0.0.1")).expect("set");
    url.set_port(Some(way.address.port())).expect("set");
    PostgresStore::open(url.as_str(), 4, Arc::new(SystemEntropy)).await.expect("opens")
}

async fn way_to(database: &TestDatabase, word: &'static str) -> Way {
    let url = url::Url::parse(database.url()).expect("a URL");
    let upstream = format!("{}:{}", url.host_str().expect("a host"), url.port().unwrap_or(5432));
    Way::to(upstream, word).await
}

fn new_payload() -> NewTransfer {
    let mut new = contract::new_transfer(1);
    let payload = Payload { file_size: 7, content_type_hint: String::new(), auto_delete: false, upload: None };
    (new.transfer.kind, new.transfer.shape) = (TransferKind::Payload, Shape::Payload(payload));
    (new.transfer.key_check, new.transfer.kdf_salt) = (None, None);
    new.transfer.upload_expires_at = later(1_000_000);
    new
}

fn upload(number: u8, instead_of: Option<u8>) -> PayloadRecord {
    let upload_id = |number| UploadId::from_random_bytes([number; 8]);
    PayloadRecord {
        transfer_id: id(1),
        upload: PayloadUpload { id: upload_id(number), len: 7, blake3: [number; 32] },
        instead_of: instead_of.map(upload_id),
        now: later(1),
        upload_expires_at: later(1_000_000),
    }
}

/// The name of upload 10, as the database is told it.
const TENTH: &str = "0a0a0a0a0a0a0a0a";

/// Were it `false`, its writer would take the other's place once more, and point the row to the blob that the other one
/// has removed.
#[tokio::test]
async fn an_upload_that_counted_for_a_while_is_never_said_to_have_come_too_late() {
    let database = Postgres::shared().database();
    let way = way_to(&database, TENTH).await;
    let (a, b) = (Arc::new(open_by(&way, &database).await), open(&database).await);
    b.create(&new_payload()).await.expect("created");
    let recording = tokio::spawn({
        let a = Arc::clone(&a);
        async move { a.record_payload(&upload(10, None)).await }
    });
    way.has_lost_it().await;
    let seen = b.transfer(id(1)).await.expect("read").expect("there").payload_upload();
    assert_eq!(seen, Some(upload(10, None).upload), "it was done");
    assert!(b.record_payload(&upload(11, Some(10))).await.expect("recorded"));
    way.open_again();
    let answer = recording.await.expect("no panic");
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
}

#[tokio::test]
async fn an_upload_that_counts_is_said_to_count_also_when_the_first_answer_was_lost() {
    let database = Postgres::shared().database();
    let way = way_to(&database, TENTH).await;
    let store = open_by(&way, &database).await;
    store.create(&new_payload()).await.expect("created");
    let (record, again) = (upload(10, None), async {
        way.has_lost_it().await;
        way.open_again();
    });
    let (answer, ()) = join(store.record_payload(&record), again).await;
    assert!(answer.expect("recorded"));
    assert!(!store.record_payload(&upload(11, None)).await.expect("asked"), "and others come too late as ever");
}
