//! Lies about the rest of a chunk whose connection broke: whatever is put together, only the sender's chunk opens.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use haulier_wire::problem::{PROBLEM_JSON, Problem, ProblemType};

use super::Liar;
use super::story::Outcome;
use crate::harness::{Action, Answer};

/// What came of chunk 1 before its connection broke.
const CAME: u64 = 20_000;

type Case = (&'static str, fn(&mut Answer));

/// After each of these the chunk is fetched again, whole, and the server is honest by then.
const ONCE: &[Case] = &[
    ("the rest as it is", |_| {}),
    ("another range", |answer| set(answer, "content-range", "bytes 0-45563/65564")),
    ("another whole", |answer| set(answer, "content-range", "bytes 20000-65563/70000")),
    ("no range at all", |answer| answer.headers.retain(|(name, _)| name != "content-range")),
    ("another content", |answer| set(answer, "etag", "\"another\"")),
    ("the rest of something else", |answer| answer.body.fill(7)),
    ("a rest that is too short", |answer| answer.body.truncate(100)),
    ("a rest that is too long", |answer| answer.body.push(0)),
    ("no rest", |answer| *answer = problem(ProblemType::RangeNotSatisfiable)),
    ("a beginning in place of the rest", |answer| answer.status = 200),
];

fn set(answer: &mut Answer, name: &str, value: &str) {
    answer.headers.retain(|(known, _)| known != name);
    answer.headers.push((name.to_owned(), value.to_owned()));
}

fn problem(kind: ProblemType) -> Answer {
    Answer::new(kind.status(), PROBLEM_JSON, serde_json::to_vec(&Problem::new(kind)).expect("JSON"))
}

/// Cuts chunk 1 at its first try, and lies whenever its rest is asked for; returns how often it was, and how often the
/// chunk was asked for in all.
async fn with_a_lie_about_the_rest(liar: &Liar, lie: fn(&mut Answer)) -> (Outcome, usize, usize) {
    let (tries, asked) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (tried, counted) = (Arc::clone(&tries), Arc::clone(&asked));
    liar.proxy.on(move |request| {
        if !request.is_for_chunk("GET", 1) {
            Action::Pass
        } else if tried.fetch_add(1, Ordering::Relaxed) == 0 {
            Action::CutAnswerAfter(CAME)
        } else if request.headers.iter().any(|(name, _)| name == "range") {
            counted.fetch_add(1, Ordering::Relaxed);
            Action::change(lie)
        } else {
            Action::Pass
        }
    });
    (liar.get().await, asked.load(Ordering::Relaxed), tries.load(Ordering::Relaxed))
}

#[tokio::test]
async fn a_lie_about_the_rest_costs_another_try_and_nothing_else() {
    let liar = Liar::about(&[]).await;
    for (case, lie) in ONCE {
        let (outcome, asked, tries) = with_a_lie_about_the_rest(&liar, *lie).await;
        assert_eq!(asked, 1, "{case}: the rest is asked for");
        let honest = if *case == "the rest as it is" { 2 } else { 3 };
        assert_eq!(tries, honest, "{case}: the beginning, the rest, and where that was a lie the whole");
        outcome.is_the_file(case, &liar);
    }
}

#[tokio::test]
async fn a_part_that_nobody_asked_for_is_refused() {
    let liar = Liar::about(&[]).await;
    liar.proxy.on(|request| {
        if !request.is_for_chunk("GET", 1) {
            return Action::Pass;
        }
        Action::change(|answer| {
            answer.status = 206;
            set(answer, "content-range", "bytes 20000-65563/65564");
            answer.body.drain(..20_000);
        })
    });
    liar.get().await.is_refused("a part", 7, "has another length");
}
