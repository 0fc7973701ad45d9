//! What one run leaves for the next, and what it does not.

use std::fs;
use std::os::unix::fs::{FileExt as _, symlink};

use haulier_format::ByteLen;
use tempfile::{TempDir, tempdir};

use super::super::selection::Selection;
use super::*;
use crate::http::Shelf as _;

const SECRETS: (&str, &[u8; 32]) = ("token", &[7; 32]);

const CHUNK: u64 = 1 << 10;

fn layout() -> ChunkLayout {
    ChunkLayout::new(ByteLen::new(3 * CHUNK + 1).unwrap(), CHUNK).unwrap()
}

fn id() -> TransferId {
    "0a".repeat(16).parse().unwrap()
}

fn target(dir: &TempDir, name: &str, folder: bool) -> Target {
    let piece = |path: &str, offset, size| Piece { path: path.into(), offset, size, mtime: None };
    let pieces = if folder {
        vec![piece("a", 0, CHUNK), piece("d/b", CHUNK, 2 * CHUNK + 1)]
    } else {
        vec![piece("a", 0, 3 * CHUNK + 1)]
    };
    let selection = Selection { name: name.into(), folder, pieces, chunks: std::iter::once(0..4).collect() };
    Target { path: dir.path().join(name), selection }
}

fn open(dir: &TempDir, folder: bool) -> (Kept, Found) {
    Kept::open(target(dir, "t", folder), &id(), layout(), SECRETS).unwrap()
}

fn plaintext(index: u32) -> Vec<u8> {
    let index = ChunkIndex::new(index).unwrap();
    vec![u8::try_from(index.get()).unwrap() + 1; layout().plaintext_len(index).unwrap() as usize]
}

fn take(kept: &Kept, indices: &[u32]) {
    for index in indices {
        kept.take(ChunkIndex::new(*index).unwrap(), &plaintext(*index)).unwrap();
    }
}

fn there(kept: &Kept) -> Vec<u32> {
    let noted = kept.noted().unwrap();
    noted.iter().filter(|(index, slot)| kept.still_holds(*index, slot)).map(|(index, _)| *index).collect()
}

fn hidden(dir: &TempDir, extension: &str) -> PathBuf {
    let entries = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = entries.filter(|path| path.extension().is_some_and(|have| have == extension)).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.pop().unwrap()
}

fn count(dir: &TempDir) -> usize {
    fs::read_dir(dir.path()).unwrap().count()
}

#[test]
fn the_next_run_finds_what_was_taken_and_nothing_else() {
    for folder in [false, true] {
        let dir = tempdir().unwrap();
        let (kept, found) = open(&dir, folder);
        assert_eq!(found, Found::Nothing);
        take(&kept, &[3, 1]);
        drop(kept);
        let (kept, found) = open(&dir, folder);
        assert_eq!((found, there(&kept)), (Found::Same, vec![1, 3]));
        take(&kept, &[0, 2]);
        assert_eq!(there(&kept), [0, 1, 2, 3]);
        let path = kept.publish(false).unwrap();
        drop(kept);
        assert_eq!(count(&dir), 1, "the target alone");
        let whole: Vec<u8> = (0..4).flat_map(plaintext).collect();
        let got = if folder {
            [fs::read(path.join("a")).unwrap(), fs::read(path.join("d/b")).unwrap()].concat()
        } else {
            fs::read(path).unwrap()
        };
        assert_eq!(got, whole);
    }
}

#[test]
fn a_chunk_whose_bytes_changed_or_never_reached_the_disk_is_not_believed() {
    for folder in [false, true] {
        let dir = tempdir().unwrap();
        let (kept, _) = open(&dir, folder);
        take(&kept, &[0, 1, 2, 3]);
        drop(kept);
        let part = hidden(&dir, "part");
        let (file, offset) = if folder { (part.join("d/b"), CHUNK) } else { (part, 2 * CHUNK) };
        fs::File::options().write(true).open(file).unwrap().write_all_at(&[0; 4], offset + 5).unwrap();
        assert_eq!(there(&open(&dir, folder).0), [0, 1, 3]);
    }
}

