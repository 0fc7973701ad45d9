//! Each shape of envelope, and everything that is none.

use super::*;

fn envelope(name: Option<&str>, content_start: usize) -> Envelope {
    Envelope { file_name: name.map(str::to_owned), content_start }
}

fn bytes(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// "SGMETA", perhaps a zero, a length, what is said to be that long, and content.
fn with(zero: &[u8], len: usize, json: &[u8]) -> Vec<u8> {
    let len = u32::try_from(len).unwrap().to_be_bytes();
    bytes(&[MAGIC, zero, &len, json, b"content"])
}

#[test]
fn each_shape_is_read_and_b_is_written() {
    let json = br#"{"filename":"a.txt"}"#;
    assert_eq!(read_envelope(&with(&[], json.len(), json)), envelope(Some("a.txt"), 30), "B");
    assert_eq!(read_envelope(&with(&[0], json.len(), json)), envelope(Some("a.txt"), 31), "A");
    assert_eq!(read_envelope(&bytes(&[MAGIC, &[0], json, b"content"])), envelope(Some("a.txt"), 27), "C");
    assert_eq!(write_envelope("a.txt").unwrap(), with(&[], json.len(), json)[..30]);
    // Nothing after it: an empty file.
    assert_eq!(read_envelope(&write_envelope("a.txt").unwrap()), envelope(Some("a.txt"), 30));
}

#[test]
fn what_is_written_is_read_whatever_the_name() {
    for name in ["", "a", "hé llo \"q\".txt", "\\ \u{1} \u{2028} \u{1f600}", "../../etc/passwd", &"x".repeat(60_000)] {
        let written = write_envelope(name).unwrap();
        assert!(written.len() <= MAX_ENVELOPE_BYTES);
        assert_eq!(read_envelope(&bytes(&[&written, b"{}"])), envelope(Some(name), written.len()));
    }
    assert_eq!(write_envelope(&"x".repeat(MAX_JSON_BYTES)), Err(Error::Path));
    let longest = "x".repeat(MAX_JSON_BYTES - br#"{"filename":""}"#.len());
    let written = write_envelope(&longest).unwrap();
    assert_eq!(read_envelope(&written), envelope(Some(&longest), written.len()));
    assert_eq!(write_envelope(&(longest + "x")), Err(Error::Path));
}

#[test]
fn an_envelope_without_a_text_for_a_name_is_one_all_the_same() {
    for json in [r"{}", r#"{"filename":null}"#, r#"{"filename":5}"#, r#"{"name":"b"}"#, r#"{"filename":{"a":[1]}}"#] {
        assert_eq!(read_envelope(&with(&[], json.len(), json.as_bytes())), envelope(None, 10 + json.len()), "{json}");
    }
    // As the legacy reader has it: the last one counts, and other members do not.
    let json = r#"{"filename":"a","size":7,"filename":"b"}"#;
    assert_eq!(read_envelope(&with(&[], json.len(), json.as_bytes())), envelope(Some("b"), 10 + json.len()));
}

#[test]
fn whatever_is_no_envelope_is_content() {
    let json = br#"{"filename":"a.txt"}"#;
    let long = bytes(&[b"{\"filename\":\"", &vec![b'x'; MAX_JSON_BYTES], b"\"}"]);
    let deep = bytes(&[b"{\"a\":", &vec![b'['; 1000]]);
    for content in [
        Vec::new(),
        b"SGMET".to_vec(),
        MAGIC.to_vec(),
        bytes(&[MAGIC, &[0]]),
        bytes(&[b"sgmeta", &with(&[], json.len(), json)[6..]]),
        bytes(&[b" ", &with(&[], json.len(), json)]),
        with(&[], 0, b""),
        with(&[], json.len() - 1, json),
        with(&[], json.len() + 100, json),
        with(&[], json.len() + 1, &bytes(&[b" ", json])),
        with(&[], 2, b"[]"),
        with(&[], 4, b"{a}}"),
        with(&[], 4, b"{\"\xff\"}"),
        with(&[], long.len(), &long),
        with(&[0], long.len(), &long),
        bytes(&[MAGIC, &[0], &long]),
        with(&[], deep.len(), &deep),
        bytes(&[MAGIC, &[0], &deep]),
        bytes(&[MAGIC, &[0], b" ", json]),
        bytes(&[MAGIC, &[0], b"\"filename\""]),
        bytes(&[MAGIC, &[0], b"{\"filename\":\"a"]),
        bytes(&[MAGIC, &[0xff; 4], json]),
    ] {
        assert_eq!(read_envelope(&content), Envelope::default(), "{:?}", content.escape_ascii().to_string());
    }
}
