//! Names, sizes and times as a person reads them.

use console::measure_text_width;
use haulier_wire::Timestamp;
use indicatif::HumanBytes;

/// A sender's text on one line of one's own terminal: what could steer the terminal, turn the text around or hide in it
/// is named instead. Accents, joined emoji and quotes stay as they are.
pub(crate) fn line(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut line, symbol| {
        if steers(symbol) {
            line.extend(symbol.escape_default());
        } else {
            line.push(symbol);
        }
        line
    })
}

/// As [`line`], for texts of several lines, such as a message.
pub(crate) fn lines(text: &str) -> String {
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

fn steers(symbol: char) -> bool {
    symbol.is_control()
        || matches!(symbol,
            '\u{AD}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{180E}' | '\u{200B}' | '\u{200E}' | '\u{200F}'
            | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}'
            | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
}

/// Breaks lines that are longer than `columns` between words. Later lines are indented like their first; a word that is
/// too long, such as a link, stands alone and whole.
pub(crate) fn fitted(text: &str, columns: usize) -> String {
    let fit = |line: &str| {
        if measure_text_width(line) <= columns {
            return line.to_owned();
        }
        let indent = " ".repeat(line.len() - line.trim_start_matches(' ').len());
        let lines = wrapped(line.trim_start_matches(' '), columns.saturating_sub(indent.len()));
        lines.iter().map(|line| format!("{indent}{line}")).collect::<Vec<_>>().join("\n")
    };
    text.split('\n').map(fit).collect::<Vec<_>>().join("\n")
}

/// Breaks a text between words; a word that is too long stands alone.
pub(crate) fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(word);
        } else if measure_text_width(line) + 1 + measure_text_width(word) <= room {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

pub(crate) fn bytes(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}

/// `2026-11-21 16:26 UTC`.
pub(crate) fn moment(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// `in 3 days`, `2 h ago`, `now`.
pub(crate) fn from_now(moment: Timestamp, now: Timestamp) -> String {
    let seconds = moment.as_second().saturating_sub(now.as_second());
    // What lacks a moment of its unit is called by it: seven days from a second ago are seven days.
    let text = match seconds.unsigned_abs() + if seconds > 60 { seconds.unsigned_abs() / 100 } else { 0 } {
        0..10 => return "now".into(),
        seconds @ 10..60 => format!("{seconds} s"),
        seconds @ 60..3_600 => format!("{} min", seconds / 60),
        seconds @ 3_600..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    };
    if seconds > 0 { format!("in {text}") } else { format!("{text} ago") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_steer_the_terminal_and_looks_like_itself() {
        for name in ["it's \"quoted\" \\ $HOME", "Zu\u{308}rich \u{1f9d1}\u{200d}\u{1f527}.mp4", "日本.txt"] {
            assert_eq!(line(name), name);
        }
        for (name, expected) in [
            ("\u{1b}[2Jx", "\\u{1b}[2Jx"),
            ("a\nb\rc\td", "a\\nb\\rc\\td"),
            ("gpj.\u{202e}exe", "gpj.\\u{202e}exe"),
            ("a\u{200b}b\u{feff}", "a\\u{200b}b\\u{feff}"),
            ("\u{9b}31m", "\\u{9b}31m"),
        ] {
            assert_eq!(line(name), expected);
        }
        assert_eq!(lines("hé 📦\nbye\r\n\u{1b}[2J"), "hé 📦\nbye\\r\n\\u{1b}[2J");
    }

    #[test]
    fn lines_break_between_words_and_a_link_never() {
        let link = "https://send.example.org/#00112233445566778899aabbccddeeff/AAAA";
        let text = format!("one two three four\nGo to {link} now\n  a tip that is indented");
        assert_eq!(fitted(&text, 15), format!("one two three\nfour\nGo to\n{link}\nnow\n  a tip that is\n  indented"));
        assert_eq!(fitted(&text, 200), text);
        assert_eq!(fitted("", 15), "");
    }

    #[test]
    fn times() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        for (seconds, expected) in [
            (0, "now"),
            (-9, "now"),
            (10, "in 10 s"),
            (-59, "59 s ago"),
            (60, "in 1 min"),
            (7_199, "in 2 h"),
            (604_799, "in 7 days"),
            (-172_799, "47 h ago"),
            (172_800, "in 2 days"),
            (-864_000, "10 days ago"),
        ] {
            assert_eq!(from_now(Timestamp::from_second(1_000_000 + seconds).unwrap(), now), expected);
        }
        assert_eq!(moment(now), "1970-01-12 13:46 UTC");
    }
}
