//! Each error and each bare status gets its problem document.

use actix_web::body::to_bytes;
use haulier_wire::api::CreateError;
use haulier_wire::kind::MixedKind;

use super::*;

#[actix_web::test]
async fn every_type_renders_with_its_status_and_reads_back() {
    for kind in ProblemType::ALL {
        let problem = Problem::new(*kind).with_detail("what to do");
        let response = render(&problem);
        assert_eq!(response.status().as_u16(), kind.status());
        let header = |name| response.headers().get(name).map(|value| value.to_str().expect("ASCII").to_owned());
        assert_eq!(header("content-type").as_deref(), Some(PROBLEM_JSON));
        assert_eq!(header("cache-control").as_deref(), Some("no-store"));
        assert_eq!(header("www-authenticate").is_some(), kind.status() == 401, "{kind}");
        let passes = matches!(kind.status(), 503 | 507) || *kind == ProblemType::PlacesTaken;
        // How long is said by the problem itself where that is not always the same.
        let is_told = matches!(kind.status(), 429) && header("retry-after").is_some();
        assert_eq!(header("retry-after").is_some(), passes || is_told, "{kind}");
        let body = to_bytes(response.into_body()).await.unwrap_or_default();
        assert_eq!(serde_json::from_slice::<Problem>(&body).expect("a problem"), problem);
    }
}

#[test]
fn a_bare_status_gets_a_type_of_its_own_status_or_class() {
    for code in 400..600 {
        let kind = type_of_status(StatusCode::from_u16(code).expect("a status"));
        let is_known = ProblemType::ALL.iter().any(|kind| kind.status() == code);
        assert_eq!(kind.status() == code, is_known, "{code}");
        assert_eq!(kind.status() / 100, code / 100, "{code}");
    }
    for (code, kind) in [
        (400, ProblemType::InvalidRequest),
        (404, ProblemType::RouteNotFound),
        (418, ProblemType::InvalidRequest),
        (500, ProblemType::Internal),
        (599, ProblemType::Internal),
    ] {
        assert_eq!(type_of_status(StatusCode::from_u16(code).expect("a status")), kind, "{code}");
    }
}

#[test]
fn domain_errors_have_the_status_that_the_protocol_names() {
    let unavailable = StoreError::unavailable(anyhow::anyhow!("the secret reason"));
    let internal = StoreError::internal(anyhow::anyhow!("the secret reason"));
    for (error, kind) in [
        (TransferError::NotFound, ProblemType::TransferNotFound),
        (TransferError::Pending, ProblemType::TransferPending),
        (TransferError::Deleted, ProblemType::TransferDeleted),
        (TransferError::Expired, ProblemType::TransferExpired),
        (TransferError::MissingToken, ProblemType::MissingToken),
        (TransferError::WrongToken, ProblemType::WrongToken),
        (TransferError::Contradiction(CreateError::TwoExpiries), ProblemType::InvalidNumbers),
        (TransferError::Contradiction(CreateError::KeyCheckSize), ProblemType::InvalidBody),
        (TransferError::Contradiction(MixedKind::KdfSurplus.into()), ProblemType::MixedKind),
        (TransferError::Exists, ProblemType::TransferExists),
        (TransferError::DigestMismatch, ProblemType::DigestMismatch),
        (TransferError::Body(BodyError::Timeout), ProblemType::RequestTimeout),
        (TransferError::Body(BodyError::Incomplete), ProblemType::BodyIncomplete),
        (TransferError::ChunkConflict, ProblemType::ChunkConflict),
        (TransferError::Store(StoreError::Full), ProblemType::InsufficientStorage),
        (TransferError::Store(unavailable), ProblemType::StoreUnavailable),
        (TransferError::Store(internal), ProblemType::Internal),
    ] {
        let problem = problem_of(&error);
        assert_eq!(problem.kind, kind, "{error}");
        let says_what_to_do = problem.detail.is_some();
        assert_eq!(says_what_to_do, !matches!(kind.status(), 500 | 503), "{error}");
        assert!(!problem.detail.unwrap_or_default().contains("secret"));
    }
}

#[test]
fn a_length_that_is_too_short_is_400_and_one_that_is_too_long_413() {
    let short = problem_of(&TransferError::WrongChunkLength { expected: 100, announced: 99 });
    let long = problem_of(&TransferError::WrongChunkLength { expected: 100, announced: 101 });
    assert_eq!((short.kind, short.expected_bytes), (ProblemType::WrongChunkLength, Some(100)));
    assert_eq!((long.kind, long.max_bytes), (ProblemType::BodyTooLarge, Some(100)));
}
