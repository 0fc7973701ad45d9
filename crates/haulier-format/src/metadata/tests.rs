//! Metadata has one spelling, and no number in it goes unchecked.

use super::*;

pub(crate) fn metadata() -> Metadata {
    let file = |path: &str, size, offset, mtime| FileEntry {
        path: path.into(),
        size,
        offset,
        content_type: "text/plain".into(),
        mtime,
    };
    Metadata {
        name: "two files".into(),
        content_type: DEFAULT_TYPE.into(),
        file_size: 100_000,
        chunk_size: 65_536,
        total_chunks: 2,
        iv_prefix: [0, 1, 2, 3, 4, 5, 6, 0xff],
        files: vec![file("a/é.txt", 99_999, 0, Some(-1)), file("b", 1, 99_999, None)],
        message: Some("line\none \"two\" \u{1}\u{7f}\u{2028}".into()),
    }
}

const TEXT: &str = concat!(
    r#"{"v":1,"name":"two files","type":"application/octet-stream","file_size":100000,"chunk_size":65536,"#,
    r#""total_chunks":2,"iv_prefix":"00010203040506ff","files":[{"path":"a/é.txt","size":99999,"offset":0,"#,
    r#""type":"text/plain","mtime":-1},{"path":"b","size":1,"offset":99999,"type":"text/plain"}],"#,
    r#""message":"line\none \"two\" \u0001"#,
    "\u{7f}\u{2028}\"}"
);

#[test]
fn the_text_is_exactly_this() {
    assert_eq!(String::from_utf8(metadata().encode().unwrap()).unwrap(), TEXT);
    assert_eq!(Metadata::decode(TEXT.as_bytes()).unwrap(), metadata());
}

