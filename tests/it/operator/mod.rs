//! The operator's commands, as the real program beside real data: that of a running server, or what one left.

mod away;
mod backend;
mod commands;
mod doctor;
mod gc;
mod healthcheck;
mod import;
mod payload;
mod rebuild;
mod token;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use sqlx::{Connection as _, SqliteConnection};

use crate::harness::{Server, ServerOptions};

/// Runs `haulier-server COMMAND` on a data folder to its end.
async fn operate(data_dir: &Path, arguments: &[&str]) -> Output {
    operate_with(data_dir, arguments, &[]).await
}

async fn operate_with(data_dir: &Path, arguments: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_haulier-server"));
    command
        .args(arguments)
        .env_clear()
        .env("HAULIER_DATA_DIR", data_dir)
        .envs(env.iter().copied())
        .stdin(Stdio::null());
    tokio::task::spawn_blocking(move || command.output().expect("the program runs")).await.expect("not cancelled")
}

/// As [`operate`], by a user without rights, whom `folders` and all in them are given to: root may read everything.
async fn operate_as_nobody(folders: &[&Path], data_dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_haulier-server"));
    if rustix::process::geteuid().is_root() {
        let given = Command::new("chown").arg("-R").arg("nobody:nogroup").args(folders).status();
        assert!(given.expect("chown runs").success());
        command = Command::new("setpriv");
        command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", env!("CARGO_BIN_EXE_haulier-server")]);
    }
    command.args(arguments).env_clear().env("HAULIER_DATA_DIR", data_dir).stdin(Stdio::null());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    tokio::task::spawn_blocking(move || command.output().expect("the program runs")).await.expect("not cancelled")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// The JSON lines of a command that must end with `status`.
fn lines(output: &Output, status: i32) -> Vec<Value> {
    assert_eq!(output.status.code(), Some(status), "{output:?}");
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    stdout(output).lines().map(parse).collect()
}

/// A server whose data outlives it.
fn start(data_dir: &Path) -> Server {
    Server::start_with(ServerOptions::on_sqlite().data_dir(data_dir))
}

/// Changes rows behind the server's back.
async fn execute(data_dir: &Path, statement: &'static str) {
    let url = format!("sqlite:{}", data_dir.join("haulier.sqlite").display());
    let mut connection = SqliteConnection::connect(&url).await.expect("connects");
    sqlx::query("PRAGMA busy_timeout = 10000").execute(&mut connection).await.expect("set");
    let done = sqlx::query(statement).execute(&mut connection).await.expect("done");
    assert!(done.rows_affected() > 0, "{statement}");
    connection.close().await.expect("closed");
}

fn transfer_folder(data_dir: &Path, id: impl std::fmt::Display) -> PathBuf {
    data_dir.join(format!("blobs/transfers/{id}"))
}
