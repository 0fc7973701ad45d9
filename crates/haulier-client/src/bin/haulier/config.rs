//! What the CLI takes from the environment and from its configuration file.

use std::env;
use std::fs;
use std::io;
use std::path::PathBuf;

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::error::{Exit, Failure};

const DEFAULT_SERVER: &str = "http://127.0.0.1:8080";
const SERVER: &str = "HAULIER_SERVER";
const ACCESS_TOKEN: &str = "HAULIER_ACCESS_TOKEN";

/// The content of `haulier/config.toml`.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Where `send` sends to.
    server: Option<String>,
}

/// A server's address, and who named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChosenServer {
    pub(crate) address: String,
    pub(crate) origin: Origin,
}

/// Who named the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Argument,
    Environment,
    File(PathBuf),
    Nobody,
}

/// The server's address: as asked for (`--to`, `HAULIER_SERVER`), else the file's, else this machine's.
pub(crate) fn server(asked: Option<String>) -> Result<String, Failure> {
    chosen_server(asked).map(|chosen| chosen.address)
}

/// As [`server`], and tells where the address comes from.
pub(crate) fn chosen_server(asked: Option<String>) -> Result<ChosenServer, Failure> {
    let chosen = |address, origin| Ok(ChosenServer { address, origin });
    if let Some(address) = asked {
        return chosen(address, Origin::Argument);
    }
    if let Some(address) = env::var(SERVER).ok().filter(|address| !address.is_empty()) {
        return chosen(address, Origin::Environment);
    }
    match read_file()?.server {
        Some(address) => chosen(address, Origin::File(file_path()?)),
        None => chosen(DEFAULT_SERVER.to_owned(), Origin::Nobody),
    }
}

/// The access token, which is never an argument, since other users can see those.
pub(crate) fn access_token() -> Option<Zeroizing<String>> {
    env::var(ACCESS_TOKEN).ok().filter(|token| !token.is_empty()).map(Zeroizing::new)
}

/// The folder of the local state: under `XDG_STATE_HOME`, else `~/.local/state`.
pub(crate) fn state_dir() -> Result<PathBuf, Failure> {
    base_dir("XDG_STATE_HOME", ".local/state").map(|base| base.join("haulier"))
}

fn file_path() -> Result<PathBuf, Failure> {
    base_dir("XDG_CONFIG_HOME", ".config").map(|base| base.join("haulier/config.toml"))
}

fn read_file() -> Result<File, Failure> {
    let path = file_path()?;
    let advice = r#"It may hold: server = "https://HOST""#;
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(File::default());
        }
        Err(error) => return Err(Failure::new(Exit::Usage, format!("{}: {error}", path.display()), advice)),
    };
    parse(&text).map_err(|what| Failure::new(Exit::Usage, format!("{}: {what}", path.display()), advice))
}

fn parse(text: &str) -> Result<File, String> {
    toml::from_str(text).map_err(|error| error.message().to_owned())
}

/// A base directory of the XDG specification, which asks to ignore relative paths.
fn base_dir(variable: &str, below_home: &str) -> Result<PathBuf, Failure> {
    let set = env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    set.or_else(|| env::home_dir().map(|home| home.join(below_home))).ok_or_else(|| {
        Failure::new(Exit::Usage, "there is no home directory", format!("Set HOME or {variable} to an absolute path."))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_names_a_server_and_nothing_else() {
        assert_eq!(parse(""), Ok(File { server: None }));
        assert_eq!(parse("server = \"https://a\""), Ok(File { server: Some("https://a".into()) }));
        assert!(parse("sever = \"https://a\"").is_err());
        assert!(parse("server = 1").is_err());
        assert!(parse("server").is_err());
    }
}
