//! What is kept of a chunk that is on its way, and what becomes of it.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use tempfile::{TempDir, tempdir};

use super::*;

const CHUNK: u64 = 1_000;
const ROOM: u64 = 1 << 20;

fn path(dir: &TempDir) -> PathBuf {
    dir.path().join("it.arriving")
}

fn open_at(path: &Path, room_bytes: u64, resume: bool) -> Arc<Arriving> {
    Arc::new(Arriving::open(path.to_owned(), CHUNK, room_bytes, resume))
}

fn load(arriving: &Arc<Arriving>, index: u32) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut buffer = vec![0xee; 7];
    arriving.spot(index).load(&mut buffer).map(|etag| (etag, buffer))
}

#[test]
fn the_next_run_finds_each_beginning_and_its_name() {
    let dir = tempdir().unwrap();
    let arriving = open_at(&path(&dir), ROOM, false);
    assert!(!path(&dir).exists() && !arriving.holds_some(), "nothing is made before it is needed");
    arriving.spot(3).keep(b"\"three\"", 0, &[3; 400]);
    arriving.spot(9).keep(b"\"nine\"", 0, &[9; 1_000]);
    arriving.spot(3).keep(b"\"three\"", 400, &[4; 100]);
    assert_eq!(fs::metadata(path(&dir)).unwrap().permissions().mode() & 0o777, 0o600);

    let arriving = open_at(&path(&dir), ROOM, true);
    assert!(arriving.holds_some());
    assert_eq!(arriving.spot(3).bytes(), 500);
    assert_eq!(load(&arriving, 3), Some((b"\"three\"".to_vec(), [vec![3; 400], vec![4; 100]].concat())));
    assert_eq!(load(&arriving, 9), Some((b"\"nine\"".to_vec(), vec![9; 1_000])));
    assert_eq!((arriving.spot(4).bytes(), load(&arriving, 4)), (0, None));
}

#[test]
fn a_slot_that_was_cleared_is_used_again_and_holds_nothing_before() {
    let dir = tempdir().unwrap();
    let arriving = open_at(&path(&dir), ROOM, false);
    arriving.spot(3).keep(b"\"three\"", 0, &[3; 900]);
    arriving.spot(3).clear();
    assert!(!open_at(&path(&dir), ROOM, true).holds_some());
    let before = fs::metadata(path(&dir)).unwrap().len();
    arriving.spot(5).keep(b"\"five\"", 0, &[5; 100]);
    assert_eq!(fs::metadata(path(&dir)).unwrap().len(), before);
    let arriving = open_at(&path(&dir), ROOM, true);
    assert_eq!((load(&arriving, 3), arriving.spot(5).bytes()), (None, 100));
    // What starts anew in the same slot is shorter, and has another name.
    arriving.spot(5).keep(b"\"other\"", 0, &[6; 10]);
    assert_eq!(load(&open_at(&path(&dir), ROOM, true), 5), Some((b"\"other\"".to_vec(), vec![6; 10])));
}

#[test]
fn it_never_takes_more_than_its_room() {
    let dir = tempdir().unwrap();
    for (room, fits) in [(2 * UNIT_BYTES, 2), (2 * UNIT_BYTES - 1, 1), (10, 0)] {
        let arriving = open_at(&path(&dir), room, false);
        for index in 0..4 {
            arriving.spot(index).keep(b"\"a\"", 0, &[1; 1_000]);
        }
        let kept = (0..4).filter(|index| arriving.spot(*index).bytes() > 0).count();
        assert_eq!(kept, fits);
        let heads = fits as u64 * HEAD_BYTES as u64;
        assert!(fs::metadata(path(&dir)).map_or(0, |metadata| metadata.len()) <= room + heads);
    }
    // As many as chunks can be under way, also where nothing but their heads is over.
    for (chunk, most) in [(64 << 20, 2), (32 << 20, 4), (16 << 20, 8), (8 << 20, 16)] {
        assert_eq!(Arriving::open(path(&dir), chunk + 28, 128 << 20, false).most, most);
    }
    // Nor more than a chunk, nor a name that has no place.
    let arriving = open_at(&path(&dir), ROOM, false);
    arriving.spot(0).keep(b"\"a\"", 1, &[1; 1_000]);
    arriving.spot(1).keep(&[b'a'; HEAD_BYTES - ETAG_AT + 1], 0, &[1; 10]);
    assert!(!arriving.holds_some());
    arriving.spot(1).keep(&[b'a'; HEAD_BYTES - ETAG_AT], 0, &[1; 10]);
    assert!(arriving.holds_some());
}

