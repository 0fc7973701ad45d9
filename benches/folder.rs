//! Where everything is written: a folder on a real disk, removed at the end.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

/// Bytes that are written in one call.
const PIECE_BYTES: usize = 8 << 20;

/// The folder, and the disk that it is on.
#[derive(Debug)]
pub(crate) struct WorkFolder {
    folder: TempDir,
    /// Device and file system, as the kernel names them.
    pub(crate) disk: String,
}

impl WorkFolder {
    /// Makes a folder below `parent`.
    pub(crate) fn create(parent: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        let (device, kind) = mount_of(&parent.canonicalize()?)?;
        ensure!(kind != "tmpfs", "{} is in memory (tmpfs): name a folder on a disk with --dir", parent.display());
        let folder = TempDir::with_prefix_in("haulier-bench-", parent)?;
        Ok(Self { folder, disk: format!("{kind} on {device}") })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes an empty folder.
    pub(crate) fn make(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.path(name);
        fs::create_dir_all(&path)?;
        Ok(path)
    }

    /// Writes everything back that is still in memory, so that no measurement pays for the one before.
    pub(crate) fn settle(&self) -> anyhow::Result<()> {
        ensure!(Command::new("sync").arg("--file-system").arg(self.folder.path()).status()?.success(), "sync failed");
        Ok(())
    }

    /// Gives the room of every file below `path` back, and keeps the files themselves.
    ///
    /// ext4 steps over files that were removed within minutes, one by one, whenever it makes a new one: removing them
    /// here would slow every round after the first.
    pub(crate) fn empty(&self, path: &Path) -> anyhow::Result<()> {
        for entry in fs::read_dir(path)? {
            fs::File::options().write(true).open(entry?.path())?.set_len(0)?;
        }
        self.settle()
    }

    /// As [`WorkFolder::empty`], in all folders below `path`, and without waiting for the disk.
    pub(crate) fn empty_below(&self, path: &Path) -> anyhow::Result<()> {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => self.empty_below(&entry.path())?,
                false => fs::File::options().write(true).open(entry.path())?.set_len(0)?,
            }
        }
        Ok(())
    }

    /// How long it takes to write that many bytes into a new file and to make them durable.
    pub(crate) fn time_raw_write(&self, bytes: u64) -> anyhow::Result<Duration> {
        let (path, piece) = (self.path("raw"), random_bytes(PIECE_BYTES));
        let begun = Instant::now();
        write_pieces(&path, &piece, bytes)?;
        let took = begun.elapsed();
        fs::remove_file(path)?;
        self.settle()?;
        Ok(took)
    }

    /// Makes a file of that many bytes that do not compress.
    pub(crate) fn make_input(&self, bytes: u64) -> anyhow::Result<PathBuf> {
        let path = self.path("input");
        write_pieces(&path, &random_bytes(PIECE_BYTES), bytes)?;
        Ok(path)
    }
}

fn write_pieces(path: &Path, piece: &[u8], bytes: u64) -> anyhow::Result<()> {
    let mut file = fs::File::create_new(path)?;
    let mut missing = bytes;
    while missing > 0 {
        let len = piece.len().min(usize::try_from(missing)?);
        file.write_all(&piece[..len])?;
        missing -= len as u64;
    }
    Ok(file.sync_data()?)
}

/// Bytes that do not compress, the same in every run.
pub(crate) fn random_bytes(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(b"haulier bench").finalize_xof().fill(&mut bytes);
    bytes
}

/// Device and type of the mount that a path is on.
fn mount_of(path: &Path) -> anyhow::Result<(String, String)> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (device, folder, kind) = (words.next()?, words.next()?, words.next()?);
        path.starts_with(folder).then(|| (folder.len(), (device.to_owned(), kind.to_owned())))
    });
    // Of two mounts on one folder, the later hides the earlier.
    let found = mounts.max_by_key(|(len, _)| *len);
    Ok(found.context("no mount holds the folder")?.1)
}
