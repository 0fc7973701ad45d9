//! A chunk goes on only where it broke off.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::http::Server;
use crate::progress::Silent;

const BODY: &[u8] = b"0123456789";

/// Answers one request a connection, each with the next of these answers; returns what was asked.
async fn ask(answers: &[&str]) -> (Vec<Result<(), CallError>>, Vec<u8>, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answers: Vec<String> = answers.iter().map(ToString::to_string).collect();
    let count = answers.len();
    let server = tokio::spawn(async move {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(socket.read_u8().await.unwrap());
            }
            asked.push(String::from_utf8(head).unwrap().to_ascii_lowercase());
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
        asked
    });
    let api = Api::new(Server::parse(&format!("http://{address}"), false).unwrap()).unwrap();
    let watch = Watch::new(Arc::new(Silent));
    let mut bytes = Vec::with_capacity(BODY.len());
    let mut outcomes = Vec::new();
    {
        let mut arrival = Arrival::new(&mut bytes, BODY.len() as u64);
        for _ in 0..count {
            outcomes.push(
                api.get_chunk(("0a".repeat(16).parse().unwrap(), 3), ("token", None), &mut arrival, &watch).await,
            );
        }
    }
    (outcomes, bytes, server.await.unwrap())
}

const BROKEN: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 10\r\netag: \"x\"\r\n\r\n0123";
const WHOLE: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 10\r\netag: \"y\"\r\n\r\n0123456789";

fn rest(range: &str, etag: &str, body: &str) -> String {
    let len = body.len();
    format!(
        "HTTP/1.1 206 Partial Content\r\nconnection: close\r\ncontent-length: {len}\r\ncontent-range: {range}\r\n{etag}\r\n{body}"
    )
}

fn is_again(outcome: &Result<(), CallError>) -> bool {
    matches!(outcome, Err(CallError::Again { .. }))
}

#[tokio::test]
async fn a_broken_chunk_goes_on_where_it_stopped() {
    let (outcomes, bytes, asked) = ask(&[BROKEN, &rest("bytes 4-9/10", "etag: \"x\"\r\n", "456789")]).await;
    assert!(is_again(&outcomes[0]) && outcomes[1].is_ok(), "{outcomes:?}");
    assert_eq!(bytes, BODY);
    assert!(!asked[0].contains("range:"));
    assert!(asked[1].contains("\r\nrange: bytes=4-\r\n") && asked[1].contains("\r\nif-range: \"x\"\r\n"), "{asked:?}");
}

#[tokio::test]
async fn anything_but_exactly_the_rest_starts_the_chunk_anew() {
    let wrong = [
        rest("bytes 3-9/10", "", "3456789"),
        rest("bytes 4-9/11", "", "456789"),
        rest("", "", "456789").replace("content-range: \r\n", ""),
        rest("bytes 4-8/10", "", "45678"),
        rest("bytes 4-9/10", "etag: \"z\"\r\n", "456789"),
        "HTTP/1.1 416 Range Not Satisfiable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_owned(),
    ];
    for wrong in wrong {
        let (outcomes, bytes, asked) = ask(&[BROKEN, &wrong, WHOLE]).await;
        assert!(is_again(&outcomes[1]) && outcomes[2].is_ok(), "{wrong}: {outcomes:?}");
        assert!(!asked[2].contains("range:"), "{asked:?}");
        assert_eq!(bytes, BODY);
    }
    let (outcomes, bytes, _) = ask(&[BROKEN, WHOLE]).await;
    assert!(outcomes[1].is_ok(), "the whole is as good: {outcomes:?}");
    assert_eq!(bytes, BODY);
}

#[tokio::test]
async fn without_a_name_for_its_content_a_chunk_is_asked_for_whole() {
    for etag in ["", "etag: W/\"x\"\r\n"] {
        let (outcomes, bytes, asked) = ask(&[&BROKEN.replace("etag: \"x\"\r\n", etag), WHOLE]).await;
        assert!(outcomes[1].is_ok() && !asked[1].contains("range:"), "{outcomes:?} {asked:?}");
        assert_eq!(bytes, BODY);
    }
}

