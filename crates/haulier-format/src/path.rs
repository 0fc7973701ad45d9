//! Which paths a transfer may hold, for readers to check and for writers to keep to (docs/FORMAT.md, "Paths").

use std::collections::{BTreeSet, HashMap, HashSet};

use haulier_wire::limit::{MAX_FILES, MAX_PATH_BYTES, MAX_PATH_SEGMENT_BYTES};
use unicode_normalization::UnicodeNormalization as _;

use crate::error::Error;
use crate::metadata::FileEntry;

/// Put by writers in the place of whatever is forbidden.
const STAND_IN: char = '_';
/// Names without digits that Windows opens as devices, whatever their case and extension.
const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];
/// Extensions up to this length, with the dot, stay at the end of a name that is cut or numbered.
const MAX_EXTENSION_BYTES: usize = 16;

/// Checks one path as readers must: relative, segments of 1 to 255 bytes, 1024 bytes in all, nothing forbidden.
///
/// # Errors
/// [`Error::Path`].
pub fn check_path(path: &str) -> Result<(), Error> {
    let allowed = path.len() <= MAX_PATH_BYTES && path.split('/').all(is_segment);
    if allowed { Ok(()) } else { Err(Error::Path) }
}

fn is_segment(segment: &str) -> bool {
    (1..=MAX_PATH_SEGMENT_BYTES).contains(&segment.len())
        && !segment.ends_with(['.', ' '])
        && !segment.contains(is_forbidden)
        && !is_device(segment)
}

