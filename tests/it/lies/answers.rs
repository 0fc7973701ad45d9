//! Answers that are none: redirects, web pages, documents without end, states that are not so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use super::Liar;
use super::story::Edit::{self, Remove, Set};
use crate::harness::{Action, Answer};
use haulier_wire::problem::{PROBLEM_JSON, Problem, ProblemType};

/// The three requests of a reader.
const ROUTES: [&str; 3] = ["/info/", "/manifest/", "/chunk/1"];

/// Exit code and message, for each of the routes.
type Refusals = [(i32, &'static str); 3];

const FOREIGN: &str = "does not answer as a Haulier server";
const BROKEN: &str = "broke the protocol";

impl Liar {
    /// Answers one route with something else, and everything else honestly.
    fn says_at(&self, route: &'static str, action: impl Fn() -> Action + Send + Sync + 'static) {
        let honest = self.honest.clone();
        self.proxy.on(
            move |request| {
                if request.path.contains(route) { action() } else { Action::Answer(honest.answer(request)) }
            },
        );
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_no_token_leaves() {
    let liar = Liar::about(&[]).await;
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let target = format!("http://{}/api/transfers", elsewhere.local_addr().expect("an address"));
    let came = Arc::new(AtomicBool::new(false));
    let noticed = Arc::clone(&came);
    tokio::spawn(async move {
        while let Ok((mut visitor, _)) = elsewhere.accept().await {
            noticed.store(true, Ordering::Relaxed);
            let _ = visitor.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    for route in ROUTES {
        for status in [301, 302, 303, 307, 308] {
            let answer = Answer::new(status, "text/html", "moved").header("location", &target);
            liar.says_at(route, move || Action::Answer(answer.clone()));
            let outcome = liar.get().await;
            outcome.is_refused(&format!("{status} at {route}"), 6, "redirects are not followed");
        }
    }
    assert!(!came.load(Ordering::Relaxed), "somebody came");
}

#[tokio::test]
async fn what_is_no_answer_of_a_server_is_told_as_such() {
    let page = "<!DOCTYPE html><title>Please sign in</title>";
    let long = format!("{{\"transfer_id\":\"{}\"}}", "0".repeat(2 << 20));
    let answers: [(&str, Answer, Refusals); 8] = [
        ("a web page", Answer::new(200, "text/html", page), [(6, FOREIGN); 3]),
        ("404 of a web server", Answer::new(404, "text/html", page), [(6, FOREIGN); 3]),
        ("403 of a proxy", Answer::new(403, "text/html", page), [(6, FOREIGN); 3]),
        ("nothing", Answer::new(200, "application/json", ""), [(6, FOREIGN), (6, FOREIGN), (7, "another length")]),
        ("half a document", Answer::new(200, "application/json", "{\"a\":"), [(6, FOREIGN), (6, FOREIGN), (7, BROKEN)]),
        ("a list", Answer::new(200, "application/json", "[]"), [(7, BROKEN); 3]),
        ("an empty document", Answer::new(200, "application/json", "{}"), [(7, BROKEN); 3]),
        (
            "a long document",
            Answer::new(200, "application/json", long),
            [(7, "too long"), (7, "too long"), (7, BROKEN)],
        ),
    ];
    let liar = Liar::about(&[]).await;
    for (case, answer, outcomes) in answers {
        for (route, (exit, says)) in ROUTES.into_iter().zip(outcomes) {
            let answer = answer.clone();
            liar.says_at(route, move || Action::Answer(answer.clone()));
            liar.get().await.is_refused(&format!("{case} at {route}"), exit, says);
        }
    }
}

#[tokio::test]
async fn an_answer_that_never_ends_is_given_up() {
    let liar = Liar::about(&[]).await;
    for (route, says) in ROUTES.into_iter().zip(["too long", "too long", "another length"]) {
        for status in [200, 404] {
            let answer = Answer::new(status, "application/json", vec![b' '; 64 << 10]);
            liar.says_at(route, move || Action::Endless(answer.clone()));
            let says = if status == 404 { "too long" } else { says };
            liar.get().await.is_refused(&format!("{status} at {route}"), 7, says);
        }
    }
}

#[tokio::test]
async fn problems_are_told_as_what_they_mean() {
    let problem = |kind: ProblemType| {
        let body = serde_json::to_vec(&Problem::new(kind)).expect("JSON");
        Answer::new(kind.status(), PROBLEM_JSON, body)
    };
    let liar = Liar::about(&[]).await;
    for (route, kind, exit, says) in [
        ("/info/", ProblemType::TransferNotFound, 4, "no such transfer"),
        ("/info/", ProblemType::TransferDeleted, 4, "was deleted"),
        ("/info/", ProblemType::TransferExpired, 4, "has expired"),
        ("/manifest/", ProblemType::TransferPending, 5, "still uploading"),
        ("/manifest/", ProblemType::MissingToken, 3, "is wrong"),
        ("/manifest/", ProblemType::WrongToken, 3, "is wrong"),
        ("/manifest/", ProblemType::TransferDeleted, 4, "was deleted"),
        ("/chunk/1", ProblemType::ChunkNotFound, 7, "The transfer has no such chunk"),
        ("/chunk/1", ProblemType::TransferDeleted, 4, "was deleted"),
        ("/chunk/1", ProblemType::TransferExpired, 4, "has expired"),
    ] {
        let answer = problem(kind);
        liar.says_at(route, move || Action::Answer(answer.clone()));
        liar.get().await.is_refused(&format!("{kind} at {route}"), exit, says);
    }
    // What a server writes for a person must not steer the person's terminal.
    let sly = Problem::new(ProblemType::InvalidRequest).with_detail("\u{1b}[2J\u{202e}all is well\r\n");
    let body = serde_json::to_vec(&sly).expect("JSON");
    liar.says_at("/info/", move || Action::Answer(Answer::new(400, PROBLEM_JSON, body.clone())));
    let outcome = liar.get().await;
    outcome.is_refused("a sly detail", 1, "all is well");
    assert!(!outcome.says.contains(['\u{1b}', '\u{202e}', '\r']), "{:?}", outcome.says);
}

/// What anybody may ask about a transfer proves nothing, so nothing may depend on it but the key mode.
#[tokio::test]
async fn info_is_believed_in_nothing_that_matters() {
    let other_id = "\"0f1e2d3c4b5a69788796a5b4c3d2e1f0\"";
    let refused: &[(Edit, i32, &str)] = &[
        (Set("/transfer_id", other_id), 7, "about another transfer"),
        (Remove("/transfer_id"), 7, BROKEN),
        (Set("/status", "\"pending\""), 5, "still uploading"),
        (Set("/status", "\"fine\""), 7, BROKEN),
        (Set("/total_chunks", "-1"), 7, BROKEN),
    ];
    let harmless = [
        Set("/file_size_bytes", "9007199254740991"),
        Set("/total_chunks", "4294967295"),
        Set("/download_count", "7"),
        Set("/needs_download_token", "false"),
        Set("/format", "\"seed\""),
        Set("/unknown_to_this_version", "true"),
    ];
    let liar = Liar::about(&[]).await;
    for (edit, exit, says) in refused {
        liar.tells(&liar.honest.clone().with_info(&[*edit])).await.is_refused(&format!("{edit:?}"), *exit, says);
    }
    liar.tells(&liar.honest.clone().with_info(&harmless)).await.is_the_file("all that is harmless", &liar);
    let mut story = liar.honest.clone();
    story.info = json!({"transfer_id": liar.id});
    liar.tells(&story).await.is_refused("the id alone", 7, BROKEN);
}
