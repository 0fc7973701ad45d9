//! What the receiver will see: the name of the transfer and the path of every file in it.

use haulier_format::metadata::DEFAULT_TYPE;
use haulier_format::{FileEntry, TransferId, distinct_paths, sanitize_path};

use super::scan::{Entry, Kind, Scan};
use super::{Content, Input};

/// The names and files of a transfer, as they travel.
#[derive(Debug)]
pub(in crate::send) struct Description {
    /// What the transfer is called.
    pub(in crate::send) name: String,
    /// Media type of the whole.
    pub(in crate::send) content_type: String,
    pub(in crate::send) files: Vec<FileEntry>,
    /// The names that had to be changed, as they are now.
    pub(in crate::send) renamed: Vec<String>,
}

impl Input {
    /// Names everything; `asked` is a name that was given, `id` stands in where there is none.
    pub(in crate::send) fn describe(&self, asked: Option<&str>, id: &TransferId) -> Description {
        let stand_in = format!("transfer-{}", &id.as_str()[..8]);
        match &self.content {
            Content::Spooled(_) => self.describe_single(asked, &stand_in, None),
            Content::Scanned(scanned) if scanned.tar => {
                let name = only_root(&scanned.scan).unwrap_or(stand_in);
                self.describe_single(asked, &format!("{name}.tar"), None)
            }
            Content::Scanned(scanned) => {
                let entries = &scanned.scan.entries;
                match entries.as_slice() {
                    [only] if !scanned.scan.roots[only.root].is_folder => {
                        self.describe_single(asked, &root_name(&scanned.scan, only.root), Some(only.stamp.mtime()))
                    }
                    _ => describe_many(&scanned.scan, asked, stand_in),
                }
            }
        }
    }

    fn describe_single(&self, asked: Option<&str>, own: &str, mtime: Option<i64>) -> Description {
        let (name, changed) = one_segment(asked.unwrap_or(own));
        let size = self.fingerprint.size;
        let content_type = media_type(&name);
        let file = FileEntry { path: name.clone(), size, offset: 0, content_type: content_type.clone(), mtime };
        let renamed = if changed { vec![name.clone()] } else { Vec::new() };
        Description { name, content_type, files: vec![file], renamed }
    }
}

/// Several files, or the files of a folder: paths inside of the folder that the receiver will get.
fn describe_many(scan: &Scan, asked: Option<&str>, stand_in: String) -> Description {
    let own = only_root(scan);
    let inside_of_root = own.is_some();
    let own = own.unwrap_or(stand_in);
    let (name, changed) = one_segment(asked.unwrap_or(&own));
    let mut renamed = if changed { vec![name.clone()] } else { Vec::new() };
    let wanted = |entry: &Entry| {
        let below = entry.below.to_string_lossy();
        match (inside_of_root, below.is_empty()) {
            (true, _) => below.into_owned(),
            (false, true) => root_name(scan, entry.root).replace('/', "_"),
            (false, false) => format!("{}/{below}", root_name(scan, entry.root).replace('/', "_")),
        }
    };
    let files = || scan.entries.iter().filter(|entry| entry.kind == Kind::File);
    let clean: Vec<String> = files().map(|entry| sanitize_path(&wanted(entry)).0).collect();
    let mut paths = distinct_paths(&clean);
    renamed.extend(files().zip(&paths).filter(|(entry, path)| wanted(entry) != **path).map(|(_, path)| path.clone()));
    // One file: name = path, so its folder has to stand in it.
    let alone = paths.len() == 1;
    if let [only] = paths.as_mut_slice() {
        *only = format!("{name}/{only}");
    }
    let mut offset = 0;
    let files: Vec<FileEntry> = files()
        .zip(paths)
        .map(|(entry, path)| {
            let size = entry.stamp.size;
            let content_type = media_type(&path);
            let file = FileEntry { path, size, offset, content_type, mtime: Some(entry.stamp.mtime()) };
            offset += size;
            file
        })
        .collect();
    let name = if alone { files[0].path.clone() } else { name };
    Description { name, content_type: DEFAULT_TYPE.to_owned(), files, renamed }
}

/// The name of the one path that was given; none when there are several.
fn only_root(scan: &Scan) -> Option<String> {
    (scan.roots.len() == 1).then(|| root_name(scan, 0))
}

/// The last part of a path; what is not UTF-8 in it is replaced.
fn root_name(scan: &Scan, root: usize) -> String {
    scan.roots[root].name.to_string_lossy().into_owned()
}

/// A name is one segment: a slash in it would ask for folders on the other side.
fn one_segment(wanted: &str) -> (String, bool) {
    let (name, changed) = sanitize_path(&wanted.replace('/', "_"));
    let differs = name != wanted;
    (name, changed || differs)
}

fn media_type(name: &str) -> String {
    mime_guess::from_path(name).first_raw().unwrap_or(DEFAULT_TYPE).to_owned()
}
