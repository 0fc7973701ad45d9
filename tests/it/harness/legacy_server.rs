//! The legacy system as a client meets it: its routes, its texts and its gaps, as its transcript has them. No HEAD, no
//! ranges (unless asked for), no entity tags; one answer a connection.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use haulier_wire::encoding::to_hex;
use sha2::{Digest as _, Sha256};

/// One that runs until the test ends.
#[derive(Debug)]
pub(crate) struct LegacyServer {
    url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    transfers: BTreeMap<String, Stored>,
    /// Requests as `METHOD PATH`, with the range where one was asked for.
    requests: Vec<String>,
    ranges: bool,
    /// Larger ones are handed out by its object store alone.
    most_direct: Option<usize>,
    /// The number of the address that its object store serves: any other has expired.
    signed: usize,
    token: Option<String>,
    /// After how many bytes of its body the next download, or upload, breaks.
    cut_download: Option<usize>,
    cut_upload: Option<usize>,
}

#[derive(Clone, Debug, Default)]
struct Stored {
    status: &'static str,
    create: serde_json::Value,
    payload: Option<Vec<u8>>,
    downloads: u64,
}

/// A request, read to its end or to where it broke.
struct Request {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
}

const TOO_LARGE: &str = "File too large for direct download. Use /presigned/download-url/{transfer_id} instead.";

impl State {
    /// Where the next download breaks. The address that it came from ends then, as if it took an hour.
    fn cut(&mut self) -> Option<usize> {
        let cut = self.cut_download.take();
        self.signed += usize::from(cut.is_some());
        cut
    }

    fn is_too_large(&self, id: &str) -> bool {
        let len = self.transfers.get(id).and_then(|stored| stored.payload.as_ref()).map_or(0, Vec::len);
        self.most_direct.is_some_and(|most| len > most)
    }
}

impl LegacyServer {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || drop(serve(&stream, &shared)));
            }
        });
        Self { url, state }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Lets it answer ranges, as a Haulier server does.
    pub(crate) fn with_ranges(self) -> Self {
        self.state().ranges = true;
        self
    }

    /// Hands out no more than this itself, as behind a gateway.
    pub(crate) fn with_store_above(self, bytes: usize) -> Self {
        self.state().most_direct = Some(bytes);
        self
    }

    pub(crate) fn with_token(self, token: &str) -> Self {
        self.state().token = Some(token.to_owned());
        self
    }

    /// Has a transfer that is complete, or in another state.
    pub(crate) fn put(&self, id: &str, payload: Vec<u8>, status: &'static str) {
        let create = serde_json::json!({ "file_size_bytes": payload.len().saturating_sub(28) });
        let stored = Stored { status, create, payload: Some(payload), downloads: 0 };
        self.state().transfers.insert(id.to_owned(), stored);
    }

    pub(crate) fn payload(&self, id: &str) -> Vec<u8> {
        self.state().transfers[id].payload.clone().expect("uploaded")
    }

    /// Forgets a transfer, as if its bucket had been emptied.
    pub(crate) fn lose(&self, id: &str) {
        self.state().transfers.remove(id);
    }

    /// What create was asked for.
    pub(crate) fn created(&self, id: &str) -> serde_json::Value {
        self.state().transfers[id].create.clone()
    }

    pub(crate) fn cut_next_download(&self, after_bytes: usize) {
        self.state().cut_download = Some(after_bytes);
    }

    pub(crate) fn cut_next_upload(&self, after_bytes: usize) {
        self.state().cut_upload = Some(after_bytes);
    }

    /// The requests so far whose line holds `part`.
    pub(crate) fn requests(&self, part: &str) -> Vec<String> {
        self.state().requests.iter().filter(|request| request.contains(part)).cloned().collect()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("not poisoned")
    }
}

fn serve(stream: &TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let request = read_head(&mut reader)?;
    let range = request.headers.get("range").cloned().unwrap_or_default();
    state.lock().expect("not poisoned").requests.push(format!("{} {} {range}", request.method, request.path));
    let mut body = Vec::new();
    let len = request.headers.get("content-length").and_then(|len| len.parse().ok()).unwrap_or(0);
    if request.method == "POST" && request.path.contains("/upload/") {
        let cut = state.lock().expect("not poisoned").cut_upload.take();
        if let Some(cut) = cut {
            reader.take(cut as u64).read_to_end(&mut body)?;
            return stream.shutdown(std::net::Shutdown::Both);
        }
    }
    reader.take(len).read_to_end(&mut body)?;
    let (status, content_type, range, answer) = answer(&request, body, state);
    let cut = match content_type {
        "application/octet-stream" => state.lock().expect("not poisoned").cut(),
        _ => None,
    };
    let mut stream = stream;
    let len = answer.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-length: {len}\r\ncontent-type: {content_type}\r\n{range}connection: close\r\n\r\n"
    )?;
    stream.write_all(&answer[..cut.unwrap_or(len).min(len)])
}

fn read_head(reader: &mut BufReader<&TcpStream>) -> std::io::Result<Request> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            return Ok(Request { method, path, headers });
        }
        let (name, value) = line.trim().split_once(": ").unwrap_or_default();
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
}

type Answer = (&'static str, &'static str, String, Vec<u8>);

fn json(status: &'static str, body: &serde_json::Value) -> Answer {
    (status, "application/json", String::new(), body.to_string().into_bytes())
}

fn refuse(status: &'static str, detail: &str) -> Answer {
    json(status, &serde_json::json!({ "detail": detail }))
}