#[test]
fn a_damaged_slot_costs_its_chunk_and_a_damaged_header_all_of_them() {
    let dir = tempdir().unwrap();
    let (kept, _) = open(&dir, false);
    take(&kept, &[0, 1, 2, 3]);
    drop(kept);
    let log = hidden(&dir, "chunks");
    let damage = |offset| fs::File::options().write(true).open(&log).unwrap().write_all_at(&[0xff], offset).unwrap();
    damage(48 + 32 + 9);
    assert_eq!(there(&open(&dir, false).0), [0, 2, 3]);
    damage(20);
    let (kept, found) = open(&dir, false);
    assert_eq!((found, there(&kept)), (Found::Unusable, vec![]));
    drop(kept);
    assert_eq!(count(&dir), 0, "what holds nothing is not left behind");
}

#[test]
fn another_secret_another_size_and_another_shape_start_anew() {
    let dir = tempdir().unwrap();
    let again =
        |secrets: (&str, &[u8; 32]), layout| Kept::open(target(&dir, "t", false), &id(), layout, secrets).unwrap();
    take(&again(SECRETS, layout()).0, &[0]);
    // Another transfer; and the same one, noted by somebody who has its link, on another machine.
    for secrets in [("other", SECRETS.1), ("token", &[8; 32])] {
        let (kept, found) = again(secrets, layout());
        assert_eq!((found, there(&kept)), (Found::Unusable, vec![]));
        take(&kept, &[0]);
    }
    let smaller = ChunkLayout::new(ByteLen::new(3 * CHUNK + 1).unwrap(), 2 * CHUNK).unwrap();
    assert_eq!(again(SECRETS, smaller).1, Found::Unusable);
    let part = {
        take(&again(SECRETS, layout()).0, &[0]);
        hidden(&dir, "part")
    };
    fs::remove_file(&part).unwrap();
    fs::create_dir(&part).unwrap();
    assert_eq!(again(SECRETS, layout()).1, Found::Unusable, "a folder in the part's place");
}

#[test]
fn a_link_in_the_parts_place_is_removed_and_not_followed() {
    let dir = tempdir().unwrap();
    let elsewhere = tempdir().unwrap();
    let victim = elsewhere.path().join("victim");
    fs::write(&victim, vec![9; 3_073]).unwrap();
    take(&open(&dir, false).0, &[0, 1]);
    let part = hidden(&dir, "part");
    fs::remove_file(&part).unwrap();
    symlink(&victim, &part).unwrap();
    let (kept, found) = open(&dir, false);
    assert_eq!((found, there(&kept)), (Found::Unusable, vec![]));
    take(&kept, &[0]);
    assert_eq!(fs::read(&victim).unwrap(), vec![9; 3_073]);
}

#[test]
fn targets_in_one_folder_do_not_meet() {
    let dir = tempdir().unwrap();
    let (one, _) = open(&dir, false);
    let (two, found) = Kept::open(target(&dir, "u", false), &id(), layout(), SECRETS).unwrap();
    assert_eq!(found, Found::Nothing);
    take(&one, &[0]);
    assert!(there(&two).is_empty());
    let again = Kept::open(target(&dir, "t", false), &id(), layout(), SECRETS);
    assert!(matches!(again, Err(NotOpened { error: Error::TargetInUse { .. }, .. })));
}

#[test]
fn what_a_transfer_left_is_forgotten_with_it_unless_somebody_works_on_it() {
    let dir = tempdir().unwrap();
    take(&open(&dir, false).0, &[0]);
    let (kept, _) = Kept::open(target(&dir, "u", true), &id(), layout(), SECRETS).unwrap();
    take(&kept, &[0]);
    fs::write(dir.path().join("other"), b"").unwrap();
    forget(&"0b".repeat(16).parse().unwrap(), Some(dir.path()));
    assert_eq!(count(&dir), 6);
    forget(&id(), Some(dir.path()));
    assert_eq!(count(&dir), 4, "the other target's, and a file");
    drop(kept);
    assert!(forget(&id(), Some(&dir.path().join("u"))).is_empty());
    assert_eq!(count(&dir), 1);
}

