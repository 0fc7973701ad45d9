//! Stopping behind a load balancer: not ready first, and served on until nobody comes any more.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use haulier_wire::ProblemType;
use tempfile::TempDir;

use crate::harness::{Connection, Http, Reply, Sample, Server, ServerOptions, free_address};

const READY: &str = "GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n";
const CONFIG: &str = "GET /api/config HTTP/1.1\r\nhost: x\r\n\r\n";

#[tokio::test]
async fn during_the_delay_new_requests_succeed_and_readiness_is_false() {
    let mut server = Server::start_with(ServerOptions::default().env("HAULIER_DRAIN_DELAY", "4s"));
    let http = Http::new(&server);
    let mut idle = Connection::open(&server).await;
    idle.send(CONFIG).await;
    let reply = idle.reply().await.expect("an answer");
    assert!(!reply.head.contains("connection: close"), "{}", reply.head);

    let begun = Instant::now();
    server.signal("TERM");
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut probe = Connection::open(&server).await;
    probe.send(READY).await;
    probe.reply().await.expect("an answer").is(ProblemType::Unavailable);
    // A connection from before is served once more, and told to come back elsewhere.
    idle.send(CONFIG).await;
    let reply = idle.reply().await.expect("an answer");
    assert_eq!(reply.status, 200);
    assert!(reply.head.contains("connection: close"), "{}", reply.head);
    assert!(idle.is_closed().await);
    // A whole transfer, on connections that are new.
    let sample = Sample::new(65_536 * 3, 65_536);
    sample.send(&http).await;
    assert_eq!(sample.get(&http, 2).await.ok().body, sample.chunk(2, 0));
    Reply::to(http.get("/healthz")).await.ok();
    assert!(begun.elapsed() < Duration::from_secs(4), "all of it within the delay");

    assert_eq!(server.wait(Duration::from_secs(10)).code(), Some(0));
    let took = begun.elapsed();
    assert!((Duration::from_secs(4)..Duration::from_secs(9)).contains(&took), "{took:?}");
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    // In the delay, and while a running request is waited for.
    for (delay, pause) in [("60s", Duration::from_millis(100)), ("0s", Duration::from_millis(500))] {
        let mut server = Server::start_with(ServerOptions::default().env("HAULIER_DRAIN_DELAY", delay));
        let http = Http::new(&server);
        let sample = Sample::new(65_536, 65_536);
        sample.create(&http).await.ok();
        let mut upload = Connection::open(&server).await;
        upload.send(sample.put_head(0, "content-length: 65564\r\n")).await;
        upload.send([7; 1000]).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.signal("TERM");
        tokio::time::sleep(pause).await;
        let begun = Instant::now();
        server.signal("INT");
        assert_eq!(server.wait(Duration::from_secs(10)).code(), Some(0));
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    }
}

/// Two servers as a load balancer sees them: in turns, without those that say that they are not ready.
struct Balancer {
    servers: [SocketAddr; 2],
    ready: [bool; 2],
    next: usize,
    last_probe: Instant,
    client: reqwest::Client,
    sent: usize,
    refused: usize,
}

impl Balancer {
    const PROBE_EVERY: Duration = Duration::from_millis(100);

    fn new(servers: [SocketAddr; 2]) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let last_probe = Instant::now();
        Self { servers, ready: [true; 2], next: 0, last_probe, client, sent: 0, refused: 0 }
    }

    async fn probe(&mut self) {
        if self.last_probe.elapsed() < Self::PROBE_EVERY {
            return;
        }
        self.last_probe = Instant::now();
        for (server, ready) in self.servers.iter().zip(&mut self.ready) {
            let reply = self.client.get(format!("http://{server}/readyz")).send().await;
            *ready = reply.is_ok_and(|reply| reply.status() == 200);
        }
    }

    /// Sends one request; only a refused connection goes to the other server.
    async fn request(&mut self) {
        self.probe().await;
        for _ in 0..20 {
            self.next = 1 - self.next;
            if !self.ready[self.next] && self.ready[1 - self.next] {
                self.next = 1 - self.next;
            }
            let server = self.servers[self.next];
            match self.client.get(format!("http://{server}/api/config")).send().await {
                Ok(reply) => {
                    assert_eq!(reply.status(), 200);
                    reply.bytes().await.expect("a whole answer");
                    self.sent += 1;
                    return;
                }
                Err(error) if error.is_connect() => self.refused += 1,
                Err(error) => panic!("a request failed: {error:?}"),
            }
        }
        panic!("both servers refuse");
    }
}

fn start_at(address: SocketAddr, data_dir: &Path) -> Server {
    let options = ServerOptions::default()
        .env("HAULIER_LISTEN", address.to_string())
        .env("HAULIER_DRAIN_DELAY", "1s")
        .data_dir(data_dir);
    Server::start_with(options)
}

#[tokio::test]
async fn a_rolling_restart_fails_no_request() {
    let folder = TempDir::new().expect("a folder");
    let addresses = [free_address(), free_address()];
    let folders = ["one", "other"].map(|name| folder.path().join(name));
    let mut servers = [0, 1].map(|index| start_at(addresses[index], &folders[index]));
    let mut balancer = Balancer::new(addresses);
    for _ in 0..50 {
        balancer.request().await;
    }
    for index in [0, 1] {
        servers[index].signal("TERM");
        while servers[index].has_ended().is_none() {
            balancer.request().await;
        }
        let (address, data_dir) = (addresses[index], folders[index].clone());
        let restarted = tokio::task::spawn_blocking(move || start_at(address, &data_dir));
        while !restarted.is_finished() {
            balancer.request().await;
        }
        servers[index] = restarted.await.expect("it starts again");
        // The other one stops once this one is back in turn.
        let until = Instant::now() + 2 * Balancer::PROBE_EVERY;
        while Instant::now() < until {
            balancer.request().await;
        }
        assert_eq!(balancer.ready, [true, true]);
    }
    assert!(balancer.sent > 200, "{} requests, {} refused connections", balancer.sent, balancer.refused);
    assert_eq!(balancer.refused, 0, "probes every 100 ms are fast enough for a delay of 1 s");
}
