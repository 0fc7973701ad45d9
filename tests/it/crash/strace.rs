//! Reads what strace wrote: system calls with their beginning and their end, in the order of the log.

use std::collections::HashMap;

/// One finished system call. Times are line numbers of the log.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) begun: usize,
    pub(super) ended: usize,
    /// `name(arguments`, as strace shows it.
    pub(super) text: String,
}

/// Reads the log of `strace -f -y`.
pub(super) fn parse(log: &str) -> Vec<Call> {
    let mut unfinished: HashMap<&str, (usize, &str)> = HashMap::new();
    let mut calls = Vec::new();
    for (number, line) in log.lines().enumerate() {
        let Some((pid, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if let Some(begin) = rest.strip_suffix(" <unfinished ...>") {
            unfinished.insert(pid, (number, begin));
        } else if let Some((_, end)) = rest.split_once(" resumed>") {
            if let Some((begun, begin)) = unfinished.remove(pid) {
                calls.push(Call { begun, ended: number, text: format!("{begin}{end}") });
            }
        } else {
            calls.push(Call { begun: number, ended: number, text: rest.to_owned() });
        }
    }
    calls.sort_by_key(|call| call.begun);
    calls
}

impl Call {
    /// Whether this is one of `names`, and its text holds every one of `parts`.
    pub(super) fn is(&self, names: &[&str], parts: &[&str]) -> bool {
        let name = self.text.split('(').next().unwrap_or_default();
        names.contains(&name) && parts.iter().all(|part| self.text.contains(part))
    }
}
