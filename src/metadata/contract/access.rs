//! Access tokens and quotas: what create takes, what is given back and when, and what is refused.

use std::future::Future;

use haulier_wire::TokenHash;

use super::{ASKED, at, completed, create, id, new_transfer, store_chunk, transfer};
use crate::metadata::{AccessToken, Charge, Created, MetadataStore, NewTransfer, Quotas, Refusal, Revoked, Usage};

pub(super) async fn run<S, F, Fut>(open: &F)
where
    S: MetadataStore,
    F: Fn() -> Fut,
    Fut: Future<Output = S>,
{
    tokens_are_added_listed_and_revoked(&open().await).await;
    a_share_is_taken_and_given_back_once(&open().await).await;
    an_upload_is_open_until_it_ends(&open().await).await;
    each_reason_has_its_name(&open().await).await;
    what_is_refused_leaves_nothing(&open().await).await;
    a_taken_id_takes_nothing_more(&open().await).await;
    nothing_overflows_without_a_limit(&open().await).await;
    uses_are_taken_one_by_one(&open().await).await;
    racing_creates_take_what_there_is(&open().await).await;
    what_is_restored_counts(&open().await).await;
    a_payload_counts_for_what_it_is(&open().await).await;
}

fn hash(number: u8) -> TokenHash {
    TokenHash::from_digest(&[number; 32])
}

/// Named `token-NUMBER`, without a limit.
fn token(number: u8) -> AccessToken {
    AccessToken {
        name: format!("token-{number}"),
        hash: hash(number),
        created_at: at(0),
        expires_at: None,
        revoked_at: None,
        max_uses: None,
        uses: 0,
        max_bytes: None,
        counted_bytes: 0,
        open_uploads: 0,
    }
}

async fn add(store: &dyn MetadataStore, token: &AccessToken) {
    assert!(store.add_access_token(token).await.expect("added"));
}

async fn found(store: &dyn MetadataStore, number: u8) -> AccessToken {
    store.access_token(&hash(number)).await.expect("read").expect("there")
}

/// Bytes, and open uploads, of a token.
async fn counted(store: &dyn MetadataStore, number: u8) -> (u64, u64) {
    let token = found(store, number).await;
    (token.counted_bytes, token.open_uploads)
}

async fn usage(store: &dyn MetadataStore) -> (u64, u64) {
    let Usage { counted_bytes, open_uploads } = store.usage().await.expect("read");
    (counted_bytes, open_uploads)
}

fn charged(number: u8, bytes: u64, token: Option<u8>, quotas: Quotas) -> NewTransfer {
    NewTransfer { charge: Some(Charge { bytes, token: token.map(hash), quotas }), ..new_transfer(number) }
}

async fn refusal(store: &dyn MetadataStore, new: &NewTransfer) -> Option<Refusal> {
    match store.create(new).await.expect("answered") {
        Created::New => None,
        Created::Refused(refusal) => Some(refusal),
        Created::Existing(_) => panic!("the id was taken"),
    }
}

async fn tokens_are_added_listed_and_revoked(store: &dyn MetadataStore) {
    let limited =
        AccessToken { expires_at: Some(at(5)), max_uses: Some(3), max_bytes: Some((1 << 53) - 1), ..token(1) };
    add(store, &limited).await;
    add(store, &token(2)).await;
    assert!(!store.add_access_token(&AccessToken { name: "token-1".into(), ..token(3) }).await.expect("answered"));
    assert!(!store.add_access_token(&AccessToken { name: "other".into(), ..token(1) }).await.expect("answered"));
    assert_eq!(found(store, 1).await, limited);
    assert_eq!(store.access_token(&hash(9)).await.expect("read"), None);
    assert_eq!(store.access_tokens("", 9).await.expect("listed"), [limited.clone(), token(2)]);
    assert_eq!(store.access_tokens("", 1).await.expect("listed"), [limited]);
    assert_eq!(store.access_tokens("token-1", 9).await.expect("listed"), [token(2)]);

    assert_eq!(store.revoke_access_token("token-2", at(7)).await.expect("answered"), Revoked::Now);
    assert_eq!(store.revoke_access_token("token-2", at(8)).await.expect("answered"), Revoked::Before);
    assert_eq!(store.revoke_access_token("token-9", at(8)).await.expect("answered"), Revoked::Unknown);
    assert_eq!(found(store, 2).await.revoked_at, Some(at(7)), "the first one counts");
    assert!(
        !store.add_access_token(&AccessToken { hash: hash(9), ..token(2) }).await.expect("answered"),
        "a name stays"
    );
}