#[test]
fn what_could_not_be_kept_leaves_no_hole() {
    let dir = tempdir().unwrap();
    let arriving = open_at(&path(&dir), UNIT_BYTES, false);
    assert!(arriving.spot(1).keep(b"\"a\"", 0, &[1; 100]));
    assert!(!arriving.spot(2).keep(b"\"b\"", 0, &[2; 100]), "there is no slot left");
    arriving.spot(1).clear();
    assert!(!arriving.spot(2).keep(b"\"b\"", 100, &[2; 100]), "its first hundred bytes are not here");
    assert!(!arriving.holds_some());
    assert!(arriving.spot(2).keep(b"\"b\"", 0, &[2; 200]));
    assert_eq!(load(&open_at(&path(&dir), UNIT_BYTES, true), 2), Some((b"\"b\"".to_vec(), vec![2; 200])));
}

#[test]
fn a_disk_that_was_busy_is_left_alone_for_longer() {
    let dir = tempdir().unwrap();
    let arriving = open_at(&path(&dir), ROOM, false);
    assert!(!arriving.spot(3).rests());
    arriving.rest(Duration::from_secs(1));
    let until = *arriving.rests_until.lock().unwrap();
    assert!(until > Instant::now() + Duration::from_secs(7) && arriving.spot(3).rests());
    // Every write says how long it took, which is not that long.
    arriving.spot(3).keep(b"\"three\"", 0, &[3; 400]);
    assert!(*arriving.rests_until.lock().unwrap() < until);
}

#[test]
fn what_makes_no_sense_is_not_there() {
    let dir = tempdir().unwrap();
    let begin = || open_at(&path(&dir), ROOM, false).spot(3).keep(b"\"three\"", 0, &[3; 400]);
    let holds = || {
        let arriving = open_at(&path(&dir), ROOM, true);
        arriving.holds_some() && load(&arriving, 3).is_some()
    };
    let damage = |offset, bytes: &[u8]| {
        begin();
        assert!(holds());
        File::options().write(true).open(path(&dir)).unwrap().write_all_at(bytes, offset).unwrap();
        assert!(!holds(), "{offset}");
    };
    damage(0, b"x");
    damage(20, &[0xff; 8]);
    damage(20, &1_001_u64.to_be_bytes());
    damage(28, &u32::MAX.to_be_bytes());
    begin();
    File::options().write(true).open(path(&dir)).unwrap().set_len(600).unwrap();
    assert!(!holds(), "cut short");
}

#[test]
fn nothing_that_is_not_this_users_own_file_is_written_to() {
    let (dir, elsewhere) = (tempdir().unwrap(), tempdir().unwrap());
    let victim = elsewhere.path().join("victim");
    fs::write(&victim, [7; 2_000]).unwrap();
    let links: [fn(&Path, &Path) -> io::Result<()>; 2] =
        [|from, to| symlink(from, to), |from, to| fs::hard_link(from, to)];
    for plant in links {
        for resume in [false, true] {
            plant(&victim, &path(&dir)).unwrap();
            open_at(&path(&dir), ROOM, resume).spot(3).keep(b"\"three\"", 0, &[3; 400]);
            assert_eq!(fs::read(&victim).unwrap(), [7; 2_000]);
            assert_eq!(open_at(&path(&dir), ROOM, true).spot(3).bytes(), 400, "a file of its own is made in its place");
            fs::remove_file(path(&dir)).unwrap();
        }
    }
    // Planted after it was opened.
    let arriving = open_at(&path(&dir), ROOM, false);
    symlink(&victim, path(&dir)).unwrap();
    arriving.spot(3).keep(b"\"three\"", 0, &[3; 400]);
    assert_eq!(fs::read(&victim).unwrap(), [7; 2_000]);
}