/// Texts that must not decode, each one change away from [`TEXT`]; they stand in testvectors too.
pub(crate) fn refused_texts() -> Vec<String> {
    let swaps = [
        (r#"{"v":1,"#, r#"{"v":2,"#),
        (r#"{"v":1,"#, r#"{"v":"1","#),
        (r#"{"v":1,"#, "{"),
        (r#"{"v":1,"#, r#"{"v":1,"v":1,"#),
        (r#"{"v":1,"#, r#"{"v":1,"x":0,"#),
        (r#"{"v":1,"#, r#"{ "v":1,"#),
        (r#"100000,"#, "100000.0,"),
        (r#"100000,"#, "1e5,"),
        (r#"100000,"#, "0100000,"),
        (r#"100000,"#, "+100000,"),
        (r#""offset":0,"#, r#""offset":-0,"#),
        (r#""size":99999,"#, r#""size":18446744073709651615,"#),
        (r#""size":99999,"#, r#""size":99999,"size":99999,"#),
        (r#""size":99999,"#, r#""size":99999,"extra":null,"#),
        (r#""mtime":-1"#, r#""mtime":-1.0"#),
        (r#""mtime":-1"#, r#""mtime":null"#),
        (r#""mtime":-1"#, r#""mtime":9007199254740992"#),
        (r#""mtime":-1"#, r#""mtime":-9007199254740992"#),
        (r#""offset":99999,"type":"text/plain"}"#, r#""offset":99999}"#),
        (r#""offset":99999,"type":"text/plain"}"#, r#""type":"text/plain","offset":99999}"#),
        ("00010203040506ff", "00010203040506FF"),
        ("00010203040506ff", "00010203040506"),
        ("00010203040506ff", "0000000000000000"),
        ("é", "\\u00e9"),
        ("a/é", r"a\/é"),
        (r"\n", r"\u000a"),
        (r"\u0001", r"\u0001\ud800"),
        ("\u{2028}", "\\u2028"),
        (r#""message":"#, r#""Message":"#),
        ("\u{2028}\"}", "\u{2028}\"} "),
        ("\u{2028}\"}", "\u{2028}\"},{}"),
        (r#""name":"two files""#, r#""name":"two/files""#),
        (r#""name":"two files""#, r#""name":"..""#),
        (r#""name":"two files""#, r#""name":"""#),
        (r#""type":"application/octet-stream""#, r#""type":"""#),
        (r#""type":"application/octet-stream""#, r#""type":"é""#),
        (r#""path":"b""#, r#""path":"../b""#),
        (r#""path":"b""#, r#""path":"a""#),
    ];
    swaps.iter().map(|(from, to)| TEXT.replacen(from, to, 1)).collect()
}

#[test]
fn every_other_text_is_refused() {
    let texts = refused_texts();
    assert_eq!(texts.len(), 38);
    for text in texts {
        assert_ne!(text, TEXT);
        assert!(Metadata::decode(text.as_bytes()).is_err(), "{text}");
    }
    for cut in 0..TEXT.len() {
        assert!(Metadata::decode(&TEXT.as_bytes()[..cut]).is_err(), "{cut}");
    }
}

#[test]
fn absent_members_are_left_out_and_empty_ones_refused() {
    let mut metadata = metadata();
    metadata.message = None;
    let text = metadata.encode().unwrap();
    assert!(text.ends_with(br#""type":"text/plain"}]}"#));
    metadata.message = Some(String::new());
    assert_eq!(metadata.encode(), Err(Error::Metadata));
    metadata.message = Some("x".repeat(MAX_MESSAGE_BYTES));
    assert!(metadata.encode().is_ok());
    metadata.message = Some("x".repeat(MAX_MESSAGE_BYTES + 1));
    assert_eq!(metadata.encode(), Err(Error::Metadata));
}

#[test]
fn one_file_gives_its_path_as_the_name() {
    let mut metadata = metadata();
    metadata.files.truncate(1);
    metadata.files[0].size = 100_000;
    assert_eq!(metadata.validate(), Err(Error::Metadata));
    metadata.name = "a/é.txt".into();
    assert!(metadata.validate().is_ok());
}

#[test]
fn a_list_that_is_too_long_is_refused_before_it_is_sealed() {
    let mut metadata = metadata();
    let path = |n: u64| format!("{}{n}", "x".repeat(90));
    let entry = |n| FileEntry { path: path(n), size: 10, offset: n * 10, content_type: "a/b".into(), mtime: None };
    metadata.files = (0..10_000).map(entry).collect();
    assert_eq!(metadata.encode(), Err(Error::MetadataTooLarge));
}

#[test]
fn no_numeric_lie_passes() {
    let changes: [fn(&mut Metadata); 10] = [
        |m| m.file_size += 1,
        |m| m.file_size = 1 << 53,
        |m| m.chunk_size = 65_535,
        |m| m.chunk_size = (64 << 20) + 1,
        |m| m.chunk_size = 65_537 << 8,
        |m| m.total_chunks = 0,
        |m| m.total_chunks = 1,
        |m| m.total_chunks = 3,
        |m| m.files[0].size -= 1,
        |m| m.files[1].offset -= 1,
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut metadata = metadata();
        assert!(metadata.validate().is_ok());
        change(&mut metadata);
        assert!(metadata.encode().is_err(), "{number}");
    }
}

#[test]
fn chunks_that_cover_a_file() {
    let layout = metadata().validate().unwrap();
    let covered = |offset, size| {
        FileEntry { path: "x".into(), size, offset, content_type: "a".into(), mtime: None }.chunks(&layout)
    };
    assert_eq!(covered(0, 0), 0..0);
    assert_eq!(covered(0, 1), 0..1);
    assert_eq!(covered(0, 65_536), 0..1);
    assert_eq!(covered(0, 65_537), 0..2);
    assert_eq!(covered(65_535, 1), 0..1);
    assert_eq!(covered(65_536, 1), 1..2);
    assert_eq!(covered(99_999, 1), 1..2);
}

#[test]
fn debug_shows_no_names() {
    let metadata = metadata();
    let text = format!("{metadata:?} {:?}", metadata.files[0]);
    assert_eq!(text, "Metadata { files: 2, .. } FileEntry(..)");
}