#[tokio::test]
async fn a_chunk_of_another_length_is_not_the_senders() {
    let long = WHOLE.replace("content-length: 10", "content-length: 11") + "x";
    let short = BROKEN.replace("content-length: 10", "content-length: 4");
    let without = WHOLE.replace("content-length: 10\r\n", "") + "x";
    for answer in [long, short, without, rest("bytes 0-9/10", "", "0123456789")] {
        let (outcomes, ..) = ask(&[&answer]).await;
        assert_eq!(outcomes, [Err(other_length(3))], "{answer}");
    }
}

/// Notes what it is given.
#[derive(Default)]
struct Noted {
    pieces: Mutex<Vec<(String, usize, Vec<u8>)>>,
    rests: bool,
    /// Which piece it cannot take.
    full_at: Option<usize>,
}

impl Shelf for Noted {
    fn keep(&self, etag: &[u8], from: usize, bytes: &[u8]) -> bool {
        let etag = String::from_utf8(etag.to_vec()).unwrap();
        let mut pieces = self.pieces.lock().unwrap();
        pieces.push((etag, from, bytes.to_vec()));
        self.full_at != Some(pieces.len() - 1)
    }

    fn rests(&self) -> bool {
        self.rests
    }
}

/// Answers one request with these pieces, so long after each other; returns what was put on the shelf.
async fn kept(pieces: &'static [&str], pause: Duration, shelf: Noted) -> Vec<(String, usize, Vec<u8>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
        for piece in pieces {
            socket.write_all(piece.as_bytes()).await.unwrap();
            tokio::time::sleep(pause).await;
        }
    });
    let api = Api::new(Server::parse(&format!("http://{address}"), false).unwrap()).unwrap();
    let (watch, shelf, mut bytes) = (Watch::new(Arc::new(Silent)), Arc::new(shelf), Vec::new());
    let mut arrival = Arrival::new(&mut bytes, BODY.len() as u64);
    arrival.keep_on(Arc::<Noted>::clone(&shelf));
    api.get_chunk(("0a".repeat(16).parse().unwrap(), 3), ("token", None), &mut arrival, &watch).await.unwrap();
    assert!(arrival.is_whole());
    assert_eq!(bytes, BODY);
    server.await.unwrap();
    shelf.pieces.lock().unwrap().clone()
}

const PIECES: &[&str] =
    &["HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 10\r\netag: \"x\"\r\n\r\n", "012", "345", "6789"];

#[tokio::test]
async fn a_chunk_that_takes_long_is_kept_piece_by_piece() {
    let noted = kept(PIECES, KEEP_EVERY + Duration::from_millis(20), Noted::default()).await;
    assert!(noted.len() >= 2, "{noted:?}");
    let mut next = 0;
    for (etag, from, bytes) in noted {
        assert_eq!((etag.as_str(), from), ("\"x\"", next), "nothing twice, and nothing left out");
        assert_eq!(bytes, BODY[from..from + bytes.len()]);
        next += bytes.len();
    }
}

#[tokio::test]
async fn after_a_piece_that_could_not_be_kept_the_next_brings_everything() {
    let full = Noted { full_at: Some(0), ..Noted::default() };
    let noted = kept(PIECES, KEEP_EVERY + Duration::from_millis(20), full).await;
    assert!(noted.len() >= 2, "{noted:?}");
    let (_, from, bytes) = &noted[1];
    assert_eq!((*from, bytes.as_slice()), (0, &BODY[..bytes.len()]));
    assert!(bytes.len() > noted[0].2.len());
}

#[tokio::test]
async fn a_chunk_that_is_soon_there_is_not_kept_nor_one_while_the_disk_rests() {
    assert_eq!(kept(PIECES, Duration::ZERO, Noted::default()).await, []);
    let rests = Noted { rests: true, ..Noted::default() };
    assert_eq!(kept(PIECES, KEEP_EVERY + Duration::from_millis(20), rests).await, []);
}

#[tokio::test]
async fn an_earlier_run_is_gone_on_from_only_with_a_name_and_within_the_length() {
    for (begun, etag, most) in
        [("0123", "\"x\"", 4), ("0123456789", "\"x\"", 10), ("0123456789a", "\"x\"", 0), ("0123", "\n", 0)]
    {
        let mut bytes = begun.as_bytes().to_vec();
        let arrival = Arrival::begun(&mut bytes, BODY.len() as u64, etag.as_bytes());
        assert_eq!((arrival.most(), arrival.is_whole()), (most, most == BODY.len()), "{begun} {etag:?}");
        assert_eq!(arrival.rest().is_some(), most > 0);
    }
}
