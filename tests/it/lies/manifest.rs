//! The strip matrix: each member of a FULL manifest removed or changed, alone and together.

use super::story::Edit::{self, Flip, Remove, Set};
use super::{Liar, Story};

const OTHER_ID: &str = "\"0f1e2d3c4b5a69788796a5b4c3d2e1f0\"";
const KDF: &str = r#"{"name":"PBKDF2","hash":"SHA-256","iterations":600000,"salt":"AAAAAAAAAAAAAAAAAAAAAA"}"#;
/// As much as fits: 2^53 sealed bytes in chunks of 64 MiB.
const HUGE: [Edit; 4] = [
    Set("/file_size", "9007195496644608"),
    Set("/chunk_size", "67108864"),
    Set("/total_chunks", "134217672"),
    Set("/last_chunk_size", "67108864"),
];

/// What was changed, how the reader ends, and what it says.
type Case = (Edit, i32, &'static str);

const BROKEN: &str = "broke the protocol: its answer does not have the members";
const CONTRADICTION: &str = "the manifest's numbers contradict each other";
const COUNTER: Edit = Set("/encryption/iv_strategy", "\"counter\"");

/// Each member, removed and changed.
const ALONE: &[Case] = &[
    (Remove("/sealed_metadata"), 7, "needs sealed_metadata"),
    (Flip("/sealed_metadata"), 7, "do not open"),
    (Set("/sealed_metadata", "\"AAAA\""), 7, "sealed_metadata has an impossible size"),
    (Set("/sealed_metadata", "null"), 7, "needs sealed_metadata"),
    (Set("/sealed_metadata", "\"=\""), 7, BROKEN),
    (Remove("/key_check"), 7, "needs key_check"),
    (Flip("/key_check"), 3, "is wrong"),
    (Set("/key_check", "\"AAAA\""), 7, "key_check must be 32 bytes"),
    (Set("/kdf", KDF), 7, "names a kdf that the link does not call for"),
    (Set("/kdf", "7"), 7, BROKEN),
    (Remove("/transfer_id"), 7, BROKEN),
    (Set("/transfer_id", OTHER_ID), 7, "about another transfer"),
    (Set("/transfer_id", "\"0f1e2d3c4b5a\""), 7, "about another transfer"),
    (Set("/transfer_id", "\"../../etc\""), 7, BROKEN),
    (Remove("/encryption"), 7, BROKEN),
    (Set("/encryption", "{}"), 7, BROKEN),
    (COUNTER, 7, "iv_strategy counter goes without"),
    (Remove("/encryption/iv_strategy"), 7, BROKEN),
    (Set("/encryption/iv_strategy", "\"random\""), 7, BROKEN),
    (Remove("/encryption/algorithm"), 7, BROKEN),
    (Set("/encryption/algorithm", "\"AES-128-GCM\""), 7, BROKEN),
    (Set("/encryption/algorithm", "\"none\""), 7, BROKEN),
    (Remove("/encryption/tag_length"), 7, BROKEN),
    (Set("/encryption/tag_length", "96"), 7, BROKEN),
    (Set("/encryption/tag_length", "0"), 7, BROKEN),
    (Remove("/encryption/aad_format"), 7, BROKEN),
    (Set("/encryption/aad_format", "\"none\""), 7, BROKEN),
    (Remove("/file_size"), 7, BROKEN),
    (Set("/file_size", "131078"), 7, "last_chunk_size contradicts"),
    (Set("/file_size", "65536"), 7, CONTRADICTION),
    (Set("/file_size", "0"), 7, CONTRADICTION),
    (Set("/file_size", "9007199254740991"), 7, CONTRADICTION),
    (Set("/file_size", "18446744073709551615"), 7, BROKEN),
    (Set("/file_size", "-1"), 7, BROKEN),
    (Set("/file_size", "131077.5"), 7, BROKEN),
    (Remove("/chunk_size"), 7, BROKEN),
    (Set("/chunk_size", "65537"), 7, "last_chunk_size contradicts"),
    (Set("/chunk_size", "0"), 7, "chunk_size must be from"),
    (Set("/chunk_size", "1"), 7, "chunk_size must be from"),
    (Set("/chunk_size", "67108864"), 7, CONTRADICTION),
    (Set("/chunk_size", "9007199254740991"), 7, "chunk_size must be from"),
    (Remove("/total_chunks"), 7, BROKEN),
    (Set("/total_chunks", "0"), 7, BROKEN),
    (Set("/total_chunks", "2"), 7, CONTRADICTION),
    (Set("/total_chunks", "4294967295"), 7, CONTRADICTION),
    (Set("/total_chunks", "4294967296"), 7, BROKEN),
    (Remove("/last_chunk_size"), 7, BROKEN),
    (Set("/last_chunk_size", "6"), 7, "last_chunk_size contradicts"),
    (Set("/last_chunk_size", "0"), 7, "last_chunk_size contradicts"),
    (Set("/last_chunk_size", "9007199254740991"), 7, "last_chunk_size contradicts"),
];

/// What belongs together: a stripped transfer that is of one kind again, numbers that agree with each other.
const TOGETHER: &[(&str, &[Edit], i32, &str)] = &[
    ("down to SEED", &[COUNTER, Remove("/sealed_metadata"), Remove("/key_check")], 7, "chunk 0 from the server"),
    ("no metadata under counter", &[COUNTER, Remove("/sealed_metadata")], 7, "goes without key_check"),
    ("no key check under counter", &[COUNTER, Remove("/key_check")], 7, "goes without sealed_metadata"),
    ("nothing sealed", &[Remove("/sealed_metadata"), Remove("/key_check")], 7, "needs key_check"),
    (
        "a kdf for SEED",
        &[COUNTER, Remove("/sealed_metadata"), Remove("/key_check"), Set("/kdf", KDF)],
        7,
        "without kdf",
    ),
    ("a byte less", &[Set("/file_size", "131076"), Set("/last_chunk_size", "4")], 7, "numbers are not the sender's"),
    (
        "a chunk less",
        &[Set("/file_size", "131072"), Set("/last_chunk_size", "65536"), Set("/total_chunks", "2")],
        7,
        "numbers are not the sender's",
    ),
    (
        "no content",
        &[Set("/file_size", "0"), Set("/last_chunk_size", "0"), Set("/total_chunks", "1")],
        7,
        "numbers are not the sender's",
    ),
    ("another cut", &[Set("/chunk_size", "65537"), Set("/last_chunk_size", "3")], 7, "numbers are not the sender's"),
    ("as much as fits", &HUGE, 7, "numbers are not the sender's"),
    (
        "as much as fits, as SEED",
        &[HUGE[0], HUGE[1], HUGE[2], HUGE[3], COUNTER, Remove("/sealed_metadata"), Remove("/key_check")],
        7,
        "chunk 0 has another length",
    ),
];

#[tokio::test]
async fn each_member_removed_or_changed_is_refused() {
    let liar = Liar::about(&[]).await;
    liar.tells(&liar.honest).await.is_the_file("nothing changed", &liar);
    for (edit, exit, says) in ALONE {
        let story = liar.honest.clone().with_manifest(&[*edit]);
        assert_ne!(story.manifest, liar.honest.manifest, "{edit:?} changes nothing");
        liar.tells(&story).await.is_refused(&format!("{edit:?}"), *exit, says);
    }
    for (case, edits, exit, says) in TOGETHER {
        let story = liar.honest.clone().with_manifest(edits);
        liar.tells(&story).await.is_refused(case, *exit, says);
    }
}

#[tokio::test]
async fn two_members_at_once_are_refused_under_either_strategy() {
    // What a server can take away or damage without breaking the document.
    let changes = [
        Remove("/sealed_metadata"),
        Flip("/sealed_metadata"),
        Remove("/key_check"),
        Flip("/key_check"),
        Set("/kdf", KDF),
        Set("/last_chunk_size", "6"),
        Set("/file_size", "131078"),
        Set("/total_chunks", "4"),
        Set("/chunk_size", "65537"),
    ];
    let liar = Liar::about(&[]).await;
    for (place, first) in changes.iter().enumerate() {
        for second in &changes[place + 1..] {
            for strategy in ["\"prefix-counter\"", "\"counter\""] {
                let edits = [*first, *second, Set("/encryption/iv_strategy", strategy)];
                let outcome = liar.tells(&liar.honest.clone().with_manifest(&edits)).await;
                let exit = outcome.exit.expect("an exit code");
                assert!([3, 7].contains(&exit), "{edits:?}: {outcome:?}");
                outcome.is_refused(&format!("{edits:?}"), exit, "haulier: ");
            }
        }
    }
}

#[tokio::test]
async fn a_manifest_of_another_transfer_is_refused_also_under_the_right_id() {
    let (liar, other) = (Liar::about(&[]).await, Liar::about(&[]).await);
    let theirs = Story { manifest: other.honest.manifest.clone(), ..liar.honest.clone() };
    liar.tells(&theirs).await.is_refused("as it is", 7, "about another transfer");
    let mut renamed = theirs.clone();
    renamed.manifest["transfer_id"] = liar.id.clone().into();
    liar.tells(&renamed).await.is_refused("renamed", 3, "is wrong");
    renamed.manifest["key_check"] = liar.honest.manifest["key_check"].clone();
    liar.tells(&renamed).await.is_refused("with our key check", 7, "do not open");
}
