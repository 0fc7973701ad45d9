//! `haulier completions` and `haulier man`: made from the same description of the commands that reads them.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;

use crate::cli::reference::{self, Entry};
use crate::cli::{Cli, CompletionsArgs, ManArgs};
use crate::error::{Exit, Failure};
use crate::screen;

/// Prints a shell's completion script.
pub(super) fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "haulier", &mut script);
    screen::raw(&script)
}

/// Prints the main page, or writes a page for every command.
pub(super) fn man(args: &ManArgs) -> Result<(), Failure> {
    let pages = pages()?;
    let Some(folder) = &args.folder else {
        return pages.first().map_or(Ok(()), |(_, page)| screen::raw(page));
    };
    write_pages(folder, &pages).map_err(|error| {
        let advice = "Choose a folder that you can write to.";
        Failure::new(Exit::Target, format!("cannot write to {}: {error}", folder.display()), advice)
    })?;
    screen::out(format_args!("{} pages are in {}", pages.len(), folder.display()))
}

fn write_pages(folder: &Path, pages: &[(String, Vec<u8>)]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    pages.iter().try_for_each(|(name, page)| fs::write(folder.join(name), page))
}

/// The main page, then one a command.
fn pages() -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut main = Cli::command();
    main.build();
    let commands = main.get_subcommands().filter(|command| !command.is_hide_set()).cloned().collect::<Vec<_>>();
    std::iter::once(main).chain(commands).map(page).collect()
}

fn page(command: Command) -> Result<(String, Vec<u8>), Failure> {
    // `haulier-send`, as man names the pages of subcommands.
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let failed = |error| Failure::new(Exit::Other, format!("the page cannot be made: {error}"), "Try again.");
    Ok((format!("{name}.1"), render(command, name != "haulier").map_err(failed)?))
}

/// The sections in the order of man-pages(7).
fn render(command: Command, is_sub: bool) -> io::Result<Vec<u8>> {
    let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let has_subcommands = command.has_subcommands();
    let man = Man::new(command);
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if has_subcommands {
        man.render_subcommands_section(&mut page)?;
    }
    entries(&mut page, "EXIT STATUS", reference::EXIT_STATUS)?;
    writeln!(page, ".PP\n{}", reference::JSON.lines().map(roff).collect::<Vec<_>>().join("\n"))?;
    entries(&mut page, "ENVIRONMENT", reference::ENVIRONMENT)?;
    entries(&mut page, "FILES", reference::FILES)?;
    section(&mut page, "EXAMPLES")?;
    verbatim(&mut page, examples.strip_prefix("Examples:\n").unwrap_or(&examples))?;
    if is_sub {
        section(&mut page, "SEE ALSO")?;
        writeln!(page, "\\fBhaulier\\fR(1)")?;
    } else {
        man.render_version_section(&mut page)?;
    }
    Ok(page)
}

fn section(page: &mut Vec<u8>, title: &str) -> io::Result<()> {
    writeln!(page, ".SH \"{title}\"")
}

fn entries(page: &mut Vec<u8>, title: &str, entries: &[Entry]) -> io::Result<()> {
    section(page, title)?;
    entries.iter().try_for_each(|(word, meaning)| writeln!(page, ".TP\n\\fB{}\\fR\n{}", roff(word), roff(meaning)))
}

/// Lines that stay as they are.
fn verbatim(page: &mut Vec<u8>, text: &str) -> io::Result<()> {
    let lines: String = text.lines().map(|line| roff(line) + "\n").collect();
    write!(page, ".PP\n.nf\n{lines}.fi\n")
}

/// Keeps roff from reading a line as its own.
fn roff(line: &str) -> String {
    let line = line.replace('\\', "\\e").replace('-', "\\-");
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_and_each_names_itself() {
        let pages = pages().unwrap();
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[..3], ["haulier.1", "haulier-send.1", "haulier-get.1"]);
        assert_eq!(pages.len(), 1 + Cli::command().get_subcommands().count());
        for (name, page) in pages {
            let page = String::from_utf8(page).unwrap();
            assert!(page.contains(&format!(".TH {}", name.trim_end_matches(".1"))), "{page}");
            for section in ["EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES"] {
                assert!(page.contains(&format!(".SH \"{section}\"\n")), "{name} has no {section}");
            }
            assert!(page.contains("\\fB130\\fR") && page.contains("HAULIER_PASSPHRASE"), "{page}");
            assert!(page.contains("\\&.haulier\\-ID") || page.contains("\\fB\\&.haulier"), "{page}");
        }
    }
}