async fn a_share_is_taken_and_given_back_once(store: &dyn MetadataStore) {
    add(store, &token(1)).await;
    assert_eq!(refusal(store, &charged(1, 100, Some(1), Quotas::default())).await, None);
    assert_eq!(refusal(store, &charged(2, 30, Some(1), Quotas::default())).await, None);
    assert_eq!(refusal(store, &charged(3, 5, None, Quotas::default())).await, None);
    assert_eq!((counted(store, 1).await, usage(store).await), ((130, 2), (135, 3)));
    assert_eq!(store.creator(id(1)).await.expect("read").map(|token| token.name).as_deref(), Some("token-1"));
    assert_eq!(store.creator(id(3)).await.expect("read"), None);

    assert!(store.delete(id(1), at(1)).await.expect("deleted"));
    assert_eq!((counted(store, 1).await, usage(store).await), ((130, 1), (135, 2)), "its bytes are still there");
    for _ in 0..2 {
        store.swept(id(1)).await.expect("noted");
        assert_eq!((counted(store, 1).await, usage(store).await), ((30, 1), (35, 2)));
    }
    // Abandoned: swept while pending.
    store.swept(id(2)).await.expect("noted");
    store.swept(id(3)).await.expect("noted");
    assert_eq!((counted(store, 1).await, usage(store).await), ((0, 0), (0, 0)));
    assert_eq!(found(store, 1).await.uses, 2, "uses are not given back");
}

async fn an_upload_is_open_until_it_ends(store: &dyn MetadataStore) {
    add(store, &token(1)).await;
    assert_eq!(refusal(store, &charged(1, 7, Some(1), Quotas::default())).await, None);
    assert!(!store.complete(id(1), at(20), ASKED, at(520)).await.expect("refused"), "chunks are missing");
    assert_eq!((counted(store, 1).await, usage(store).await), ((7, 1), (7, 1)));
    for chunk in 0..4 {
        store_chunk(store, 1, chunk, 10).await;
    }
    assert!(store.complete(id(1), at(20), ASKED, at(520)).await.expect("completed"));
    assert_eq!((counted(store, 1).await, usage(store).await), ((7, 0), (7, 0)));
    assert!(!store.complete(id(1), at(20), ASKED, at(520)).await.expect("again"));
    assert!(store.delete(id(1), at(30)).await.expect("deleted"));
    assert!(!store.delete(id(1), at(30)).await.expect("again"));
    assert_eq!((counted(store, 1).await, usage(store).await), ((7, 0), (7, 0)));
}

