//! Chunks that are not the sender's, or not in their place.

use super::forge::{iv, seal, seal_all};
use super::story::{CHUNK, Liar};
use super::{Story, forge};
use crate::harness::{Action, random_bytes};

/// Changes what is served as the chunks.
type Case = (&'static str, fn(&mut Vec<Vec<u8>>), &'static str);

const OTHER_LENGTH: &str = "has another length";

/// Lies that work on any transfer of three chunks, the last of them short.
const CASES: &[Case] = &[
    ("the first two swapped", |c| c.swap(0, 1), "chunk 0 from the server is not what the sender sealed"),
    ("the first one again", |c| c[1] = c[0].clone(), "chunk 1 from the server is not what the sender sealed"),
    ("the second one in place of the first", |c| c[0] = c[1].clone(), "chunk 0 from"),
    (
        "the counter set to its place",
        |c| {
            c[1] = c[0].clone();
            c[1][11] = 1;
        },
        "chunk 1 from",
    ),
    ("the last one as the first", |c| c[0] = c[2].clone(), OTHER_LENGTH),
    ("the first one as the last", |c| c[2] = c[0].clone(), OTHER_LENGTH),
    ("a byte short", |c| c[0].truncate(CHUNK + 27), OTHER_LENGTH),
    ("a byte short at the end", |c| c[2].truncate(5 + 27), OTHER_LENGTH),
    ("a byte long", |c| c[1].push(0), OTHER_LENGTH),
    ("a byte long at the end", |c| c[2].push(0), OTHER_LENGTH),
    ("empty", |c| c[1].clear(), OTHER_LENGTH),
    ("overhead alone", |c| c[2].truncate(28), OTHER_LENGTH),
    ("a bit of the prefix", |c| c[0][0] ^= 1, "chunk 0 from"),
    ("a bit of the counter", |c| c[0][11] ^= 1, "chunk 0 from"),
    ("a bit of the counter's top", |c| c[0][8] ^= 0x80, "chunk 0 from"),
    ("the first bit of content", |c| c[1][12] ^= 0x80, "chunk 1 from"),
    (
        "the last bit of content",
        |c| {
            let end = c[1].len();
            c[1][end - 17] ^= 1;
        },
        "chunk 1 from",
    ),
    (
        "the first bit of the tag",
        |c| {
            let end = c[2].len();
            c[2][end - 16] ^= 0x80;
        },
        "chunk 2 from",
    ),
    (
        "the last bit of the tag",
        |c| {
            let end = c[2].len();
            c[2][end - 1] ^= 1;
        },
        "chunk 2 from",
    ),
    (
        "no tag",
        |c| {
            let end = c[2].len();
            c[2][end - 16..].fill(0);
        },
        "chunk 2 from",
    ),
    ("zeros", |c| c[0].fill(0), "chunk 0 from"),
    ("zeros for the prefix", |c| c[0][..8].fill(0), "chunk 0 from"),
    ("another prefix everywhere", |c| c.iter_mut().for_each(|chunk| chunk[0] ^= 1), "chunk 0 from"),
];

#[tokio::test]
async fn a_chunk_that_is_not_the_senders_is_refused() {
    for (kind, liar) in [("FULL", Liar::about(&[]).await), ("SEED", Liar::about_seed().await)] {
        liar.tells(&liar.honest).await.is_the_file(kind, &liar);
        for (case, change, says) in CASES {
            let mut story = liar.honest.clone();
            change(&mut story.chunks);
            if story.chunks == liar.honest.chunks {
                // Zeros are what a SEED transfer's prefix is.
                assert_eq!((kind, *case), ("SEED", "zeros for the prefix"));
                continue;
            }
            liar.tells(&story).await.is_refused(&format!("{kind}, {case}"), 7, says);
        }
    }
}

#[tokio::test]
async fn chunks_of_another_transfer_are_refused() {
    let (liar, other) = (Liar::about(&[]).await, Liar::about(&[]).await);
    for index in 0..3 {
        let mut story = liar.honest.clone();
        story.chunks[index].clone_from(&other.honest.chunks[index]);
        let says = format!("chunk {index} from the server is not what the sender sealed");
        liar.tells(&story).await.is_refused("one of another key", 7, &says);
    }
}

