//! The load: connections, eight unless said otherwise, that take the next chunk as soon as they are done with one.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};

use crate::http::{Connection, Request};

pub(crate) const CONNECTIONS: usize = 8;
/// Bytes between two places where distinct bodies differ: no block of a store that keeps equal ones once is longer.
const STAMP_EVERY: usize = 64 << 10;

/// Sends `body` under every path; how long it took until the last answer.
pub(crate) fn put(
    address: SocketAddr,
    chunks: u32,
    body: &[u8],
    request: impl Fn(u32) -> Request<'static> + Sync,
) -> anyhow::Result<Duration> {
    all(address, CONNECTIONS, chunks, |connection, index| connection.exchange(&request(index), body, |_| {}).map(drop))
}

/// As [`put`], with another body under each path and in each `run`: some stores keep equal blocks only once.
pub(crate) fn put_distinct(
    address: SocketAddr,
    connections: usize,
    chunks: u32,
    body: &[u8],
    run: u32,
    request: impl Fn(u32) -> Request<'static> + Sync,
) -> anyhow::Result<Duration> {
    let bodies: Vec<Mutex<Vec<u8>>> = (0..connections).map(|_| Mutex::new(body.to_vec())).collect();
    all(address, connections, chunks, |connection, index| {
        // No connection waits: there are as many bodies as connections.
        let mut body = bodies.iter().find_map(|body| body.try_lock().ok()).context("a body for each connection")?;
        stamp(&mut body, run, index);
        connection.exchange(&request(index), &body, |_| {}).map(drop)
    })
}

fn stamp(body: &mut [u8], run: u32, index: u32) {
    let stamp = (u64::from(run) << 32 | u64::from(index)).to_be_bytes();
    for block in body.chunks_mut(STAMP_EVERY) {
        let len = block.len().min(stamp.len());
        block[..len].copy_from_slice(&stamp[..len]);
    }
}

/// Reads every path; each must answer with `len` bytes. How long it took until the last byte.
pub(crate) fn get(
    address: SocketAddr,
    chunks: u32,
    len: u64,
    request: impl Fn(u32) -> Request<'static> + Sync,
) -> anyhow::Result<Duration> {
    all(address, CONNECTIONS, chunks, |connection, index| {
        let got = connection.exchange(&request(index), &[], |_| {})?;
        ensure!(got == len, "chunk {index} has {got} bytes, not {len}");
        Ok(())
    })
}

fn all(
    address: SocketAddr,
    connections: usize,
    chunks: u32,
    exchange: impl Fn(&mut Connection, u32) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<Duration> {
    let connections: Vec<Connection> =
        (0..connections).map(|_| Connection::open(address)).collect::<anyhow::Result<_>>()?;
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
