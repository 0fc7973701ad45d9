//! meta.json is read exactly as it is written, or not at all.

use haulier_wire::ChunkLayout;

use super::*;
use crate::metadata::{Payload, PayloadUpload};
use crate::store::UploadId;

fn id() -> TransferId {
    TransferId::from_random_bytes([1; 16])
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
}

fn full() -> Transfer {
    let layout = ChunkLayout::new(ByteLen::new(70_000).expect("in range"), 65_536).expect("a layout");
    Transfer {
        id: id(),
        kind: TransferKind::Full,
        state: StoredState::Completed,
        create_digest: [3; 32],
        shape: Shape::Chunks(layout),
        stored_chunks: layout.total_chunks(),
        stored_bytes: layout.sealed_size(),
        key_check: Some(vec![4; 32]),
        kdf_salt: Some([5; 16]),
        owner_token_hash: Some(TokenHash::from_digest(&[6; 32])),
        download_token_hash: Some(TokenHash::from_digest(&[7; 32])),
        max_downloads: 5,
        download_count: 3,
        held: 3,
        abandoned_bytes: 0,
        created_at: at(0),
        upload_expires_at: at(10),
        expiry: Expiry::At(at(20)),
        completed_at: Some(at(10)),
        is_swept: false,
    }
}

fn seed() -> Transfer {
    Transfer {
        kind: TransferKind::Seed,
        key_check: None,
        kdf_salt: None,
        owner_token_hash: None,
        download_token_hash: None,
        ..full()
    }
}

fn text(transfer: &Transfer, sealed: Option<Vec<u8>>) -> String {
    serde_json::to_string(&Saved::new(transfer, sealed)).expect("JSON")
}

#[test]
fn what_is_written_reads_back_with_its_counter() {
    for (transfer, sealed) in [(full(), Some(vec![9; 40])), (seed(), None)] {
        let saved = Saved::parse(text(&transfer, sealed.clone()).as_bytes(), id()).expect("read");
        assert_eq!(format!("{:?}", saved.transfer().expect("a row")), format!("{transfer:?}"));
        assert_eq!(saved.sealed_metadata(), sealed);
        assert!(saved.says_what(&transfer, sealed.clone(), transfer.download_count));
        assert!(!saved.says_what(&transfer, sealed.clone(), transfer.download_count + 1));
        assert!(saved.says_what(&Transfer { download_count: 99, ..transfer.clone() }, sealed.clone(), 0));
        assert!(!saved.says_what(&Transfer { expiry: Expiry::At(at(21)), ..transfer.clone() }, sealed, 0));
        assert!(!saved.says_what(&transfer, Some(vec![8; 40]), 0));
    }
}

#[test]
fn whatever_else_it_holds_it_is_not_believed() {
    let sound = text(&full(), Some(vec![9; 40]));
    let other = TransferId::from_random_bytes([2; 16]);
    assert_eq!(Saved::parse(sound.as_bytes(), other).expect_err("moved"), Unreadable::OtherId);
    let without = |member: &str| {
        let start = sound.find(&format!(",\"{member}\":")).expect("a member");
        let end = sound[start + 1..].find(",\"").map_or(sound.len() - 1, |end| start + 1 + end);
        format!("{}{}", &sound[..start], &sound[end..])
    };
    for wrong in [
        String::new(),
        "{}".to_owned(),
        "null".to_owned(),
        sound[..sound.len() - 1].to_owned(),
        format!("{sound}\n"),
        format!(" {sound}"),
        sound.replace("\"v\":1", "\"v\":1,\"more\":1"),
        sound.replace("\"v\":1", "\"v\":1,\"v\":1"),
        sound.replace("\"v\":1", "\"v\":\"1\""),
        sound.replace(&"03".repeat(32), &"03".repeat(31)),
        sound.replace(&"03".repeat(32), &"xx".repeat(32)),
        sound.replace("\"completed_at\":\"2", "\"completed_at\":null,\"x\":\"2"),
        without("download_token_hash"),
        without("owner_token_hash"),
        without("expires_at"),
        without("max_downloads"),
    ] {
        assert_eq!(Saved::parse(wrong.as_bytes(), id()).expect_err("refused"), Unreadable::Shape, "{wrong}");
    }
    for (version, why) in [
        ("\"v\":0", Unreadable::Shape),
        ("\"v\":2", Unreadable::Shape),
        ("\"v\":3", Unreadable::Newer),
        ("\"v\":3,\"more\":1", Unreadable::Newer),
    ] {
        let other = sound.replace("\"v\":1", version);
        assert_eq!(Saved::parse(other.as_bytes(), id()).expect_err("refused"), why);
    }
}

