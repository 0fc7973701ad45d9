//! Many as one: server processes that share a database and a bucket, and nothing else.
//!
//! `make soak` runs them longer.

mod ends;
mod leases;
mod one_transfer;
mod races;
mod start;
mod sweeps;

use std::path::PathBuf;

use futures::future::join_all;
use tempfile::TempDir;

use crate::harness::{Http, Postgres, Server, ServerOptions, TestDatabase};
use crate::s3::Objects;

/// More rounds and more bytes.
fn is_soak() -> bool {
    std::env::var_os("HAULIER_SOAK").is_some()
}

/// Servers over one database of Postgres and one prefix of Garage.
struct Fleet {
    servers: Vec<Server>,
    /// One client for each.
    http: Vec<Http>,
    objects: Objects,
    database: TestDatabase,
    logs: TempDir,
    env: Vec<(&'static str, &'static str)>,
}

impl Fleet {
    /// Starts all of them at once.
    async fn start(size: usize, objects: Objects, env: &[(&'static str, &'static str)]) -> Self {
        let database = tokio::task::spawn_blocking(|| Postgres::shared().database()).await.expect("no panic");
        let logs = TempDir::new().expect("a folder");
        let mut fleet = Self { servers: Vec::new(), http: Vec::new(), objects, database, logs, env: env.to_vec() };
        let started = join_all((0..size).map(|number| fleet.server(number, "127.0.0.1:0"))).await;
        (fleet.servers, fleet.http) = started.into_iter().unzip();
        fleet
    }

    async fn of_three(env: &[(&'static str, &'static str)]) -> Self {
        Self::start(3, Objects::on_garage(), env).await
    }

    /// Each has an empty folder of its own, also when it starts again.
    async fn server(&self, number: usize, listen: &str) -> (Server, Http) {
        let options = ServerOptions::default()
            .env("HAULIER_DATABASE_URL", self.database.url())
            .env("HAULIER_DATABASE_CONNECTIONS", "4")
            .env("HAULIER_LISTEN", listen)
            .log_to(&self.log(number));
        let options = self.env.iter().fold(options, |options, (name, value)| options.env(name, value));
        self.objects.serve_at(&self.objects.url, options).await
    }

    fn log(&self, number: usize) -> PathBuf {
        self.logs.path().join(number.to_string())
    }
}