/// Everything here is sealed under the right key: only what it is bound to is wrong.
#[tokio::test]
async fn chunks_that_are_bound_to_something_else_are_refused_under_the_right_key() {
    let liar = Liar::about(&[]).await;
    let (id, contents) = (liar.id.as_str(), &liar.contents);
    let key = haulier_wire::encoding::from_base64url(liar.link.rsplit('/').next().expect("a key")).expect("a key");
    let prefix: [u8; 8] = liar.honest.chunks[0][..8].try_into().expect("8 bytes");
    let first = &contents[..CHUNK];
    let other_id = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
    let with_first =
        |chunk: Vec<u8>| Story { chunks: [&[chunk], &liar.honest.chunks[1..]].concat(), ..liar.honest.clone() };

    let ours = with_first(seal(&key, iv(prefix, 0), (id, 3, 0), first));
    assert!(ours.chunks == liar.honest.chunks, "the forge seals as the CLI does");
    for (case, chunk) in [
        ("a zero prefix under prefix-counter", seal(&key, iv([0; 8], 0), (id, 3, 0), first)),
        ("another prefix", seal(&key, iv([9; 8], 0), (id, 3, 0), first)),
        ("another counter", seal(&key, iv(prefix, 1), (id, 3, 0), first)),
        ("bound to another index", seal(&key, iv(prefix, 0), (id, 3, 1), first)),
        ("bound to another count", seal(&key, iv(prefix, 0), (id, 2, 0), first)),
        ("bound to another id", seal(&key, iv(prefix, 0), (other_id, 3, 0), first)),
    ] {
        liar.tells(&with_first(chunk)).await.is_refused(case, 7, "chunk 0 from the server is not what the sender");
    }
    let zero = Story { chunks: seal_all(&key, [0; 8], id, contents, CHUNK), ..liar.honest.clone() };
    liar.tells(&zero).await.is_refused("a zero prefix everywhere", 7, "chunk 0 from");
    // With the key, that is a SEED transfer; without it nobody can make one of a FULL transfer.
    let seed = forge::seed_story(id, &key, contents, CHUNK);
    let story = Story { chunks: liar.honest.chunks.clone(), ..seed };
    liar.tells(&story).await.is_refused("FULL presented as SEED", 7, "chunk 0 from");
}

#[tokio::test]
async fn a_seed_transfer_shows_nothing_before_its_first_chunk_opened() {
    let liar = Liar::about_seed().await;
    let key = haulier_wire::encoding::from_base64url(liar.link.rsplit('/').next().expect("a key")).expect("a key");
    let (id, contents) = (liar.id.as_str(), &liar.contents);
    let with_chunks = |chunks| Story { chunks, ..liar.honest.clone() };
    let prefixed = with_chunks(seal_all(&key, [7; 8], id, contents, CHUNK));
    liar.tells(&prefixed).await.is_refused("a prefix under counter", 7, "chunk 0 from");
    let mut last = liar.honest.clone();
    last.chunks[2] = seal(&key, iv([7; 8], 2), (id, 3, 2), &contents[2 * CHUNK..]);
    liar.tells(&last).await.is_refused("a prefix on the last chunk", 7, "chunk 2 from");
    // The server's word for the sizes, against what the chunks are bound to.
    let fewer = forge::seed_story(id, &key, &contents[..2 * CHUNK], CHUNK);
    let fewer = Story { chunks: liar.honest.chunks.clone(), ..fewer };
    liar.tells(&fewer).await.is_refused("a chunk less", 7, "chunk 0 from");
    let mut longer = liar.honest.clone();
    (longer.manifest["file_size"], longer.manifest["last_chunk_size"]) = ((2 * CHUNK + 6).into(), 6.into());
    longer.chunks[2].push(0);
    liar.tells(&longer).await.is_refused("a byte more", 7, "chunk 2 from");
}

#[tokio::test]
async fn a_chunk_that_the_way_damaged_once_is_fetched_once_more() {
    let liar = Liar::about(&[]).await;
    let (honest, asked) = (liar.honest.clone(), std::sync::atomic::AtomicU32::new(0));
    liar.proxy.on(move |request| {
        let mut story = honest.clone();
        if request.path.ends_with("/chunk/1") && asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 {
            story.chunks[1] = random_bytes(story.chunks[1].len());
        }
        Action::Answer(story.answer(request))
    });
    liar.get().await.is_the_file("damaged once", &liar);
}