#[test]
fn a_file_that_no_get_made_is_never_removed() {
    let dir = tempdir().unwrap();
    let mine = |part: &Path| fs::write(part.join("d/mine"), b"mine").unwrap();
    let (kept, _) = open(&dir, true);
    take(&kept, &[0]);
    drop(kept);
    mine(&hidden(&dir, "part"));
    // The next run begins anew beside it.
    let (kept, found) = open(&dir, true);
    let aside = dir.path().join("haulier-found-0a0a0a0a");
    assert_eq!((found, kept.set_aside()), (Found::Unusable, Some(aside.as_path())));
    assert_eq!(fs::read(aside.join("d/mine")).unwrap(), b"mine");
    assert!(!aside.join("a").exists() && !aside.join("d/b").exists(), "what was ours is gone");
    take(&kept, &[0]);
    let part = hidden(&dir, "part");
    mine(&part);
    // A transfer that turns out to be another one, and one that is gone.
    kept.discard();
    assert_eq!(fs::read(part.join("d/mine")).unwrap(), b"mine");
    assert_eq!(fs::read_dir(&part).unwrap().count(), 1);
    drop(kept);
    let (kept, _) = open(&dir, true);
    assert!(kept.set_aside().unwrap().ends_with("haulier-found-0a0a0a0a-2"));
    take(&kept, &[0]);
    drop(kept);
    mine(&part);
    assert_eq!(forget(&id(), Some(dir.path())), std::slice::from_ref(&part));
    assert_eq!(fs::read(part.join("d/mine")).unwrap(), b"mine");
    assert_eq!(fs::read_dir(&part).unwrap().count(), 1);
}

#[test]
fn what_was_set_aside_is_told_also_when_there_is_no_room_for_a_new_part() {
    let dir = tempdir().unwrap();
    take(&open(&dir, true).0, &[0]);
    fs::write(hidden(&dir, "part").join("mine"), b"mine").unwrap();
    let mut large = target(&dir, "t", true);
    large.selection.pieces[1].size = 1 << 52;
    // The same names beside the target, another size: what is there is of no use.
    let not_opened = Kept::open(large, &id(), layout(), SECRETS).unwrap_err();
    assert!(matches!(not_opened.error, Error::NoRoom { .. }), "{not_opened:?}");
    let aside = not_opened.set_aside.unwrap();
    assert_eq!(fs::read(aside.join("mine")).unwrap(), b"mine");
    assert_eq!(count(&dir), 1, "nothing of ours is left");
}

#[test]
fn the_names_of_the_files_come_back_when_they_are_lost() {
    let dir = tempdir().unwrap();
    take(&open(&dir, true).0, &[0]);
    // Killed before they were written, or lost since.
    fs::remove_file(hidden(&dir, "names")).unwrap();
    let (kept, found) = open(&dir, true);
    assert_eq!((found, there(&kept)), (Found::Same, vec![0]));
    drop(kept);
    assert!(forget(&id(), Some(dir.path())).is_empty(), "what a get made is known to be its own");
    assert_eq!(count(&dir), 0);
}

#[test]
fn what_may_be_given_up_makes_room_and_no_slot_is_kept_beyond_it() {
    let dir = tempdir().unwrap();
    let (kept, _) = open(&dir, false);
    take(&kept, &[0]);
    kept.spot(1).keep(b"\"one\"", 0, &[1; 900]);
    kept.spot(2).keep(b"\"two\"", 0, &[2; 900]);
    drop(kept);
    let path = hidden(&dir, "arriving");
    assert!(arriving::occupied_bytes(&path) >= 1_800);
    let chunk_bytes = CHUNK + SEALED_OVERHEAD_BYTES;
    let less = Arriving::open(path.clone(), chunk_bytes, chunk_bytes, true);
    assert!(less.holds_some() && fs::metadata(&path).unwrap().len() <= 512 + chunk_bytes);
    drop(Arriving::open(path.clone(), chunk_bytes, 0, true));
    assert_eq!(arriving::occupied_bytes(&path), 0);
}

#[test]
fn a_folder_that_appears_under_the_targets_name_takes_along_what_was_kept() {
    for folder in [false, true] {
        let dir = tempdir().unwrap();
        let (kept, _) = open(&dir, folder);
        take(&kept, &[3, 1]);
        let output = dir.path().join("t");
        fs::create_dir(&output).unwrap();
        let inside = || Target { path: output.join("name"), ..target(&dir, "name", folder) };
        take_along(&inside(), &output, &id());
        assert_eq!(fs::read_dir(&output).unwrap().count(), 0, "the first run is still at it");
        drop(kept);
        take_along(&inside(), &output, &id());
        let (kept, found) = Kept::open(inside(), &id(), layout(), SECRETS).unwrap();
        assert_eq!((found, there(&kept)), (Found::Same, vec![1, 3]));
        drop(kept);
        assert_eq!(count(&dir), 1, "nothing is left where it was");
    }
}

