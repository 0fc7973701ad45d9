//! The table of problem types.

use std::collections::HashSet;

use super::*;

#[test]
fn every_type_is_itself_again_after_its_uri() {
    for kind in ProblemType::ALL {
        let uri = kind.to_string();
        assert_eq!(uri, format!("urn:haulier:problem:{}", kind.name()));
        assert_eq!(uri.parse(), Ok(*kind));
        let json = serde_json::to_string(kind).unwrap();
        assert_eq!(json, format!("\"{uri}\""));
        assert_eq!(serde_json::from_str::<ProblemType>(&json).unwrap(), *kind);
    }
}

#[test]
fn names_and_titles_are_unique_and_statuses_are_errors() {
    let all = ProblemType::ALL;
    let names: HashSet<_> = all.iter().map(|kind| kind.name()).collect();
    let titles: HashSet<_> = all.iter().map(|kind| kind.title()).collect();
    assert_eq!((names.len(), titles.len()), (all.len(), all.len()));
    assert!(all.windows(2).all(|pair| pair[0].status() <= pair[1].status()), "ALL is in order of status");
    for kind in all {
        assert!((400..600).contains(&kind.status()), "{kind}");
        assert!(kind.name().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{kind}");
    }
}

#[test]
fn other_uris_are_no_type() {
    for uri in ["", "about:blank", "wrong-token", "urn:haulier:problem:", "urn:haulier:problem:wrong-Token"] {
        assert_eq!(uri.parse::<ProblemType>(), Err(UnknownProblemType), "{uri}");
    }
}

#[test]
fn a_document_reads_back_and_leaves_out_what_it_lacks() {
    let bare = Problem::new(ProblemType::WrongToken);
    assert_eq!(
        serde_json::to_string(&bare).unwrap(),
        r#"{"type":"urn:haulier:problem:wrong-token","title":"The token is not the right one","status":403}"#
    );
    let full = Problem {
        missing: Some(vec![[0, 1], [7, 7]]),
        more: Some(false),
        expected_bytes: Some(28),
        max_bytes: Some(28),
        instance: Some("urn:x".into()),
        ..Problem::new(ProblemType::ChunksMissing).with_detail("what to do")
    };
    for problem in [bare, full] {
        let json = serde_json::to_vec(&problem).unwrap();
        assert_eq!(serde_json::from_slice::<Problem>(&json).unwrap(), problem);
    }
}
