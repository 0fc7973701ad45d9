//! A relay between the CLI and a server, or a server and its store, in the test's process: it counts what travels, cuts connections, limits the
//! bandwidth, and lies where a test wants it to.
//!
//! It speaks HTTP/1.1 and connects to the server once for each connection of a client, so that the server can be
//! restarted behind it.

mod message;
mod pace;
mod record;
mod relay;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use pace::Pace;

pub(crate) use message::{Answer, Request};
use record::Record;

/// What the relay does with a request.
pub(crate) enum Action {
    /// Relays it and its answer.
    Pass,
    /// Answers itself, once the request's body is there; the server hears nothing of it.
    Answer(Answer),
    /// Answers itself before the body has come, and reads no more of it: as servers do that have enough.
    Refuse(Answer),
    /// Answers itself, with a body that repeats for ever.
    Endless(Answer),
    /// Relays it, and changes the answer.
    Change(Box<dyn FnOnce(&mut Answer) + Send>),
    /// Cuts the connection once so many bytes of the request's body were passed on.
    CutRequestAfter(u64),
    /// Cuts the connection once so many bytes of the answer's body were passed on.
    CutAnswerAfter(u64),
    /// Resets the connection when the server has answered; the client hears nothing of that.
    LoseAnswer,
}

impl Action {
    pub(crate) fn change(change: impl FnOnce(&mut Answer) + Send + 'static) -> Self {
        Self::Change(Box::new(change))
    }

    /// Changes a JSON answer.
    pub(crate) fn edit(change: impl FnOnce(&mut serde_json::Value) + Send + 'static) -> Self {
        Self::change(move |answer| answer.edit(change))
    }
}

type Hook = Arc<dyn Fn(&Request) -> Action + Send + Sync>;

/// A running relay. Ends, with all its connections, when dropped.
pub(crate) struct Proxy {
    url: String,
    shared: Arc<Shared>,
    tasks: Mutex<Vec<AbortHandle>>,
}

struct Shared {
    upstream: String,
    hook: Mutex<Hook>,
    record: Record,
    cuts: watch::Sender<u64>,
    listening: watch::Sender<bool>,
    up: Pace,
    down: Pace,
}

impl Shared {
    fn hook(&self) -> Hook {
        Arc::clone(&self.hook.lock().expect("not poisoned"))
    }
}

impl Proxy {
    /// Listens on a free port and relays to a server at `127.0.0.1:PORT`.
    pub(crate) async fn to(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            hook: Mutex::new(Arc::new(|_| Action::Pass)),
            record: Record::default(),
            cuts: watch::Sender::new(0),
            listening: watch::Sender::new(true),
            up: Pace::new(),
            down: Pace::new(),
        });
        let accepting = tokio::spawn(accept(Arc::clone(&shared), listener, address)).abort_handle();
        Self { url: format!("http://{address}"), shared, tasks: Mutex::new(vec![accepting]) }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn record(&self) -> &Record {
        &self.shared.record
    }

    /// Decides from now on what is done with each request.
    pub(crate) fn on(&self, hook: impl Fn(&Request) -> Action + Send + Sync + 'static) {
        *self.shared.hook.lock().expect("not poisoned") = Arc::new(hook);
    }

    /// Cuts all connections, now.
    fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Cuts all connections, and comes back when nothing travels any more that could still be counted.
    pub(crate) async fn hang_up(&self) {
        self.cut();
        self.shared.cuts.closed().await;
    }

    /// How often all connections were cut.
    pub(crate) fn cuts(&self) -> u64 {
        *self.shared.cuts.borrow()
    }

    /// Cuts all connections, again and again.
    pub(crate) fn cut_every(&self, period: Duration) {
        let shared = Arc::clone(&self.shared);
        let cutting = tokio::spawn(async move {
            loop {
                tokio::time::sleep(period).await;
                shared.cuts.send_modify(|cuts| *cuts += 1);
            }
        });
        self.tasks.lock().expect("not poisoned").push(cutting.abort_handle());
    }

    /// Cuts all connections and refuses new ones for a while.
    pub(crate) async fn away(&self, time: Duration) {
        self.shared.listening.send_replace(false);
        self.cut();
        tokio::time::sleep(time).await;
        self.shared.listening.send_replace(true);
    }

    /// Bytes a second in each direction, for all connections together.
    pub(crate) fn limit(&self, bytes_per_second: u64) {
        self.shared.up.set(bytes_per_second);
        self.shared.down.set(bytes_per_second);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
        self.tasks.lock().expect("not poisoned").iter().for_each(AbortHandle::abort);
    }
}

async fn accept(shared: Arc<Shared>, mut listener: TcpListener, address: SocketAddr) {
    let mut listening = shared.listening.subscribe();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (client, _) = accepted.expect("a connection");
                let (shared, mut cuts) = (Arc::clone(&shared), shared.cuts.subscribe());
                tokio::spawn(async move {
                    // Either way the connection ends: by the other side's doing, or by a cut.
                    tokio::select! {
                        _ = relay::serve(&shared, client) => {}
                        _ = cuts.changed() => {}
                    }
                });
            }
            () = async { let _ = listening.wait_for(|is_on| !is_on).await; } => {
                // Only a closed port refuses; one that accepts and closes is another failure.
                drop(listener);
                drop(listening.wait_for(|is_on| *is_on).await);
                listener = TcpListener::bind(address).await.expect("the same port again");
            }
        }
    }
}
