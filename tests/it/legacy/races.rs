//! Several uploads at once, and complete among them: what is frozen is one of them, whole, and nothing touches it.

use futures::future::{join, join_all};
use serde_json::json;

use super::{complete, create, download, upload};
use crate::harness::{Http, Server, ServerOptions, eventually, files_below};

/// Bodies that say which they are, longer than what is written at once.
fn body(number: u8) -> Vec<u8> {
    vec![b'a' + number; 700_000 + usize::from(number)]
}

fn payloads(server: &Server, id: &str) -> usize {
    files_below(&server.data_dir().join(format!("blobs/transfers/{id}/payloads"))).len()
}

async fn one_of_many_uploads_is_frozen(options: ServerOptions) {
    let server = Server::start_with(options);
    let http = Http::new(&server);
    for _ in 0..5 {
        let id = create(&http, &json!({})).await;
        upload(&http, &id, body(0)).await.ok();
        let uploads = join_all((1..8).map(|number| upload(&http, &id, body(number))));
        let completes = join_all((0..3).map(|_| complete(&http, &id)));
        let (uploads, completes) = join(uploads, completes).await;
        assert!(completes.iter().all(|reply| reply.status.as_u16() == 200), "{completes:?}");
        for reply in uploads {
            assert!(matches!(reply.status.as_u16(), 200 | 404), "{reply:?}");
        }
        let found = download(&http, &id).await.ok().body;
        assert!((0..8).any(|number| body(number) == found), "{} bytes, one whole upload", found.len());
        for _ in 0..3 {
            upload(&http, &id, body(9)).await.is(haulier_wire::ProblemType::TransferNotFound);
        }
        assert!(download(&http, &id).await.ok().body == found, "it stays");
        eventually("only the frozen upload is kept", || payloads(&server, &id) == 1).await;
    }
}

#[tokio::test]
async fn one_of_many_uploads_is_frozen_on_sqlite() {
    one_of_many_uploads_is_frozen(ServerOptions::on_sqlite()).await;
}

#[tokio::test]
async fn one_of_many_uploads_is_frozen_on_postgres() {
    one_of_many_uploads_is_frozen(ServerOptions::on_postgres()).await;
}

#[tokio::test]
async fn the_last_upload_before_complete_counts_and_the_others_are_gone() {
    let server = Server::start();
    let http = Http::new(&server);
    let id = create(&http, &json!({})).await;
    for number in 0..3 {
        upload(&http, &id, body(number)).await.ok();
        assert_eq!(payloads(&server, &id), 1);
    }
    complete(&http, &id).await.ok();
    assert!(download(&http, &id).await.ok().body == body(2));
}

#[tokio::test]
async fn an_upload_that_ends_after_a_deletion_leaves_nothing() {
    let server = Server::start_with(ServerOptions::default().env("HAULIER_SWEEP_INTERVAL", "1s"));
    let http = Http::new(&server);
    let id = create(&http, &json!({ "delete_auth_hash": super::DELETE_HASH })).await;
    upload(&http, &id, body(0)).await.ok();
    let (sender, receiver) = futures::channel::mpsc::unbounded();
    let late = reqwest::Body::wrap_stream(receiver);
    let send = |bytes: Vec<u8>| sender.unbounded_send(Ok::<_, std::io::Error>(bytes)).expect("sent");
    send(body(1));
    let deletes = async {
        // The body is under way by then, and the folder is swept before it ends.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        super::delete(&http, &id, "foo").await.ok();
        eventually("swept", || !server.data_dir().join(format!("blobs/transfers/{id}")).exists()).await;
        send(body(2));
        sender.close_channel();
    };
    let (reply, ()) = join(upload(&http, &id, late), deletes).await;
    reply.is(haulier_wire::ProblemType::TransferNotFound);
    assert!(!server.data_dir().join(format!("blobs/transfers/{id}")).exists(), "nothing came back");
}
