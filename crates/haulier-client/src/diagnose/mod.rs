//! Finding out why a transfer would not work, before one has to: the checks of `haulier doctor`, in their order.
//!
//! Each check leans on those before it, so the first one on the way to the server that fails ends the way.

mod clock;
mod reach;
mod round_trip;
mod server;
mod state;

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::ambient::Ambient;
use crate::http::{Api, Server};

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Which server, and who says so. Made by the caller, who knows.
    Configuration,
    /// The folder of the local state.
    State,
    /// The server's name and the connection to it.
    Network,
    /// The certificate.
    Tls,
    /// Whether it is a Haulier server.
    Server,
    /// Whether the server can work now.
    Ready,
    /// This machine's clock against the server's.
    Clock,
    /// What the server takes.
    Limits,
    /// A transfer there and back.
    RoundTrip,
}

impl Check {
    /// A word for scripts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::State => "state",
            Self::Network => "network",
            Self::Tls => "tls",
            Self::Server => "server",
            Self::Ready => "ready",
            Self::Clock => "clock",
            Self::Limits => "limits",
            Self::RoundTrip => "round-trip",
        }
    }
}

/// How it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should be.
    Ok,
    /// Works, and is worth a look.
    Warning,
    /// Does not work.
    Failed,
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// How it looks.
    pub outcome: Outcome,
    /// What was seen. Holds no secret.
    pub message: String,
    /// What to do next.
    pub advice: Option<String>,
}

impl Finding {
    /// All is well.
    pub fn ok(check: Check, message: impl Into<String>) -> Self {
        Self { check, outcome: Outcome::Ok, message: message.into(), advice: None }
    }

    /// It works, but.
    pub fn warning(check: Check, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, outcome: Outcome::Warning, message: message.into(), advice: Some(advice.into()) }
    }

    /// It does not work.
    pub fn failed(check: Check, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, outcome: Outcome::Failed, message: message.into(), advice: Some(advice.into()) }
    }
}

/// What to look at.
#[derive(Clone)]
pub struct DiagnoseOptions {
    /// The server.
    pub server: Server,
    /// What the server may ask for before it lets someone create transfers.
    pub access_token: Option<Arc<Zeroizing<String>>>,
    /// The folder of the local state.
    pub state_dir: PathBuf,
    /// Whether a test transfer is sent, fetched and deleted.
    pub round_trip: bool,
}

impl std::fmt::Debug for DiagnoseOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DiagnoseOptions").field("server", &self.server).finish_non_exhaustive()
    }
}

/// Hears of every finding as it is made.
pub trait Listener: Send {
    /// Takes note of one.
    fn hear(&mut self, finding: Finding);
}

impl<F: FnMut(Finding) + Send> Listener for F {
    fn hear(&mut self, finding: Finding) {
        self(finding);
    }
}

/// Checks one thing after the other and tells each; ends early when `stop` does, and returns false then.
///
/// Nothing stays behind: neither here, nor, as far as it can be reached, on the server.
pub async fn diagnose(
    options: DiagnoseOptions,
    ambient: Ambient,
    listener: &mut dyn Listener,
    stop: impl Future<Output = ()> + Send,
) -> bool {
    let mut stop = pin!(stop);
    let way = tokio::select! {
        way = examine(&options, &ambient, listener) => way,
        () = &mut stop => return false,
    };
    let Some((api, config)) = way.filter(|_| options.round_trip) else { return true };
    let access = options.access_token.as_ref().map(|token| token.as_str());
    round_trip::run(&api, &config, &ambient, access, listener, stop).await
}

/// Everything that leaves no trace. Returns the way to a server that a transfer can be tried with.
async fn examine(
    options: &DiagnoseOptions,
    ambient: &Ambient,
    listener: &mut dyn Listener,
) -> Option<(Api, haulier_wire::api::ServerConfig)> {
    let (state_dir, now) = (options.state_dir.clone(), ambient.now());
    let found = tokio::task::spawn_blocking(move || state::check(&state_dir, now)).await.unwrap_or_default();
    found.into_iter().for_each(|finding| listener.hear(finding));

    let reached = reach::check(&options.server).await;
    let is_reached = reached.outcome != Outcome::Failed;
    listener.hear(reached);
    let api = Api::new(options.server.clone()).ok().filter(|_| is_reached)?;
    let contact = api.contact().await;
    let tls = server::tls(&options.server, &contact, ambient.now());
    let is_trusted = tls.outcome != Outcome::Failed;
    listener.hear(tls);
    if !is_trusted {
        return None;
    }
    let config = match server::identity(&contact) {
        Ok((finding, config)) => {
            listener.hear(finding);
            config
        }
        Err(finding) => {
            listener.hear(finding);
            return None;
        }
    };
    let ready = server::ready(&api.ready().await);
    let is_ready = ready.outcome != Outcome::Failed;
    listener.hear(ready);
    if let Ok(contact) = &contact {
        listener.hear(clock::check(contact, ambient.now()));
    }
    let limits = server::limits(&config, options.access_token.is_some());
    let may_send = limits.outcome != Outcome::Failed;
    listener.hear(limits);
    (is_ready && may_send).then_some((api, config))
}

#[cfg(test)]
mod tests;