#[test]
fn taking_along_goes_on_wherever_it_was_killed() {
    for folder in [false, true] {
        for steps in 0..=3 {
            let dir = tempdir().unwrap();
            take(&open(&dir, folder).0, &[3, 1]);
            let output = dir.path().join("t");
            fs::create_dir(&output).unwrap();
            let inside = || Target { path: output.join("name"), ..target(&dir, "name", folder) };
            let (from, to) = (beside(&target(&dir, "t", folder), &id()), beside(&inside(), &id()));
            for kind in ["names", "arriving", "part"].into_iter().take(steps) {
                let _ = fs::rename(from.with_extension(kind), to.with_extension(kind));
            }
            take_along(&inside(), &output, &id());
            let (kept, found) = Kept::open(inside(), &id(), layout(), SECRETS).unwrap();
            assert_eq!((found, there(&kept)), (Found::Same, vec![1, 3]), "{folder} {steps}");
            kept.discard();
            drop(kept);
            assert_eq!((count(&dir), fs::read_dir(&output).unwrap().count()), (1, 0), "nothing is left");
        }
    }
}

#[test]
fn a_single_file_with_folders_in_its_name_is_taken_along_into_them() {
    for killed_before_the_file in [false, true] {
        let dir = tempdir().unwrap();
        let mut single = target(&dir, "t", false);
        single.selection.name = "photos/d/a".into();
        single.selection.pieces[0].path = "photos/d/a".into();
        let (kept, _) = Kept::open(single, &id(), layout(), SECRETS).unwrap();
        take(&kept, &[3, 1]);
        drop(kept);
        let output = dir.path().join("t");
        fs::create_dir(&output).unwrap();
        let inside = || {
            let mut inside = Target { path: output.join("photos"), ..target(&dir, "photos", false) };
            (inside.selection.folder, inside.selection.pieces[0].path) = (true, "d/a".into());
            inside
        };
        if killed_before_the_file {
            fs::create_dir_all(beside(&inside(), &id()).with_extension("part").join("d")).unwrap();
        }
        take_along(&inside(), &output, &id());
        let (kept, found) = Kept::open(inside(), &id(), layout(), SECRETS).unwrap();
        assert_eq!((found, there(&kept)), (Found::Same, vec![1, 3]));
        take(&kept, &[0, 2]);
        let path = kept.publish(false).unwrap();
        drop(kept);
        assert_eq!(fs::read(path.join("d/a")).unwrap(), (0..4).flat_map(plaintext).collect::<Vec<_>>());
        assert_eq!((count(&dir), fs::read_dir(&output).unwrap().count()), (1, 1), "nothing is left");
    }
}

/// A chunk may be on its way to the disk when another one ends the run.
#[test]
fn what_a_failed_run_says_is_kept_is_what_is_there() {
    let mut ends = [0, 0];
    for round in 0..300 {
        let dir = tempdir().unwrap();
        let kept = open(&dir, round % 2 == 0).0;
        let is_kept = std::thread::scope(|scope| {
            let taking = scope.spawn(|| kept.take(ChunkIndex::new(1).unwrap(), &plaintext(1)));
            if round % 3 == 0 {
                std::thread::sleep(std::time::Duration::from_micros(round));
            }
            let is_kept = kept.close(false);
            let left = fs::read_dir(dir.path()).unwrap().count();
            assert_eq!(left > 0, is_kept, "{left} left");
            assert_eq!(taking.join().unwrap().is_ok(), is_kept);
            is_kept
        });
        drop(kept);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count() > 0, is_kept);
        ends[usize::from(is_kept)] += 1;
    }
    assert!(ends[1] > 0 && ends[0] > 0, "both sides won: {ends:?}");
}

#[test]
fn what_can_be_of_no_use_goes_whatever_it_holds() {
    let dir = tempdir().unwrap();
    let kept = open(&dir, false).0;
    take(&kept, &[0, 1]);
    assert!(!kept.close(true));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    assert!(kept.take(ChunkIndex::new(2).unwrap(), &plaintext(2)).is_err());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}
