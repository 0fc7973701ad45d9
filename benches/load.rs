//! The load: eight connections that take the next chunk as soon as they are done with one.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{anyhow, ensure};

use crate::http::{Connection, Request};

pub(crate) const CONNECTIONS: usize = 8;

/// Sends `body` under every path; how long it took until the last answer.
pub(crate) fn put(
    address: SocketAddr,
    chunks: u32,
    body: &[u8],
    request: impl Fn(u32) -> Request<'static> + Sync,
) -> anyhow::Result<Duration> {
    all(address, chunks, |connection, index| connection.exchange(&request(index), body, |_| {}).map(drop))
}

/// Reads every path; each must answer with `len` bytes. How long it took until the last byte.
pub(crate) fn get(
    address: SocketAddr,
    chunks: u32,
    len: u64,
    request: impl Fn(u32) -> Request<'static> + Sync,
) -> anyhow::Result<Duration> {
    all(address, chunks, |connection, index| {
        let got = connection.exchange(&request(index), &[], |_| {})?;
        ensure!(got == len, "chunk {index} has {got} bytes, not {len}");
        Ok(())
    })
}

fn all(
    address: SocketAddr,
    chunks: u32,
    exchange: impl Fn(&mut Connection, u32) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<Duration> {
    let connections: Vec<Connection> =
        (0..CONNECTIONS).map(|_| Connection::open(address)).collect::<anyhow::Result<_>>()?;
    let next = AtomicU32::new(0);
    let work = |mut connection: Connection| -> anyhow::Result<()> {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= chunks {
                return Ok(());
            }
            exchange(&mut connection, index)?;
        }
    };
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = connections.into_iter().map(|one| scope.spawn(move || work(one))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a connection panicked"))?)
    })?;
    Ok(begun.elapsed())
}
