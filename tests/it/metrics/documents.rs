//! The dashboard, the alert rules and the manual name metrics that are there, and the manual names them all.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::{scrape_until, start};
use crate::harness::{Sample, Scrape};

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(path)).expect("a document")
}

/// The metrics that a text names.
fn named(text: &str) -> BTreeSet<&str> {
    text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_')
        .filter(|word| word.starts_with("haulier_") || word.starts_with("process_"))
        .collect()
}

/// A server that has seen some of everything.
async fn scrape() -> Scrape {
    let (_server, http) = start();
    let sample = Sample::new(1, 65_536);
    sample.send(&http).await;
    sample.get(&http, 0).await.ok();
    sample.delete(&http).await.ok();
    scrape_until(&http, "swept", |scrape| scrape.value("haulier_swept_transfers_total") == 1.0).await
}

#[tokio::test]
async fn every_name_in_the_dashboard_and_the_alerts_is_there() {
    let scrape = scrape().await;
    let names = scrape.names();
    for path in ["operations/grafana.json", "operations/alerts.yml"] {
        let text = read(path);
        // Alerts are named in capitals, and rules of the dashboard by their queries.
        let wanted = named(&text);
        assert!(wanted.len() >= 8, "{path} names {wanted:?}");
        let missing: Vec<_> = wanted.difference(&names).collect();
        assert!(missing.is_empty(), "{path} names {missing:?}");
    }
}

#[tokio::test]
async fn the_manual_names_every_metric_and_no_other() {
    let scrape = scrape().await;
    let manual = read("OPERATIONS.md");
    let documented: BTreeSet<&str> = named(&manual).into_iter().collect();
    let families: BTreeSet<&str> = scrape.families().collect();
    assert_eq!(documented, families);
}

#[test]
fn the_dashboard_is_one_that_grafana_reads() {
    let dashboard: Value = serde_json::from_str(&read("operations/grafana.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    assert!(panels.len() >= 10);
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().expect("an id")).collect();
    assert_eq!(ids.len(), panels.len(), "ids are unique");
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert!(!panel["title"].as_str().expect("a title").is_empty());
        let targets = panel["targets"].as_array().expect("queries");
        assert!(!targets.is_empty() && targets.iter().all(|target| target["expr"].is_string()), "{panel}");
        assert_eq!(panel["datasource"]["uid"], "${datasource}");
    }
}