fn answer(request: &Request, body: Vec<u8>, state: &Mutex<State>) -> Answer {
    let mut state = state.lock().expect("not poisoned");
    let prefixes = ["/api/transfers/", "/api/presigned/", "/the-store/"];
    let Some(below) = prefixes.iter().find_map(|prefix| request.path.strip_prefix(prefix)) else {
        return refuse("404 Not Found", "Not Found");
    };
    let (verb, id) = below.split_once('/').unwrap_or((below, ""));
    let writes = ["create", "upload", "complete"].contains(&verb);
    match (&state.token, request.headers.get("x-sgraph-access-token")) {
        (Some(_), None) if writes => return refuse("401 Unauthorized", "Access token required"),
        (Some(right), Some(given)) if writes && right != given => {
            return refuse("401 Unauthorized", "Invalid access token");
        }
        _ => {}
    }
    match (request.method.as_str(), verb) {
        ("POST", "create") => create(&mut state, &body),
        ("POST", "upload") => match state.transfers.get_mut(id).filter(|stored| stored.status == "pending") {
            Some(stored) => {
                let answer = serde_json::json!({ "status": "uploaded", "transfer_id": id, "size": body.len() });
                stored.payload = Some(body);
                json("200 OK", &answer)
            }
            None => refuse("404 Not Found", "Transfer not found or not in pending state"),
        },
        ("POST", "complete") => match state.transfers.get_mut(id).filter(|stored| stored.payload.is_some()) {
            Some(stored) => {
                stored.status = "completed";
                json(
                    "200 OK",
                    &serde_json::json!({ "transfer_id": id, "download_url": format!("/d/{id}"), "transparency": {} }),
                )
            }
            None => refuse("404 Not Found", "Transfer not found or payload not uploaded"),
        },
        ("DELETE", "delete") => delete(&mut state, id, request.headers.get("x-sgraph-transfer-delete-auth")),
        ("GET", "info") => info(&state, id),
        ("GET", "download-url") => {
            let url = format!("http://{}/the-store/{}/{id}", request.headers["host"], state.signed);
            json("200 OK", &serde_json::json!({ "transfer_id": id, "download_url": url, "expires_in": 3600 }))
        }
        ("GET", "download") if state.is_too_large(id) => refuse("413 Payload Too Large", TOO_LARGE),
        ("GET", "download") => download(&mut state, id, request.headers.get("range")),
        ("GET", number) if number == state.signed.to_string() => download(&mut state, id, request.headers.get("range")),
        ("GET", number) if number.parse::<usize>().is_ok() => {
            ("403 Forbidden", "application/xml", String::new(), b"<Error><Code>AccessDenied</Code></Error>".to_vec())
        }
        _ => refuse("405 Method Not Allowed", "Method Not Allowed"),
    }
}

fn create(state: &mut State, body: &[u8]) -> Answer {
    let Ok(create) = serde_json::from_slice(body) else { return refuse("400 Bad Request", "JSON decode error") };
    let id = format!("{:012x}", 0xa1b2_c3d4_0000_u64 + state.transfers.len() as u64);
    state.transfers.insert(id.clone(), Stored { status: "pending", create, payload: None, downloads: 0 });
    let url = format!("/api/transfers/upload/{id}");
    json("200 OK", &serde_json::json!({ "transfer_id": id, "upload_url": url }))
}

fn delete(state: &mut State, id: &str, token: Option<&String>) -> Answer {
    let Some(token) = token else {
        return refuse("400 Bad Request", "Missing x-sgraph-transfer-delete-auth header");
    };
    let Some(stored) = state.transfers.get_mut(id) else { return refuse("404 Not Found", "not_found") };
    let status = match stored.create["delete_auth_hash"].as_str().unwrap_or_default() {
        "" => return refuse("409 Conflict", "delete_not_enabled"),
        hash if hash != to_hex(&Sha256::digest(token)) => return refuse("403 Forbidden", "auth_mismatch"),
        _ if stored.status == "deleted" => "already_deleted",
        _ => "deleted",
    };
    (stored.status, stored.payload) = ("deleted", None);
    json("200 OK", &serde_json::json!({ "status": status, "transfer_id": id }))
}

fn info(state: &State, id: &str) -> Answer {
    let Some(stored) = state.transfers.get(id) else { return refuse("404 Not Found", "Transfer not found") };
    let text = |name: &str| stored.create[name].as_str().unwrap_or_default();
    let number = |name: &str| stored.create[name].as_u64().unwrap_or_default();
    json(
        "200 OK",
        &serde_json::json!({
            "transfer_id": id, "status": stored.status, "file_size_bytes": number("file_size_bytes"),
            "content_type_hint": text("content_type_hint"), "created_at": "2026-11-21T08:50:39.961450+00:00",
            "download_count": stored.downloads, "max_downloads": number("max_downloads"), "expires_at": text("expires_at"),
            "downloads_remaining": 0, "is_expired": false,
        }),
    )
}

fn download(state: &mut State, id: &str, range: Option<&String>) -> Answer {
    let ranges = state.ranges;
    let stored = state.transfers.get_mut(id).filter(|stored| stored.status == "completed");
    let Some(Stored { payload: Some(whole), downloads, .. }) = stored else {
        return refuse("404 Not Found", "Transfer not found or not available for download");
    };
    *downloads += 1;
    let from = range.filter(|_| ranges).and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let bytes = "application/octet-stream";
    match from {
        None => ("200 OK", bytes, String::new(), whole.clone()),
        Some(from) if from < whole.len() => {
            let range = format!("content-range: bytes {from}-{}/{}\r\n", whole.len() - 1, whole.len());
            ("206 Partial Content", bytes, range, whole[from..].to_vec())
        }
        Some(_) => refuse("416 Range Not Satisfiable", "Range Not Satisfiable"),
    }
}