/// New transfers are created at 0.
async fn each_reason_has_its_name(store: &dyn MetadataStore) {
    for token in [
        AccessToken { max_uses: Some(1), max_bytes: Some(100), ..token(1) },
        AccessToken { expires_at: Some(at(0)), ..token(2) },
        AccessToken { max_uses: Some(0), ..token(4) },
        AccessToken { max_bytes: Some(0), expires_at: Some(at(1)), ..token(5) },
        token(6),
    ] {
        add(store, &token).await;
    }
    add(store, &token(3)).await;
    store.revoke_access_token("token-3", at(0)).await.expect("revoked");
    let within = |server_bytes, server_uploads, token_bytes, token_uploads| Quotas {
        server_bytes: Some(server_bytes),
        server_uploads: Some(server_uploads),
        token_bytes: Some(token_bytes),
        token_uploads: Some(token_uploads),
    };
    let wide = within(1 << 40, 1000, 1 << 40, 1000);
    for (bytes, number, quotas, expected) in [
        (1, Some(9), wide, Refusal::TokenUnknown),
        (1, Some(3), wide, Refusal::TokenRevoked),
        (1, Some(2), wide, Refusal::TokenExpired),
        (1, Some(4), wide, Refusal::TokenUsedUp),
        (1, Some(5), wide, Refusal::TokenBytes(0)),
        (101, Some(1), wide, Refusal::TokenBytes(100)),
        (101, Some(6), within(1 << 40, 1000, 100, 1000), Refusal::TokenBytes(100)),
        (1, Some(6), within(1 << 40, 1000, 0, 1000), Refusal::TokenBytes(0)),
        (1, Some(6), within(1 << 40, 1000, 1 << 40, 0), Refusal::TokenUploads),
        (1, Some(6), within(1 << 40, 0, 1 << 40, 1000), Refusal::ServerUploads),
        (1, None, within(0, 1000, 0, 1000), Refusal::ServerBytes(0)),
        ((1 << 53) - 1, None, within((1 << 53) - 2, 1, 0, 0), Refusal::ServerBytes((1 << 53) - 2)),
        (1, None, within(1, 0, 0, 0), Refusal::ServerUploads),
    ] {
        let new = charged(1, bytes, number, quotas);
        assert_eq!(refusal(store, &new).await, Some(expected), "{bytes} {number:?} {quotas:?}");
    }
    assert_eq!(usage(store).await, (0, 0));
    // Exactly what there is.
    assert_eq!(refusal(store, &charged(1, 100, Some(1), within(100, 1, 0, 1))).await, None);
    assert_eq!(refusal(store, &charged(2, 0, Some(6), within(100, 1, 0, 1))).await, Some(Refusal::ServerUploads));
    assert_eq!(refusal(store, &charged(2, 1, Some(6), within(100, 2, 1, 1))).await, Some(Refusal::ServerBytes(0)));
    assert_eq!(refusal(store, &charged(2, 1, Some(6), within(101, 2, 1, 1))).await, None);
    assert_eq!(refusal(store, &charged(3, 1, Some(6), within(102, 3, 2, 1))).await, Some(Refusal::TokenUploads));
}

async fn what_is_refused_leaves_nothing(store: &dyn MetadataStore) {
    add(store, &AccessToken { max_uses: Some(5), ..token(1) }).await;
    let full = Quotas { server_bytes: Some(9), ..Quotas::default() };
    let mut new = charged(1, 10, Some(1), full);
    new.sealed_metadata = Some(vec![5; 40]);
    assert_eq!(refusal(store, &new).await, Some(Refusal::ServerBytes(9)));
    assert!(store.transfer(id(1)).await.expect("read").is_none());
    assert_eq!(store.sealed_metadata(id(1)).await.expect("read"), None);
    assert_eq!((found(store, 1).await.uses, counted(store, 1).await, usage(store).await), (0, (0, 0), (0, 0)));
    // The id is free, and the store works on.
    assert_eq!(refusal(store, &charged(1, 9, Some(1), full)).await, None);
}

async fn a_taken_id_takes_nothing_more(store: &dyn MetadataStore) {
    add(store, &AccessToken { max_uses: Some(1), ..token(1) }).await;
    let new = charged(1, 10, Some(1), Quotas { server_bytes: Some(10), ..Quotas::default() });
    assert_eq!(refusal(store, &new).await, None);
    for _ in 0..2 {
        assert!(matches!(store.create(&new).await.expect("answered"), Created::Existing(_)));
    }
    assert_eq!((found(store, 1).await.uses, usage(store).await), (1, (10, 1)));
}

async fn nothing_overflows_without_a_limit(store: &dyn MetadataStore) {
    add(store, &token(1)).await;
    let most = (1 << 53) - 1;
    // 2^63 is more than 1024 of these.
    for number in 0..=1025_u32 {
        let mut new = charged(1, most, Some(1), Quotas::default());
        let mut random = [0; 16];
        random[..4].copy_from_slice(&number.to_be_bytes());
        new.transfer.id = haulier_wire::TransferId::from_random_bytes(random);
        assert_eq!(refusal(store, &new).await, None, "{number}");
    }
    let (bytes, open) = usage(store).await;
    assert_eq!((bytes, open, found(store, 1).await.uses), (1024 * most, 1026, 1026));
    let limited = Quotas { server_bytes: Some(most), ..Quotas::default() };
    assert_eq!(refusal(store, &charged(2, 1, None, limited)).await, Some(Refusal::ServerBytes(0)));
}

