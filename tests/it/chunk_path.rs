//! Ids and indices in paths: one spelling, and nothing that leads out of the data folder.

use haulier_wire::ProblemType;
use tempfile::TempDir;

use crate::harness::{Connection, DOWNLOAD_TOKEN, Http, OWNER_TOKEN, Sample, Server, ServerOptions, files_below};

/// Sends a request whose path nobody has tidied; `None` when it was refused without a document.
async fn problem_type(server: &Server, method: &str, path: &str, token: &str) -> Option<ProblemType> {
    let mut connection = Connection::open(server).await;
    let head = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n");
    connection.send(format!("{head}content-length: 29\r\n\r\n")).await;
    // JSON where the route takes JSON, and a chunk's length where it takes a chunk.
    connection.send(format!("{:29}", "{}")).await;
    let reply = connection.reply().await.expect("an answer");
    assert!((400..500).contains(&reply.status), "{path}: {reply:?}");
    if reply.body.is_empty() {
        return None;
    }
    let problem: haulier_wire::Problem = serde_json::from_slice(&reply.body).expect("a problem document");
    Some(reply.is(problem.kind).kind)
}

#[tokio::test]
async fn an_index_has_one_spelling() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = Sample::new(2, 65_536);
    sample.send(&http).await;
    let before = files_below(server.data_dir());
    use ProblemType::{ChunkNotFound, InvalidChunkIndex, RouteNotFound};
    for (n, kind) in [
        ("1", ChunkNotFound),
        ("4294967294", ChunkNotFound),
        ("4294967295", InvalidChunkIndex),
        ("4294967296", InvalidChunkIndex),
        ("18446744073709551616", InvalidChunkIndex),
        ("99999999999999999999999999999999", InvalidChunkIndex),
        ("-1", InvalidChunkIndex),
        ("-0", InvalidChunkIndex),
        ("+0", InvalidChunkIndex),
        ("00", InvalidChunkIndex),
        ("0.0", InvalidChunkIndex),
        ("0e0", InvalidChunkIndex),
        ("0x0", InvalidChunkIndex),
        ("%30", InvalidChunkIndex),
        ("%200", InvalidChunkIndex),
        ("0%00", InvalidChunkIndex),
        ("%D9%A0", InvalidChunkIndex),
        ("a", InvalidChunkIndex),
        ("..", InvalidChunkIndex),
        ("%2e%2e", InvalidChunkIndex),
        ("%2f0", InvalidChunkIndex),
        ("", RouteNotFound),
        ("0/", RouteNotFound),
        ("/0", RouteNotFound),
        ("0/0", RouteNotFound),
    ] {
        let upload = format!("/api/transfers/upload/{}/chunk/{n}", sample.id);
        assert_eq!(problem_type(&server, "PUT", &upload, OWNER_TOKEN).await, Some(kind), "PUT {n:?}");
        assert_eq!(problem_type(&server, "POST", &upload, OWNER_TOKEN).await, Some(kind), "POST {n:?}");
        let download = format!("/api/transfers/download/{}/chunk/{n}", sample.id);
        assert_eq!(problem_type(&server, "GET", &download, DOWNLOAD_TOKEN).await, Some(kind), "GET {n:?}");
    }
    assert_eq!(files_below(server.data_dir()), before);
}

/// Each route with an id, as (method, path).
fn routes(id: &str) -> Vec<(&'static str, String)> {
    [
        ("PUT", "upload/{}/chunk/0"),
        ("POST", "upload/{}/chunk/0"),
        ("GET", "upload/{}"),
        ("PATCH", "upload/{}"),
        ("POST", "complete/{}"),
        ("GET", "manifest/{}"),
        ("GET", "info/{}"),
        ("GET", "download/{}/chunk/0"),
        ("GET", "download/{}"),
        ("DELETE", "delete/{}"),
    ]
    .map(|(method, path)| (method, format!("/api/transfers/{}", path.replace("{}", id))))
    .into()
}

#[tokio::test]
async fn an_id_has_one_spelling_and_never_leads_elsewhere() {
    let around = TempDir::new().expect("a folder");
    let server = Server::start_with(ServerOptions::default().data_dir(&around.path().join("data")));
    let http = Http::new(&server);
    let sample = Sample::new(1, 65_536);
    sample.create(&http).await.ok();
    let before = files_below(around.path());
    use ProblemType::{InvalidTransferId, TransferNotFound};
    let known = sample.id.to_string();
    let escaped = format!("%{:02x}{}", known.as_bytes()[0], &known[1..]);
    for (id, kind) in [
        ("00112233445566778899aabbccddeeff", Some(TransferNotFound)),
        ("001122334455", Some(TransferNotFound)),
        ("00112233445", Some(InvalidTransferId)),
        ("0011223344556", Some(InvalidTransferId)),
        (&known[..31], Some(InvalidTransferId)),
        (&format!("{known}0"), Some(InvalidTransferId)),
        ("ABCDEFABCDEFABCDEFABCDEFABCDEFAB", Some(InvalidTransferId)),
        ("ABCDEFABCDEF", Some(InvalidTransferId)),
        (&escaped, Some(InvalidTransferId)),
        ("%C3%A91122334455667788", Some(InvalidTransferId)),
        ("..", Some(InvalidTransferId)),
        ("%2e%2e", Some(InvalidTransferId)),
        ("..%2f..%2f..%2ftmp%2fx", Some(InvalidTransferId)),
        ("%2e%2e%2f%2e%2e", Some(InvalidTransferId)),
        ("%5c..%5c..", Some(InvalidTransferId)),
        ("%00", Some(InvalidTransferId)),
        ("%", Some(InvalidTransferId)),
        ("%zz", Some(InvalidTransferId)),
        ("0011223344\u{0}5", None),
    ] {
        for (method, path) in routes(id) {
            assert_eq!(problem_type(&server, method, &path, OWNER_TOKEN).await, kind, "{method} {path:?}");
        }
    }
    for (method, path) in routes("../../..") {
        let found = problem_type(&server, method, &path, OWNER_TOKEN).await;
        assert_eq!(found, Some(ProblemType::RouteNotFound), "{method} {path}");
    }
    assert_eq!(files_below(around.path()), before);
}
