//! A disk that is soon full: a tmpfs in a mount namespace of its own, which one program and its children see. Needs no root.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

const MIB: u64 = 1 << 20;
const MOUNT: &str = r#"mount -t tmpfs -o size="$0"m tmpfs "$1" && shift && exec "$@""#;

/// A tmpfs to be.
#[derive(Debug)]
pub(crate) struct SmallDisk {
    folder: TempDir,
    mib: u32,
}

impl SmallDisk {
    pub(crate) fn new(mib: u32) -> Self {
        Self { folder: TempDir::new().expect("a folder"), mib }
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A program, with its arguments, that runs a program beside this disk.
    pub(crate) fn wrapper(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> =
            ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", MOUNT].map(OsString::from).to_vec();
        words.extend([self.mib.to_string().into(), self.path().as_os_str().to_owned()]);
        words
    }

    /// The same for programs that refuse to run as root: they see themselves as `nobody`.
    pub(crate) fn wrapper_as_nobody(&self) -> Vec<OsString> {
        let nobody = ["unshare", "--user", "--map-user=65534", "--map-group=65534"].map(OsString::from);
        [self.wrapper(), nobody.to_vec()].concat()
    }

    /// The disk as seen from outside, by way of the process that was started with the wrapper.
    pub(crate) fn seen_by(&self, pid: u32) -> PathBuf {
        PathBuf::from(format!("/proc/{pid}/root")).join(self.path().strip_prefix("/").expect("absolute"))
    }

    /// Fills it but for `left` bytes.
    pub(crate) fn fill(&self, pid: u32, left: u64) {
        let path = self.seen_by(pid).join("filler");
        let written = write_as_much_as_fits(&path);
        let file = std::fs::File::options().write(true).open(&path);
        file.and_then(|file| file.set_len(written.saturating_sub(left))).expect("cut");
    }

    /// Makes room again.
    pub(crate) fn free(&self, pid: u32) {
        std::fs::remove_file(self.seen_by(pid).join("filler")).expect("removed");
    }
}

fn write_as_much_as_fits(path: &Path) -> u64 {
    let mut file = std::fs::File::create(path).expect("created");
    let piece = vec![0; usize::try_from(MIB).expect("fits")];
    let mut written = 0;
    // Smaller and smaller pieces, to the last byte.
    let mut len = piece.len();
    while len > 0 {
        match file.write(&piece[..len]) {
            Ok(more @ 1..) => written += more as u64,
            _ => len /= 2,
        }
    }
    written
}