async fn uses_are_taken_one_by_one(store: &dyn MetadataStore) {
    add(store, &AccessToken { max_uses: Some(2), expires_at: Some(at(10)), ..token(1) }).await;
    add(store, &token(2)).await;
    let used = async |number: u8, now| store.use_access_token(&hash(number), at(now)).await.expect("answered");
    assert_eq!(used(9, 1).await, Err(Refusal::TokenUnknown));
    assert_eq!(used(1, 1).await.map(|token| token.uses_left()), Ok(Some(1)));
    assert_eq!(used(1, 10).await, Err(Refusal::TokenExpired));
    // A clock that jumps back finds it good again.
    assert_eq!(used(1, 9).await.map(|token| token.uses_left()), Ok(Some(0)));
    assert_eq!(used(1, 9).await, Err(Refusal::TokenUsedUp));
    assert_eq!(used(2, 1).await.map(|token| (token.uses, token.uses_left())), Ok((1, None)));
    store.revoke_access_token("token-2", at(1)).await.expect("revoked");
    assert_eq!(used(2, 1).await, Err(Refusal::TokenRevoked));
}

async fn racing_creates_take_what_there_is(store: &dyn MetadataStore) {
    add(store, &AccessToken { max_uses: Some(7), ..token(1) }).await;
    add(store, &AccessToken { max_bytes: Some(11 * 13), ..token(2) }).await;
    let creates = (0..60).map(|number| {
        let new = charged(number, 13, Some(1 + number % 2), Quotas::default());
        async move { refusal(store, &new).await }
    });
    let refusals = futures::future::join_all(creates).await;
    let taken = |of: usize| refusals.iter().skip(of).step_by(2).filter(|refusal| refusal.is_none()).count();
    assert_eq!((taken(0), taken(1)), (7, 11));
    assert_eq!((counted(store, 1).await, counted(store, 2).await), ((7 * 13, 7), (11 * 13, 11)));
    assert_eq!(usage(store).await, (18 * 13, 18));
}

async fn what_is_restored_counts(store: &dyn MetadataStore) {
    completed(store, 1).await;
    create(store, 3).await;
    assert_eq!(usage(store).await, (0, 0), "what takes nothing counts for nothing");
    let mut row = transfer(store, 1).await;
    row.id = id(2);
    let restored = crate::metadata::Restored { transfer: row, sealed_metadata: None, chunks: vec![[1; 32]; 4] };
    assert!(store.restore(&restored).await.expect("restored"));
    let sealed = restored.transfer.shape.body_bytes();
    assert_eq!(usage(store).await, (sealed, 0));
    store.swept(id(2)).await.expect("noted");
    assert_eq!(usage(store).await, (0, 0));
}

async fn a_payload_counts_for_what_it_is(store: &dyn MetadataStore) {
    add(store, &AccessToken { max_bytes: Some(100), ..token(1) }).await;
    let quotas = Quotas { server_bytes: Some(90), ..Quotas::default() };
    assert_eq!(refusal(store, &charged(1, 10, Some(1), quotas)).await, None);
    let recount =
        async |bytes, quotas| store.recount(id(1), &Charge { bytes, token: None, quotas }).await.expect("answered");
    for bytes in [5, 10, 50, 50, 20] {
        assert_eq!(recount(bytes, quotas).await, Ok(()));
    }
    assert_eq!((counted(store, 1).await, usage(store).await), ((50, 1), (50, 1)), "the most that it was");
    assert_eq!(recount(91, quotas).await, Err(Refusal::ServerBytes(40)));
    assert_eq!(recount(101, Quotas::default()).await, Err(Refusal::TokenBytes(50)));
    assert_eq!((counted(store, 1).await, usage(store).await), ((50, 1), (50, 1)), "refused, nothing is taken");
    assert_eq!(recount(90, quotas).await, Ok(()));
    store.swept(id(1)).await.expect("noted");
    assert_eq!((counted(store, 1).await, usage(store).await), ((0, 0), (0, 0)));
    assert_eq!(recount(10, quotas).await, Ok(()), "what has ended takes nothing");
    assert_eq!(usage(store).await, (0, 0));
}
