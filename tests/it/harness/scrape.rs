//! One look at the metrics, read as strictly as the text format of Prometheus is written.

use std::collections::{BTreeMap, BTreeSet};

use super::{Http, Reply};

/// The token of the servers in these tests.
pub(crate) const METRICS_TOKEN: &str = "the-metrics-token-of-the-tests";

/// The samples of one answer.
#[derive(Debug)]
pub(crate) struct Scrape {
    /// The answer as it came.
    pub(crate) text: String,
    types: BTreeMap<String, String>,
    samples: BTreeMap<(String, Labels), f64>,
}

type Labels = BTreeMap<String, String>;

impl Scrape {
    /// Looks at a server that has [`METRICS_TOKEN`].
    pub(crate) async fn of(http: &Http) -> Self {
        let reply = Reply::to(http.get("/metrics").bearer_auth(METRICS_TOKEN)).await.ok();
        assert_eq!(reply.header("content-type"), "text/plain; version=0.0.4");
        Self::parse(std::str::from_utf8(&reply.body).expect("UTF-8"))
    }

    /// Reads an answer; panics at whatever the format does not allow.
    pub(crate) fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line ends, too");
        let mut scrape = Self { text: text.to_owned(), types: BTreeMap::new(), samples: BTreeMap::new() };
        let (mut helped, mut family) = (BTreeSet::new(), String::new());
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, words) = help.split_once(' ').expect("a name and a help");
                assert!(helped.insert(name.to_owned()) && !words.is_empty(), "{line}");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect("a name and a type");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                assert!(helped.contains(name), "no help: {line}");
                assert!(scrape.types.insert(name.to_owned(), kind.to_owned()).is_none(), "twice: {line}");
                family = name.to_owned();
            } else {
                scrape.read_sample(line, &family);
            }
        }
        scrape.check_histograms();
        scrape
    }

    fn read_sample(&mut self, line: &str, family: &str) {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("not a number: {line}"));
        let (name, labels) = match series.split_once('{') {
            Some((name, rest)) => (name, read_labels(rest.strip_suffix('}').expect("a closing brace"))),
            None => (series, Labels::new()),
        };
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'), "{line}");
        let suffix = name.strip_prefix(family).unwrap_or_else(|| panic!("not of {family}: {line}"));
        let suffixes: &[&str] = if self.types[family] == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        assert!(suffixes.contains(&suffix), "{line}");
        assert!(value >= 0.0 && value.is_finite(), "{line}");
        assert!(self.samples.insert((name.to_owned(), labels), value).is_none(), "twice: {line}");
    }

    /// Buckets grow, and the last one holds everything.
    fn check_histograms(&self) {
        for (family, _) in self.types.iter().filter(|(_, kind)| *kind == "histogram") {
            let mut buckets: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
            for ((name, labels), value) in &self.samples {
                if *name == format!("{family}_bucket") {
                    let mut labels = labels.clone();
                    let bound = labels.remove("le").expect("a bound");
                    buckets.entry(labels).or_default().push((bound.parse().expect("a number"), *value));
                }
            }
            for (labels, mut buckets) in buckets {
                buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
                assert!(buckets.is_sorted_by(|one, other| one.1 <= other.1), "{family} {labels:?}");
                let (last, all) = *buckets.last().expect("at least one");
                assert!(last.is_infinite());
                assert_eq!(all, self.samples[&(format!("{family}_count"), labels.clone())], "{family} {labels:?}");
                assert!(self.samples.contains_key(&(format!("{family}_sum"), labels)));
            }
        }
    }

    /// The sum over all series of a name that have these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has =
            |found: &Labels| labels.iter().all(|(key, value)| found.get(*key).is_some_and(|found| found == value));
        self.samples.iter().filter(|((found, series), _)| found == name && has(series)).map(|(_, value)| value).sum()
    }

    /// The value of a name that has one series.
    pub(crate) fn value(&self, name: &str) -> f64 {
        assert!(self.samples.keys().any(|(found, _)| found == name), "no {name} in {}", self.text);
        self.sum(name, &[])
    }

    /// Every name that has a sample.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        self.samples.keys().map(|(name, _)| name.as_str()).collect()
    }

    /// Every family.
    pub(crate) fn families(&self) -> impl Iterator<Item = &str> {
        self.types.keys().map(String::as_str)
    }

    /// Every name with its labels.
    pub(crate) fn series(&self) -> BTreeSet<&(String, BTreeMap<String, String>)> {
        self.samples.keys().collect()
    }
}

fn read_labels(mut text: &str) -> Labels {
    let mut labels = Labels::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"").expect("a quoted value");
        let (value, rest) = rest.split_once('"').expect("a closing quote");
        assert!(!value.contains(['\\', '\n']), "nothing of ours needs an escape: {value}");
        assert!(labels.insert(name.to_owned(), value.to_owned()).is_none(), "twice: {name}");
        text = rest.strip_prefix(',').unwrap_or(rest);
    }
    labels
}
