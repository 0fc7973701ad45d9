//! A sweep whose removals fail: each transfer has its turn once in a round, also behind many that fail, and the next
//! round tries them again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::future::join_all;

use super::Objects;
use crate::harness::{Action, Answer, Http, METRICS_TOKEN, Proxy, Request, Sample, Scrape, ServerOptions};

/// More than are claimed at a time, twice over.
const COUNT: usize = 40;
/// Of these, so many stay for longer: more than one claim.
const STUCK: usize = 24;
/// An upload that gets no more chunks ends after so long.
const UPLOAD_EXPIRY: Duration = Duration::from_secs(5);
/// Under the minute for which a claim lasts: what was tried comes back by itself only then.
const PATIENCE: Duration = Duration::from_secs(40);

/// What a store refuses to remove, and how often each was tried.
#[derive(Default)]
struct Refusals {
    ids: BTreeSet<String>,
    tries: BTreeMap<String, usize>,
}

impl Refusals {
    /// A removal of a transfer begins with its meta.json.
    fn answer(&mut self, request: &Request) -> Action {
        if request.method != "DELETE" || !request.path.contains("/meta.json") {
            return Action::Pass;
        }
        let id = request.path.split('/').rev().nth(1).expect("a transfer").to_owned();
        let is_refused = self.ids.contains(&id);
        *self.tries.entry(id).or_default() += 1;
        if !is_refused {
            return Action::Pass;
        }
        let text = "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>No.</Message></Error>";
        Action::Answer(Answer::new(403, "application/xml", text))
    }
}

/// Has the server sweep: a deletion calls for it, the clock does not.
async fn sweep(http: &Http, rounds: u8) {
    let sample = Sample::new(65_537, 65_536);
    sample.create(http).await.ok();
    sample.delete(http).await.ok();
    let begun = Instant::now();
    loop {
        let scrape = Scrape::of(http).await;
        let ended = scrape.sum("haulier_sweeps_total", &[("result", "done")])
            + scrape.sum("haulier_sweeps_total", &[("result", "failed")]);
        // The first round is that of the start, which finds nothing.
        if ended == f64::from(rounds + 1) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{ended} rounds have ended");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn removals_that_fail(options: ServerOptions) {
    let objects = Objects::on_garage();
    let proxy = Proxy::to(&objects.address()).await;
    let refusals = Arc::new(Mutex::new(Refusals::default()));
    let shared = Arc::clone(&refusals);
    proxy.on(move |request| shared.lock().expect("not poisoned").answer(request));
    let options = options
        .env("HAULIER_UPLOAD_EXPIRY", format!("{}s", UPLOAD_EXPIRY.as_secs()))
        .env("HAULIER_SWEEP_INTERVAL", "1h")
        .env("HAULIER_SWEEP_GRACE", "0s")
        .env("HAULIER_METRICS_TOKEN", METRICS_TOKEN);
    let by_relay = objects.url_by(proxy.url().strip_prefix("http://").expect("plain HTTP"));
    let (_server, http) = objects.serve_at(&by_relay, options).await;
    let samples: Vec<Sample> = (0..COUNT).map(|_| Sample::new(65_537, 65_536)).collect();
    join_all(samples.iter().map(async |sample| {
        sample.create(&http).await.ok();
        sample.put(&http, 1, 0).await.ok();
    }))
    .await;
    tokio::time::sleep(UPLOAD_EXPIRY + Duration::from_millis(500)).await;
    assert_eq!(objects.names().await.len(), COUNT);
    let ids = || samples.iter().map(|sample| sample.id.to_string());
    let tries = || {
        let tries = std::mem::take(&mut refusals.lock().expect("not poisoned").tries);
        ids().map(|id| tries.get(&id).copied().unwrap_or_default()).collect::<Vec<_>>()
    };

    // All fail: each is tried, and none of them twice.
    refusals.lock().expect("not poisoned").ids = ids().collect();
    sweep(&http, 1).await;
    assert_eq!(tries(), [1; COUNT]);
    assert_eq!(objects.names().await.len(), COUNT);

    // Many fail: the next round comes back to all of them at once, and the others go.
    refusals.lock().expect("not poisoned").ids = ids().take(STUCK).collect();
    sweep(&http, 2).await;
    // Of what goes, meta.json is removed once more behind the note: a count may have been written in between.
    let expected: Vec<usize> = (0..COUNT).map(|number| if number < STUCK { 1 } else { 2 }).collect();
    assert_eq!(tries(), expected);
    let left: BTreeSet<String> =
        samples[..STUCK].iter().map(|sample| format!("transfers/{}/chunks/1", sample.id)).collect();
    assert_eq!(objects.names().await, left);

    // None fails.
    refusals.lock().expect("not poisoned").ids.clear();
    sweep(&http, 3).await;
    let expected: Vec<usize> = (0..COUNT).map(|number| if number < STUCK { 2 } else { 0 }).collect();
    assert_eq!(tries(), expected, "what is gone is not asked for again");
    assert_eq!(objects.names().await.len(), 0);
    let scrape = Scrape::of(&http).await;
    assert_eq!(scrape.sum("haulier_sweeps_total", &[("result", "failed")]), 2.0);
}

#[tokio::test]
async fn removals_that_fail_on_sqlite() {
    removals_that_fail(ServerOptions::on_sqlite()).await;
}

#[tokio::test]
async fn removals_that_fail_on_postgres() {
    removals_that_fail(ServerOptions::on_postgres()).await;
}
