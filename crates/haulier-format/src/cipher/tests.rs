//! Both ciphers give the same bytes.

#[cfg(feature = "aws-lc-rs")]
use super::aws_lc::Cipher as AwsLc;
use super::rust_crypto::Cipher as RustCrypto;
use super::*;

fn body(len: usize) -> Vec<u8> {
    (0..len).map(|n| u8::try_from(n % 251).unwrap()).collect()
}

fn round_trip<A: Aead, B: Aead>() {
    let key = [7; 32];
    let iv = [9; IV_LEN];
    for len in [0, 1, 15, 16, 17, 1000, 65_537] {
        for aad in [&b""[..], b"x", &[0x5a; 63]] {
            let mut sealed = body(len);
            let tag = A::new(&key).seal(&iv, aad, &mut sealed).unwrap();
            let mut again = body(len);
            assert_eq!(B::new(&key).seal(&iv, aad, &mut again).unwrap(), tag, "{len}");
            assert_eq!(again, sealed);
            B::new(&key).open(&iv, aad, &mut sealed, &tag).unwrap();
            assert_eq!(sealed, body(len));
        }
    }
}

fn refuses_everything_changed<A: Aead>() {
    let (key, iv, aad) = ([7; 32], [9; IV_LEN], b"aad");
    let mut sealed = body(40);
    let tag = A::new(&key).seal(&iv, aad, &mut sealed).unwrap();
    let refused = |key, iv: [u8; IV_LEN], aad: &[u8], change: usize, tag| {
        let mut sealed = sealed.clone();
        sealed[change % 40] ^= u8::from(change < 40);
        A::new(key).open(&iv, aad, &mut sealed, tag) == Err(Refused)
    };
    assert!(!refused(&key, iv, aad, 40, &tag));
    assert!(refused(&[8; 32], iv, aad, 40, &tag));
    assert!(refused(&key, [8; IV_LEN], aad, 40, &tag));
    assert!(refused(&key, iv, b"aae", 40, &tag));
    assert!(refused(&key, iv, aad, 39, &tag));
    assert!(refused(&key, iv, aad, 40, &[0; TAG_LEN]));
}

#[test]
fn the_default_backend_is_sound() {
    round_trip::<RustCrypto, RustCrypto>();
    refuses_everything_changed::<RustCrypto>();
}

#[cfg(feature = "aws-lc-rs")]
#[test]
fn both_backends_give_the_same_bytes() {
    round_trip::<AwsLc, RustCrypto>();
    round_trip::<RustCrypto, AwsLc>();
    refuses_everything_changed::<AwsLc>();
}

/// Test case 16 of the GCM submission (McGrew and Viega), AES-256 with AAD.
#[test]
fn agrees_with_the_published_vector() {
    let hex = |text: &str| haulier_wire::encoding::from_hex(text).unwrap();
    let key = hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
    let mut body = hex(concat!(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72",
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    ));
    let cipher = Cipher::new(&key.try_into().unwrap());
    let iv = hex("cafebabefacedbaddecaf888").try_into().unwrap();
    let tag = cipher.seal(&iv, &hex("feedfacedeadbeeffeedfacedeadbeefabaddad2"), &mut body).unwrap();
    assert_eq!(tag.to_vec(), hex("76fc6ece0f4e1768cddf8853bb2d551b"));
    assert_eq!(body[..16], hex("522dc1f099567d07f47f37a32a84427d"));
}