fn is_forbidden(symbol: char) -> bool {
    matches!(symbol,
        '\\' | ':'
        // Line and paragraph separators; the other line ends are controls.
        | '\u{2028}' | '\u{2029}'
        // Bidi controls: with them a name reads as another name.
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || symbol.is_control()
}

fn is_device(segment: &str) -> bool {
    let stem = segment.split('.').next().unwrap_or_default().trim_end_matches(' ');
    let named = DEVICES.iter().any(|device| stem.eq_ignore_ascii_case(device));
    let numbered = stem.split_at_checked(3).is_some_and(|(port, number)| {
        let port = port.eq_ignore_ascii_case("COM") || port.eq_ignore_ascii_case("LPT");
        port && matches!(number, "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³")
    });
    named || numbered
}

/// Makes a path that [`check_path`] accepts, and says whether it differs from the given one.
///
/// For writers, who tell their user. Puts `_` for what is forbidden and before device names, drops empty segments,
/// cuts segments and whole paths that are too long. Two paths can come out the same: see
/// [`distinct_paths`].
#[must_use]
pub fn sanitize_path(path: &str) -> (String, bool) {
    let mut segments: Vec<String> =
        path.split('/').filter(|segment| !segment.is_empty()).map(sanitize_segment).collect();
    if segments.is_empty() {
        segments.push(STAND_IN.into());
    }
    // The end of a path tells more than its beginning.
    let mut room = MAX_PATH_BYTES;
    let kept = segments.iter().rev().take_while(|segment| {
        let fits = segment.len() <= room;
        room = room.saturating_sub(segment.len() + 1);
        fits
    });
    let kept = kept.count();
    let clean = segments[segments.len() - kept..].join("/");
    let changed = clean != path;
    (clean, changed)
}

fn sanitize_segment(segment: &str) -> String {
    let mut clean: String =
        segment.chars().map(|symbol| if is_forbidden(symbol) { STAND_IN } else { symbol }).collect();
    if is_device(&clean) {
        clean.insert(0, STAND_IN);
    }
    if clean.len() > MAX_PATH_SEGMENT_BYTES {
        clean = cut_name(&clean, "", MAX_PATH_SEGMENT_BYTES);
    }
    let sound = clean.trim_end_matches(['.', ' ']).len();
    let tail = clean.len() - sound;
    clean.truncate(sound);
    clean.extend(std::iter::repeat_n(STAND_IN, tail));
    clean
}

/// Puts `suffix` before a short extension and cuts the rest to `max` bytes in all, between characters.
fn cut_name(name: &str, suffix: &str, max: usize) -> String {
    let dot = name.rfind('.').filter(|&dot| dot > 0 && name.len() - dot <= MAX_EXTENSION_BYTES);
    let (stem, extension) = name.split_at(dot.unwrap_or(name.len()));
    let room = max.saturating_sub(suffix.len() + extension.len());
    let end = (0..=room.min(stem.len())).rev().find(|&end| stem.is_char_boundary(end)).unwrap_or(0);
    format!("{}{suffix}{extension}", &stem[..end])
}

/// Checks a transfer's list of files: 1 to 10,000 sound paths whose sizes and offsets make up `file_size` bytes,
/// no path twice, none that is a file and a folder at once, also after NFC and case folding.
///
/// Two files whose paths differ by case or normal form alone may both be honest: [`target_paths`] tells them apart.
///
/// # Errors
/// [`Error::Files`] and [`Error::Path`].
pub fn check_files(files: &[FileEntry], file_size: u64) -> Result<(), Error> {
    if !(1..=MAX_FILES).contains(&files.len()) {
        return Err(Error::Files);
    }
    let mut end = 0_u64;
    for file in files {
        check_path(&file.path)?;
        if file.offset != end {
            return Err(Error::Files);
        }
        end = end.checked_add(file.size).ok_or(Error::Files)?;
    }
    let mut paths = HashSet::with_capacity(files.len());
    let distinct = files.iter().all(|file| paths.insert(file.path.as_str()));
    // A folder sorts directly behind a file of its name, so neighbours are all there is to compare.
    let keys: BTreeSet<String> = files.iter().map(|file| fold(&file.path)).collect();
    let apart = keys.iter().zip(keys.iter().skip(1)).all(|(file, next)| !lies_in(next, file));
    if end == file_size && distinct && apart { Ok(()) } else { Err(Error::Files) }
}

/// Names the path to write each file under: its own, or `name (2).ext` where an earlier file has the same path after
/// NFC and case folding.
///
/// Meant for a list that [`check_files`] accepted. The results differ from each other on every common file system.
#[must_use]
pub fn target_paths(files: &[FileEntry]) -> Vec<String> {
    number_repeats(files.iter().map(|file| file.path.as_str()), fold)
}

/// Gives every path but the first of several equal ones a number: `name (2).ext`.
///
/// For writers, whose sanitized paths can come out the same.
#[must_use]
pub fn distinct_paths(paths: &[String]) -> Vec<String> {
    number_repeats(paths.iter().map(String::as_str), |path| path.replace('/', "\0"))
}

/// Numbers the paths that have the same `key` as an earlier one, with numbers that give a key of their own.
fn number_repeats<'a>(paths: impl Iterator<Item = &'a str> + Clone, key: impl Fn(&str) -> String) -> Vec<String> {
    let mut taken: BTreeSet<String> = paths.clone().map(&key).collect();
    let mut counters: HashMap<String, u32> = HashMap::new();
    let mut number = |path: &str| {
        let counter = counters.entry(key(path)).or_insert(0);
        loop {
            *counter += 1;
            if *counter == 1 {
                return path.to_owned();
            }
            let numbered = number_path(path, *counter);
            if claim(&mut taken, key(&numbered)) {
                return numbered;
            }
        }
    };
    paths.map(&mut number).collect()
}

fn number_path(path: &str, number: u32) -> String {
    let (folder, name) = path.split_at(path.rfind('/').map_or(0, |slash| slash + 1));
    format!("{folder}{}", cut_name(name, &format!(" ({number})"), MAX_PATH_SEGMENT_BYTES))
}

fn claim(taken: &mut BTreeSet<String>, key: String) -> bool {
    let folder_or_same = taken.range(key.clone()..).next().is_some_and(|next| *next == key || lies_in(next, &key));
    !folder_or_same && taken.insert(key)
}

fn lies_in(key: &str, folder: &str) -> bool {
    key.strip_prefix(folder).is_some_and(|rest| rest.starts_with('\0'))
}

/// What two paths share that some file system takes for one: each character by itself in lower, upper and again lower
/// case, between two passes of NFC. (Lower case first, since capital sharp s has no other upper case than itself.)
/// The separators sort before every character that a path may hold.
fn fold(path: &str) -> String {
    let cased = path.nfc().flat_map(char::to_lowercase).flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    let folded: String = cased.collect();
    folded.nfc().map(|symbol| if symbol == '/' { '\0' } else { symbol }).collect()
}

#[cfg(test)]
mod tests;
