//! A kdf that was added, removed or changed, in info and in the manifest, against each link mode.

use super::story::Edit::{self, Flip, Remove, Set};
use super::{Liar, Story};

const KDF: &str = r#"{"name":"PBKDF2","hash":"SHA-256","iterations":600000,"salt":"AAAAAAAAAAAAAAAAAAAAAA"}"#;
const ADD: Edit = Set("/kdf", KDF);
const REMOVE: Edit = Remove("/kdf");

/// Info, manifest, how it ends, what it says.
type Case = (&'static str, &'static [Edit], &'static [Edit], i32, &'static str);

const DISAGREE: &str = "the server says that this transfer";
const BROKEN: &str = "broke the protocol";

const WITHOUT_PASSPHRASE: &[Case] = &[
    ("added to info", &[ADD], &[], 3, DISAGREE),
    ("added to the manifest", &[], &[ADD], 7, "names a kdf that the link does not call for"),
    ("added to both", &[ADD], &[ADD], 3, DISAGREE),
];

const WITH_PASSPHRASE: &[Case] = &[
    ("removed from info", &[REMOVE], &[], 3, DISAGREE),
    ("removed from the manifest", &[], &[REMOVE], 7, "left out the kdf"),
    ("removed from both", &[REMOVE], &[REMOVE], 3, DISAGREE),
    ("another salt in the manifest", &[], &[Flip("/kdf/salt")], 7, "two different kdfs"),
    ("another salt in info", &[Flip("/kdf/salt")], &[], 7, "two different kdfs"),
    ("another salt in both", &[Flip("/kdf/salt")], &[Flip("/kdf/salt")], 3, "is wrong"),
    ("a kdf for everyone", &[Set("/kdf", KDF)], &[Set("/kdf", KDF)], 3, "is wrong"),
];

/// Refused before a passphrase is even asked for, in info and in the manifest.
const WEAKER: &[(&str, Edit)] = &[
    ("one iteration", Set("/kdf/iterations", "1")),
    ("one iteration less", Set("/kdf/iterations", "599999")),
    ("for ever", Set("/kdf/iterations", "4294967295")),
    ("more than fits", Set("/kdf/iterations", "4294967896")),
    ("no iterations", Remove("/kdf/iterations")),
    ("another hash", Set("/kdf/hash", "\"SHA-1\"")),
    ("another function", Set("/kdf/name", "\"none\"")),
    ("no salt", Set("/kdf/salt", "\"\"")),
    ("a short salt", Set("/kdf/salt", "\"AAAAAAAAAAAAAAAAAAAA\"")),
    ("a long salt", Set("/kdf/salt", "\"AAAAAAAAAAAAAAAAAAAAAAAA\"")),
    ("one more member", Set("/kdf/pepper", "1")),
];

async fn all_are_refused(flags: &[&str], cases: &[Case]) -> Liar {
    let liar = Liar::about(flags).await;
    liar.tells(&liar.honest).await.is_the_file("nothing changed", &liar);
    for (case, info, manifest, exit, says) in cases {
        let story = liar.honest.clone().with_info(info).with_manifest(manifest);
        liar.tells(&story).await.is_refused(&format!("{case}, {flags:?}"), *exit, says);
    }
    liar
}

#[tokio::test]
async fn a_kdf_fits_the_link_alone() {
    let link = all_are_refused(&[], WITHOUT_PASSPHRASE).await;
    let both = all_are_refused(&["--passphrase"], WITH_PASSPHRASE).await;
    let alone = all_are_refused(&["--passphrase-only"], WITH_PASSPHRASE).await;
    // And what one kind of link gets in place of another, under its own id.
    for (case, liar, theirs, exit) in [
        ("a passphrase's for a link", &link, &both, 3),
        ("a link's for a passphrase", &both, &link, 3),
        ("a passphrase's alone for both", &both, &alone, 3),
        ("both for a passphrase", &alone, &both, 3),
    ] {
        let rename = |mut json: serde_json::Value| {
            json["transfer_id"] = liar.id.clone().into();
            json
        };
        let story = Story {
            info: rename(theirs.honest.info.clone()),
            manifest: rename(theirs.honest.manifest.clone()),
            chunks: theirs.honest.chunks.clone(),
        };
        liar.tells(&story).await.is_refused(case, exit, "haulier: ");
    }
}

#[tokio::test]
async fn a_weaker_kdf_is_refused_before_it_is_used() {
    let liar = Liar::about(&["--passphrase-only"]).await;
    for (case, edit) in WEAKER {
        let begun = std::time::Instant::now();
        liar.tells(&liar.honest.clone().with_info(&[*edit])).await.is_refused(case, 7, BROKEN);
        assert!(begun.elapsed().as_secs() < 10, "{case} stalls the reader");
    }
    liar.tells(&liar.honest.clone().with_manifest(&[WEAKER[0].1])).await.is_refused("in the manifest", 7, BROKEN);
}

#[tokio::test]
async fn a_transfer_without_passphrase_is_not_taken_for_one_with() {
    // A SEED transfer has no passphrase: a link that calls for one refuses it before a chunk is asked for.
    let liar = Liar::about(&["--passphrase"]).await;
    let strip = [Set("/encryption/iv_strategy", "\"counter\""), Remove("/sealed_metadata"), Remove("/key_check")];
    let strip = [&strip[..], &[REMOVE]].concat();
    let outcome = liar.tells(&liar.honest.clone().with_manifest(&strip)).await;
    outcome.is_refused("SEED in the manifest", 7, "of a kind without one");
    let story = liar.honest.clone().with_manifest(&strip).with_info(&[REMOVE, Set("/format", "\"seed\"")]);
    liar.tells(&story).await.is_refused("SEED everywhere", 3, DISAGREE);
}
