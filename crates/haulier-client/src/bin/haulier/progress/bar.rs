//! Progress as one line of a terminal that is drawn again and again.
//!
//! The text is a function of what is known and of the terminal's width: what matters least is left out first, and the
//! bar takes the room that is left.

use std::time::{Duration, Instant};

use console::Term;
use haulier_client::progress::Notice;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::count::{Count, Phase};
use super::{Show, words};
use crate::screen;

/// A shorter bar says less than its percentage.
const SHORTEST_BAR: usize = 8;
const LONGEST_BAR: usize = 40;
const REDRAWS_PER_SECOND: u8 = 10;

pub(super) struct Bar {
    verb: &'static str,
    bar: Option<ProgressBar>,
}

impl Bar {
    pub(super) fn new(verb: &'static str) -> Self {
        Self { verb, bar: None }
    }
}

impl Show for Bar {
    fn tick(&mut self, count: &Count, now: Instant) {
        let (_, columns) = Term::stderr().size();
        let text = line(count, self.verb, now, usize::from(columns));
        self.bar.get_or_insert_with(make_bar).set_message(text);
    }

    fn every(&self, _: Duration) -> Duration {
        Duration::from_millis(100)
    }

    fn notice(&mut self, notice: &Notice) {
        screen::note(words::notice(notice));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if self.bar.is_some() {
            screen::end_bar();
        }
    }
}

fn make_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_SECOND));
    bar.set_style(ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()));
    screen::show_bar(&bar);
    bar
}

/// The line for a terminal of so many columns. The last column stays free: some terminals wrap when it is written.
fn line(count: &Count, verb: &str, now: Instant, columns: usize) -> String {
    let room = columns.saturating_sub(1);
    let text = match (count.standstill(now), count.phase) {
        (Some(wait), Phase::Travelling | Phase::Finishing) => {
            format!("{verb} {:>3}%  {}", count.percent(), words::wait(wait, now))
        }
        (Some(wait), _) => format!("{verb}, {}", words::wait(wait, now)),
        (None, Phase::Preparing(work)) => {
            format!("{verb}, {}: {}", words::preparing(work), words::bytes(count.done_bytes()))
        }
        (None, Phase::Waiting) => format!("{verb}, {}", words::WAITING),
        (None, Phase::Finishing) => format!("{verb} 100%  finishing"),
        (None, Phase::Before | Phase::Travelling) => return travelling(count, verb, now, room),
    };
    cut(&text, room)
}

fn travelling(count: &Count, verb: &str, now: Instant, room: usize) -> String {
    let start = format!("{verb} {:>3}%", count.percent());
    let parts = fitting(parts(count, now), room.saturating_sub(start.chars().count()));
    let rest: String = parts.iter().map(|part| format!("  {part}")).collect();
    let used = start.chars().count() + rest.chars().count();
    let bar = bar_of(count, room.saturating_sub(used + 1).min(LONGEST_BAR));
    cut(&format!("{start}{bar}{rest}"), room)
}

/// What is worth telling, in the order in which it stands, each with its importance: 0 is left out last.
fn parts(count: &Count, now: Instant) -> Vec<(u8, String)> {
    let left = count.seconds_left(now).map_or_else(|| "-:--".into(), words::clock);
    let mut parts = vec![
        (2, words::bytes_of(count.done_bytes(), count.total_bytes)),
        (1, words::speed(count.bytes_per_second(now))),
        (0, format!("{left} left")),
    ];
    if count.files > 1 {
        parts.push((3, format!("{}/{} files", count.files_done, count.files)));
    }
    parts.push((5, format!("{} in flight", count.in_flight)));
    if count.retries > 0 {
        parts.push((4, words::counted(count.retries, "retry", "retries")));
    }
    parts
}

/// Leaves the least important out until the rest fits.
fn fitting(mut parts: Vec<(u8, String)>, room: usize) -> Vec<String> {
    while parts.iter().map(|(_, part)| part.chars().count() + 2).sum::<usize>() > room {
        let least = parts.iter().map(|(importance, _)| *importance).max();
        parts.retain(|(importance, _)| Some(*importance) != least);
    }
    parts.into_iter().map(|(_, part)| part).collect()
}

/// ` [####----]`, or nothing where there is no room for it.
fn bar_of(count: &Count, room: usize) -> String {
    let Some(width) = room.checked_sub(2).filter(|width| *width >= SHORTEST_BAR) else { return String::new() };
    let full = usize::try_from(count.percent()).unwrap_or(100) * width / 100;
    format!(" [{}{}]", "#".repeat(full), "-".repeat(width - full))
}

/// Cuts a text that does not fit.
fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let kept: String = text.chars().take(room.saturating_sub(3)).collect();
    kept.chars().chain("...".chars()).take(room).collect()
}

#[cfg(test)]
mod tests;
