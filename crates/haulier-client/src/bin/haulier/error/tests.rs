//! Every error has its exit code, and no message holds a secret.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use haulier_client::error::{AddressError, LimitError};

use super::*;

fn every_kind() -> Vec<(Error, u8)> {
    let path = PathBuf::from("a");
    let source = || Arc::new(io::Error::from(io::ErrorKind::PermissionDenied));
    let input = |what| Error::Input { path: PathBuf::from("a"), what, others: 0 };
    vec![
        (Error::Address(AddressError::PlainHttp), 2),
        (Error::Link("x".into()), 3),
        (Error::ModeMismatch { mode: haulier_client::KeyMode::Link }, 3),
        (Error::Passphrase("x".into()), 3),
        (Error::Cancelled, 130),
        (Error::WrongKey { has_passphrase: true }, 3),
        (Error::WrongKey { has_passphrase: false }, 3),
        (Error::AccessToken { given: true }, 3),
        (Error::AccessToken { given: false }, 3),
        (Error::NotFound, 4),
        (Error::Deleted, 4),
        (Error::Expired, 4),
        (Error::Exhausted, 4),
        (Error::PlacesTaken, 6),
        (Error::LeaseUsedUp, 6),
        (Error::Pending, 5),
        (Error::Unavailable { server: "s".into(), reason: "r".into() }, 6),
        (Error::Busy { server: "s".into(), reason: "r".into() }, 6),
        (Error::Redirected { status: 307 }, 6),
        (Error::ProxyLimit { sealed_bytes: 1 }, 6),
        (Error::NotHaulier { server: "s".into(), what: "a web page came".into() }, 6),
        (Error::Protocol { what: "x".into() }, 7),
        (Error::Refused { what: "x".into() }, 1),
        (Error::Internal("x"), 1),
        (Error::Limit(LimitError::FileTooLarge { file_bytes: 2, max_bytes: 1 }), 9),
        (Error::Integrity(IntegrityError::OtherTransfer), 7),
        (Error::Integrity(IntegrityError::Manifest("x".into())), 7),
        (Error::Integrity(IntegrityError::Chunk { index: 0 }), 7),
        (Error::Integrity(IntegrityError::Arrival { index: 0 }), 7),
        (Error::Integrity(IntegrityError::LostChunks), 7),
        (Error::ChunkConflict { index: 0 }, 7),
        (input(InputProblem::Unreadable(source())), 9),
        (input(InputProblem::Link), 9),
        (input(InputProblem::Sizeless), 9),
        (input(InputProblem::NamesCollide), 9),
        (input(InputProblem::NotAFile), 9),
        (input(InputProblem::Changed), 9),
        (input(InputProblem::Name("x".into())), 9),
        (Error::TargetExists { path: path.clone() }, 8),
        (Error::TargetInUse { path: path.clone() }, 8),
        (Error::NoSuchPath { path: "p".into() }, 2),
        (Error::SeveralFiles { count: 2 }, 2),
        (Error::Output { source: source() }, 8),
        (Error::TargetUnwritable { path: path.clone(), source: source() }, 8),
        (Error::NoRoom { path: path.clone(), needed_bytes: 2, free_bytes: 1 }, 8),
        (Error::State { path, source: source() }, 1),
    ]
}

#[test]
fn every_error_has_its_exit_code_and_fits_two_lines() {
    for (error, expected) in every_kind() {
        let failure = Failure::from(error);
        assert_eq!(failure.exit.number(), expected, "{failure:?}");
        assert!(!failure.message.contains('\n'), "{failure:?}");
        assert!(!failure.advice.unwrap_or_default().contains('\n'));
    }
}

#[test]
fn the_receivers_two_commonest_questions_are_answered() {
    assert_eq!(Failure::from(Error::Pending).message, "Sender is still uploading");
    assert_eq!(Failure::from(Error::WrongKey { has_passphrase: false }).message, "the key in the link is wrong");
}

#[test]
fn what_the_command_line_has_wrong_becomes_one_message_and_its_advice() {
    let text = "error: no '--foo'\n\n  tip: use '-- --foo'\n\nUsage: haulier send\n\nFor more, try '--help'.\n";
    let failure = parted(text);
    assert_eq!(failure.message, "no '--foo'");
    assert_eq!(failure.advice.as_deref(), Some("tip: use '-- --foo'. Usage: haulier send. For more, try '--help'."));
    assert_eq!(parted("error: alone").advice, None);
}

#[test]
fn a_link_in_the_wrong_place_is_not_repeated_with_its_key() {
    let text = "error: unexpected argument 'https://h/#ID/KEY' found\n\nUsage: haulier get";
    assert_eq!(without_keys(text), "error: unexpected argument 'https://h/#…' found\n\nUsage: haulier get");
}
