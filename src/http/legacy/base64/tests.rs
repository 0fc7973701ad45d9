//! Whatever pieces a payload comes in, the JSON is the same.

use actix_web::body::to_bytes;
use serde_json::json;

use super::*;

#[actix_web::test]
async fn pieces_of_any_length_become_one_text() {
    let id: TransferId = "a1b2c3d4e5f6".parse().expect("an id");
    for len in [0, 1, 2, 3, 4, 5, 6, 1_000] {
        let payload: Vec<u8> = (0..len).map(|number: u32| number.to_le_bytes()[0]).collect();
        for piece in [1, 2, 3, 4, 7, 1_000] {
            let pieces: Vec<_> = payload.chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
            let frame = Frame::new(id, 9, u64::from(len));
            let announced = frame.len;
            let body = to_bytes(frame.body(stream::iter(pieces).boxed())).await.unwrap_or_default();
            assert_eq!(body.len() as u64, announced, "{len} bytes in pieces of {piece}");
            let found: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
            let expected = json!({"transfer_id": id, "data": to_base64(&payload), "file_size_bytes": 9});
            assert_eq!(found, expected, "{len} bytes in pieces of {piece}");
        }
    }
}

#[actix_web::test]
async fn a_payload_that_breaks_breaks_the_text() {
    let broken = stream::iter([Ok(Bytes::from_static(b"abcd")), Err(std::io::Error::other("gone"))]);
    let frame = Frame::new("a1b2c3d4e5f6".parse().expect("an id"), 9, 8);
    assert!(to_bytes(frame.body(broken.boxed())).await.is_err());
}
