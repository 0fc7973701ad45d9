//! `haulier completions` and `haulier man`: made from the same description of the commands that reads them.

use std::fs;
use std::path::Path;

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;

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

fn write_pages(folder: &Path, pages: &[(String, Vec<u8>)]) -> std::io::Result<()> {
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
    let mut page = Vec::new();
    let failed = |error| Failure::new(Exit::Other, format!("the page cannot be made: {error}"), "Try again.");
    Man::new(command).render(&mut page).map_err(failed)?;
    Ok((format!("{name}.1"), page))
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
        }
    }
}
