//! What decodes encodes to the same text again; what is made clean is clean; nothing panics.

use haulier_format::{
    Error, FileEntry, Link, LinkTarget, Metadata, Passphrase, check_files, check_path, sanitize_path, target_paths,
};
use proptest::prelude::*;

fn describe(name: &str, sizes: &[u64], texts: &[String], mtime: Option<i64>) -> Metadata {
    let mut offset = 0;
    let entry = |(n, &size): (usize, &u64)| {
        let start = offset;
        offset += size;
        let path = if sizes.len() == 1 { name.to_owned() } else { format!("{n}/{name}") };
        FileEntry { path, size, offset: start, content_type: "a/b".into(), mtime }
    };
    let files: Vec<FileEntry> = sizes.iter().enumerate().map(entry).collect();
    let file_size: u64 = sizes.iter().sum();
    Metadata {
        name: name.into(),
        content_type: "c/d".into(),
        file_size,
        chunk_size: 65_536,
        total_chunks: u32::try_from(file_size.div_ceil(65_536).max(1)).unwrap(),
        iv_prefix: [1; 8],
        files,
        message: texts.first().cloned().filter(|text| !text.is_empty()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn metadata_decodes_to_what_was_encoded(
        name in any::<String>(),
        sizes in proptest::collection::vec(0_u64..1 << 30, 1..5),
        texts in proptest::collection::vec(any::<String>(), 0..2),
        mtime in proptest::option::of(-9_007_199_254_740_991_i64..9_007_199_254_740_992),
    ) {
        let (name, _) = sanitize_path(&name.replace('/', "_"));
        let metadata = describe(&name, &sizes, &texts, mtime);
        let text = metadata.encode().unwrap();
        prop_assert_eq!(Metadata::decode(&text).unwrap(), metadata);
    }

    #[test]
    fn metadata_has_one_text(place: usize, byte: u8, insert: bool, sizes in proptest::collection::vec(0_u64..1 << 30, 1..3)) {
        let mut text = describe("é\n\"x".replace('\n', "_").as_str(), &sizes, &["a\"\n".into()], Some(-5)).encode().unwrap();
        let place = place % text.len();
        if insert {
            text.insert(place, byte);
        } else {
            text[place] = byte;
        }
        if let Ok(metadata) = Metadata::decode(&text) {
            prop_assert_eq!(metadata.encode().unwrap(), text);
        }
    }

    #[test]
    fn any_bytes_decode_without_panic(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Metadata::decode(&text).is_err());
    }

    #[test]
    fn clean_paths_are_clean(path in "[\\PC\u{0}-\u{20}/.: CONcon1¹\u{200e}é]{0,40}|.{0,400}") {
        let (clean, changed) = sanitize_path(&path);
        prop_assert_eq!(check_path(&clean), Ok(()));
        prop_assert_eq!(changed, clean != path);
        prop_assert_eq!(changed, check_path(&path).is_err());
        prop_assert_eq!(sanitize_path(&clean), (clean, false));
    }

    #[test]
    fn targets_never_meet(paths in proptest::collection::vec("[aAbB](/[aAéÉ])?( \\([2-4]\\))?", 1..12)) {
        let entry = |path: &String| {
            FileEntry { path: path.clone(), size: 0, offset: 0, content_type: "a/b".into(), mtime: None }
        };
        let files: Vec<FileEntry> = paths.iter().map(entry).collect();
        if check_files(&files, 0).is_ok() {
            let targets = target_paths(&files);
            let lower: Vec<FileEntry> = targets.iter().map(|path| entry(&path.to_lowercase())).collect();
            // Lower case throughout: two targets that differ by case alone would now be one path twice.
            prop_assert_eq!(check_files(&lower, 0), Ok(()));
        }
    }

    #[test]
    fn any_text_parses_without_panic(text in "(https?://[a-z.]{1,8}/?)?\\PC{0,80}") {
        if let Ok(LinkTarget::Transfer(link)) = LinkTarget::parse(&text) {
            let again = Link::parse(&link.format()).unwrap();
            prop_assert_eq!(again.format(), link.format());
        }
    }

    #[test]
    fn links_have_one_text(id in "[0-9a-f]{32}", key in "[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]", words: bool) {
        let text = format!("https://files.example/#{id}/{key}{}", if words { "/p" } else { "" });
        prop_assert_eq!(Link::parse(&text).unwrap().format(), text.as_str());
        // A link that lost its end is either refused or, cut right behind the id, asks for a passphrase.
        for cut in 0..text.len() {
            match Link::parse(&text[..cut]) {
                Ok(link) => prop_assert!(link.mode.key().is_none() || (words && cut == text.len() - 2)),
                Err(error) => prop_assert!(matches!(error, Error::Base | Error::Link | Error::LinkKey | Error::LinkKeyMissing)),
            }
        }
    }

    #[test]
    fn passphrases_of_any_text_do_not_panic(text in any::<String>()) {
        let refused = text.is_empty() || text.chars().any(char::is_control);
        prop_assert_eq!(Passphrase::new(&text).is_err(), refused);
    }
}