#[test]
fn what_create_would_refuse_is_refused() {
    let full_without: [fn(&mut Transfer); 4] = [
        |transfer| transfer.key_check = None,
        |transfer| transfer.key_check = Some(vec![4; 31]),
        |transfer| transfer.owner_token_hash = None,
        |transfer| transfer.download_token_hash = None,
    ];
    for change in full_without {
        let mut transfer = full();
        change(&mut transfer);
        let error = Saved::parse(text(&transfer, Some(vec![9; 40])).as_bytes(), id()).expect_err("refused");
        assert!(matches!(error, Unreadable::Contradiction(_)), "{error:?}");
    }
    for (transfer, sealed) in [(full(), None), (full(), Some(vec![9; 27])), (seed(), Some(vec![9; 40]))] {
        let error = Saved::parse(text(&transfer, sealed).as_bytes(), id()).expect_err("refused");
        assert!(matches!(error, Unreadable::Contradiction(_)), "{error:?}");
    }
    let wrong = text(&full(), Some(vec![9; 40])).replace("\"total_chunks\":2", "\"total_chunks\":3");
    assert!(matches!(Saved::parse(wrong.as_bytes(), id()), Err(Unreadable::Contradiction(_))));
    let open = Transfer { completed_at: None, ..full() };
    let open = text(&open, Some(vec![9; 40]));
    assert_eq!(Saved::parse(open.as_bytes(), id()).expect_err("never completed"), Unreadable::Shape);
}

fn payload() -> Transfer {
    let upload = PayloadUpload { id: UploadId::from_random_bytes([8; 8]), len: 77, blake3: [9; 32] };
    let shape = Payload { file_size: 49, content_type_hint: "a \"b\"".into(), auto_delete: true, upload: Some(upload) };
    Transfer {
        id: "a1b2c3d4e5f6".parse().expect("an id"),
        kind: TransferKind::Payload,
        shape: Shape::Payload(shape),
        stored_chunks: 0,
        stored_bytes: 77,
        ..seed()
    }
}

#[test]
fn a_payload_reads_back_and_nothing_else_passes_for_one() {
    let (row, sound) = (payload(), text(&payload(), None));
    let saved = Saved::parse(sound.as_bytes(), row.id).expect("read");
    assert_eq!(format!("{:?}", saved.transfer().expect("a row")), format!("{row:?}"));
    assert!(saved.says_what(&row, None, 0));
    for (part, other) in [
        ("\"v\":2", "\"v\":1"),
        ("\"total_chunks\":0", "\"total_chunks\":1"),
        ("\"upload\":\"0808080808080808\"", "\"upload\":\"08\""),
        ("\"len\":77", "\"len\":9007199254740992"),
        ("\"auto_delete\":true", "\"auto_delete\":null"),
        ("\"kind\":\"payload\"", "\"kind\":\"seed\""),
    ] {
        assert!(sound.contains(part), "{part} in {sound}");
        assert_eq!(Saved::parse(sound.replace(part, other).as_bytes(), row.id).expect_err(other), Unreadable::Shape);
    }
    let never = Payload { upload: None, ..row.shape.payload().expect("one").clone() };
    let never = Transfer { shape: Shape::Payload(never), ..row.clone() };
    assert_eq!(Saved::parse(text(&never, None).as_bytes(), row.id).expect_err("nothing there"), Unreadable::Shape);
}
