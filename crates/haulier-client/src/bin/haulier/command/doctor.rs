//! `haulier doctor`.

use std::sync::Arc;

use haulier_client::diagnose::{Check, DiagnoseOptions, Finding, Outcome, diagnose};
use haulier_client::{Ambient, Server};
use serde_json::{Value, json};

use crate::cli::DoctorArgs;
use crate::config::{self, ChosenServer, Origin};
use crate::error::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::{screen, text};

/// Columns of `warning  round trip     `, under which advice is indented.
const INDENT: usize = 24;

/// Checks everything that a transfer needs, and tells each result as it comes.
pub(super) async fn run(args: DoctorArgs, mut interrupt: Interrupt) -> Result<(), Failure> {
    let mut screen = Screen::new(args.json, !args.no_round_trip);
    let chosen = config::chosen_server(args.to.clone());
    let (finding, server) = configuration(chosen, args.allow_http);
    screen.tell(&finding);
    let finished = match (server, config::state_dir()) {
        (Some(server), Ok(state_dir)) => {
            let access_token = config::access_token().map(Arc::new);
            let options = DiagnoseOptions { server, access_token, state_dir, round_trip: !args.no_round_trip };
            let mut tell = |finding: Finding| screen.tell(&finding);
            diagnose(options, Ambient::system(), &mut tell, interrupt.heard()).await
        }
        (_, Err(failure)) => {
            screen.tell(&finding_of(Check::State, &failure));
            true
        }
        (None, Ok(_)) => true,
    };
    if !finished {
        return Err(Failure::interrupted(
            "A test transfer that had begun is deleted, or ends by itself within 10 minutes.",
        ));
    }
    screen.end()
}

fn configuration(chosen: Result<ChosenServer, Failure>, allow_http: bool) -> (Finding, Option<Server>) {
    let ChosenServer { address, origin } = match chosen {
        Ok(chosen) => chosen,
        Err(failure) => return (finding_of(Check::Configuration, &failure), None),
    };
    let origin = match origin {
        Origin::Argument => "from --to".to_owned(),
        Origin::Environment => "from HAULIER_SERVER".to_owned(),
        Origin::File(path) => format!("from {}", path.display()),
        Origin::Nobody => "since nothing else is configured".to_owned(),
    };
    match Server::parse(&address, allow_http) {
        Ok(server) => (Finding::ok(Check::Configuration, format!("{}, {origin}", server.base())), Some(server)),
        Err(error) => {
            // Not the address: it may hold a password, or be a link.
            let message = format!("the server's address ({origin}) cannot be used: {error}");
            let advice = "Give the server as https://HOST; --allow-http permits plain http.";
            (Finding::failed(Check::Configuration, message, advice), None)
        }
    }
}

fn finding_of(check: Check, failure: &Failure) -> Finding {
    Finding::failed(check, failure.message(), failure.advice().unwrap_or_default())
}

/// Tells findings, and counts them.
struct Screen {
    json: bool,
    /// Whether a transfer was to be tried.
    round_trip: bool,
    findings: Vec<Finding>,
    broken: Result<(), Failure>,
}

impl Screen {
    fn new(json: bool, round_trip: bool) -> Self {
        Self { json, round_trip, findings: Vec::new(), broken: Ok(()) }
    }

    fn tell(&mut self, finding: &Finding) {
        if !self.json && self.broken.is_ok() {
            self.broken = lines(finding).into_iter().try_for_each(screen::show);
        }
        self.findings.push(finding.clone());
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.findings.iter().filter(|finding| finding.outcome == outcome).count()
    }

    fn end(self) -> Result<(), Failure> {
        let (failed, warnings) = (self.count(Outcome::Failed), self.count(Outcome::Warning));
        if self.json {
            let checks: Vec<Value> = self.findings.iter().map(as_json).collect();
            screen::show(json!({ "ok": failed == 0, "failed": failed, "warnings": warnings, "checks": checks }))?;
        } else {
            self.broken?;
            let summary = summary(failed, warnings, self.round_trip);
            screen::show(format_args!("\n{}", text::fitted(&summary, columns())))?;
        }
        // Everything is said already.
        if failed == 0 { Ok(()) } else { Err(Failure::silent(Exit::Unavailable)) }
    }
}

fn summary(failed: usize, warnings: usize, round_trip: bool) -> String {
    let warned = match warnings {
        0 => String::new(),
        1 => " There is 1 warning.".into(),
        count => format!(" There are {count} warnings."),
    };
    match (failed, round_trip) {
        (0, true) => format!("All is well: haulier send will do.{warned}"),
        (0, false) => {
            format!("All that was tried is well.{warned} Not tried: a transfer there and back (--no-round-trip).")
        }
        _ => format!("Something failed; what needs it was left out.{warned}"),
    }
}

fn columns() -> usize {
    usize::from(console::Term::stdout().size().1).clamp(INDENT + 16, 110)
}

fn lines(finding: &Finding) -> Vec<String> {
    let outcome = match finding.outcome {
        Outcome::Ok => "ok",
        Outcome::Warning => "warning",
        Outcome::Failed => "FAILED",
    };
    let start = format!("{outcome:<9}{:<15}", title(finding.check));
    let room = columns() - INDENT;
    let mut lines = Vec::new();
    for text in std::iter::once(&finding.message).chain(&finding.advice).filter(|text| !text.is_empty()) {
        lines.extend(text::wrapped(&text::line(text), room));
    }
    let indent = " ".repeat(INDENT);
    let line = |(at, line): (usize, String)| format!("{}{line}", if at == 0 { &start } else { &indent });
    lines.into_iter().enumerate().map(line).collect()
}

fn title(check: Check) -> &'static str {
    match check {
        Check::Configuration => "configuration",
        Check::State => "local state",
        Check::Network => "network",
        Check::Tls => "TLS",
        Check::Server => "server",
        Check::Ready => "ready",
        Check::Clock => "clock",
        Check::Limits => "limits",
        Check::RoundTrip => "round trip",
    }
}

fn as_json(finding: &Finding) -> Value {
    let outcome = match finding.outcome {
        Outcome::Ok => "ok",
        Outcome::Warning => "warning",
        Outcome::Failed => "failed",
    };
    json!({
        "check": finding.check.name(),
        "outcome": outcome,
        "message": finding.message,
        "advice": finding.advice,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_fits_the_screen_and_its_advice_stands_below() {
        let advice = "one two three four five six seven eight nine ten eleven twelve";
        let finding = Finding::warning(Check::RoundTrip, "slow\u{1b}[2J", advice);
        let lines = lines(&finding);
        assert_eq!(lines[0], "warning  round trip     slow\\u{1b}[2J");
        assert_eq!(lines[1], "                        one two three four five six seven eight nine ten eleven");
        assert!(lines.iter().all(|line| line.len() <= 80), "{lines:#?}");
    }

    #[test]
    fn what_was_not_tried_is_not_said_to_be_well() {
        assert_eq!(summary(0, 0, true), "All is well: haulier send will do.");
        let told = summary(0, 1, false);
        assert!(told.contains("Not tried: a transfer") && told.contains("1 warning") && !told.contains("All is well"));
    }

    #[test]
    fn an_address_that_cannot_be_used_is_not_repeated() {
        let chosen = ChosenServer { address: "https://me:secret@host".into(), origin: Origin::Argument };
        let (finding, server) = configuration(Ok(chosen), false);
        assert_eq!((finding.outcome, server), (Outcome::Failed, None));
        assert!(!finding.message.contains("secret"), "{finding:?}");
    }
}
