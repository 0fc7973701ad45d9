//! A network in front of a database or a store, in the test's process: slow, trickling, breaking, silent or away.
//!
//! It carries bytes and knows nothing of them; for HTTP requests there is [`super::Proxy`].

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until};

use super::Chance;

/// Read at once.
const PIECE_BYTES: usize = 32 << 10;
/// Pieces on their way in one direction of a connection: beyond these the sender waits, as with a network's window.
const WINDOW: usize = 32;

/// What is wrong with a network; nothing at first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    /// From the client's word to the server's answer it takes so much longer.
    pub(crate) latency: Duration,
    /// Only so many bytes at a time, and a pause after each.
    pub(crate) trickle: Option<(usize, Duration)>,
    /// Of a hundred pieces that a client sends, so many end in a reset of their connection.
    pub(crate) resets: Option<(u8, Arc<Chance>)>,
    /// Nothing passes; whoever speaks is not refused, and hears nothing.
    pub(crate) is_silent: bool,
    /// Connections are closed, and new ones as soon as they come.
    pub(crate) is_away: bool,
    /// A connection breaks after so many bytes in one direction.
    pub(crate) most_bytes: Option<u64>,
}

/// A running network. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Wire {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    upstream: String,
    faults: watch::Sender<Faults>,
    connections: AtomicU64,
    resets: AtomicU64,
    /// Connections of before are silent for ever, see [`Wire::forget`].
    forgotten: watch::Sender<u64>,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Closed,
    Reset,
}

/// What becomes of the answer to the piece that went last.
const ARRIVES: u8 = 0;
const LOST: u8 = 1;
const CUT: u8 = 2;

impl Wire {
    /// Leads to a server at `HOST:PORT`.
    pub(crate) async fn to(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            faults: watch::Sender::default(),
            connections: AtomicU64::new(0),
            resets: AtomicU64::new(0),
            forgotten: watch::Sender::new(0),
        });
        let accepting = tokio::spawn(accept(Arc::clone(&shared), listener)).abort_handle();
        Self { address, shared, accepting }
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what is wrong, for connections that are open as well.
    pub(crate) fn set(&self, change: impl FnOnce(&mut Faults)) {
        self.shared.faults.send_modify(change);
    }

    /// Nothing is wrong any more.
    pub(crate) fn heal(&self) {
        self.set(|faults| *faults = Faults::default());
    }

    /// What is open now never hears anything again, not even that it has ended: a firewall that lost its memory.
    pub(crate) fn forget(&self) {
        self.shared.forgotten.send_replace(self.connections());
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// How many of them were reset.
    pub(crate) fn resets(&self) -> u64 {
        self.shared.resets.load(Ordering::Relaxed)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.accepting.abort();
        self.set(|faults| faults.is_away = true);
    }
}

async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    while let Ok((mut client, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        let number = shared.connections.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(async move {
            let mut faults = shared.faults.subscribe();
            let is_away = async { drop(faults.wait_for(|faults| faults.is_away).await) };
            tokio::select! {
                biased;
                () = is_away => {}
                () = serve(&shared, &mut client, number) => {}
            }
        });
    }
}

async fn serve(shared: &Shared, client: &mut TcpStream, number: u64) {
    shared.is_heard(number).await;
    let Ok(mut server) = TcpStream::connect(&shared.upstream).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let answer = AtomicU8::new(ARRIVES);
    let end = {
        let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
        let way = |is_up| Way { shared, number, is_up, answer: &answer };
        tokio::select! {
            end = way(true).carry(from_client, to_server) => end,
            end = way(false).carry(from_server, to_client) => end,
        }
    };
    if end == End::Reset {
        shared.resets.fetch_add(1, Ordering::Relaxed);
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

impl Shared {
    /// Waits while nothing passes.
    async fn is_heard(&self, number: u64) {
        let mut forgotten = self.forgotten.subscribe();
        let is_forgotten = async { drop(forgotten.wait_for(|below| number < *below).await) };
        let mut faults = self.faults.subscribe();
        let is_heard = async { drop(faults.wait_for(|faults| !faults.is_silent).await) };
        let is_heard = tokio::select! {
            biased;
            () = is_forgotten => false,
            () = is_heard => true,
        };
        if !is_heard {
            std::future::pending::<()>().await;
        }
    }
}

/// One direction of a connection.
struct Way<'a> {
    shared: &'a Shared,
    number: u64,
    is_up: bool,
    answer: &'a AtomicU8,
}

impl Way<'_> {
    async fn carry(self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> End {
        let (sender, mut arriving) = mpsc::channel(WINDOW);
        let reading = pin!(async {
            let mut piece = vec![0; PIECE_BYTES];
            while let Ok(read @ 1..) = from.read(&mut piece).await {
                let _ = sender.send((Instant::now(), piece[..read].to_vec())).await;
            }
            // What is on its way still arrives.
            drop(sender);
            std::future::pending::<()>().await;
        });
        let writing = pin!(async {
            let mut carried = 0;
            while let Some((sent_at, piece)) = arriving.recv().await {
                let faults = self.shared.faults.borrow().clone();
                if self.is_up {
                    sleep_until(sent_at + faults.latency).await;
                }
                let most = faults.most_bytes.map_or(u64::MAX, |most| most - carried);
                let passes = usize::try_from(most).unwrap_or(usize::MAX).min(piece.len());
                carried += passes as u64;
                let end = self.deliver(&faults, &piece[..passes], &mut to).await;
                if end.is_some() || passes < piece.len() {
                    return end.unwrap_or(End::Closed);
                }
            }
            End::Closed
        });
        tokio::select! {
            end = writing => end,
            () = reading => End::Closed,
        }
    }

    /// Passes a piece on, or as much of it as chance lets through; says how the connection ends, if it does.
    async fn deliver(&self, faults: &Faults, piece: &[u8], to: &mut WriteHalf<'_>) -> Option<End> {
        self.shared.is_heard(self.number).await;
        let half = &piece[..piece.len() / 2];
        if !self.is_up {
            return match self.answer.load(Ordering::Relaxed) {
                LOST => Some(End::Reset),
                CUT => self.write(half, to).await.or(Some(End::Reset)),
                _ => self.write(piece, to).await,
            };
        }
        let drawn = faults.resets.as_ref().and_then(|(percent, chance)| {
            let draw = chance.draw(&format!("connection {}", self.number));
            (draw.percent < *percent).then_some(draw.more % 3)
        });
        match drawn {
            None => self.write(piece, to).await,
            Some(0) => self.write(half, to).await.or(Some(End::Reset)),
            Some(kind) => {
                self.answer.store(if kind == 1 { LOST } else { CUT }, Ordering::Relaxed);
                self.write(piece, to).await
            }
        }
    }

    async fn write(&self, mut rest: &[u8], to: &mut WriteHalf<'_>) -> Option<End> {
        while !rest.is_empty() {
            self.shared.is_heard(self.number).await;
            let trickle = self.shared.faults.borrow().trickle;
            let (bytes, pause) = trickle.unwrap_or((usize::MAX, Duration::ZERO));
            let (piece, behind) = rest.split_at(bytes.min(rest.len()));
            if to.write_all(piece).await.is_err() {
                return Some(End::Closed);
            }
            rest = behind;
            sleep(pause).await;
        }
        None
    }
}
