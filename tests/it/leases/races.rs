//! Two hundred want what one may have.

use futures::future::join_all;
use haulier_wire::ProblemType;
use haulier_wire::api::TransferState;

use super::{Guest, counts, info, is_clear, limited, whole};
use crate::harness::{Http, Server, ServerOptions};

const GUESTS: usize = 200;

#[tokio::test]
async fn one_of_two_hundred_gets_the_one_download() {
    let server = Server::start();
    one_of_two_hundred(&[Http::new(&server)]).await;
}

#[tokio::test]
async fn one_of_two_hundred_gets_the_one_download_on_postgres() {
    let server = Server::start_with(ServerOptions::on_postgres());
    one_of_two_hundred(&[Http::new(&server)]).await;
}

/// Each guest asks the server of its number. Once with leases, once for the whole at once.
pub(crate) async fn one_of_two_hundred(servers: &[Http]) {
    let http = |number: usize| &servers[number % servers.len()];
    let sample = limited(http(0), 3, 1).await;
    let guests = join_all((0..GUESTS).map(|number| {
        let guest = Guest::new(http(number), &sample, number);
        async move {
            let reply = guest.take().await;
            if !reply.status.is_success() {
                is_clear(reply);
                return 0;
            }
            guest.reads_all().await;
            guest.commit().await.ok();
            1
        }
    }));
    assert_eq!(guests.await.iter().sum::<u32>(), 1);
    assert_eq!(counts(http(1), &sample).await, (1, 0));
    assert_eq!(info(http(2), &sample).await.status, TransferState::Exhausted);
    Guest::new(http(1), &sample, GUESTS).take().await.is(ProblemType::TransferExhausted);

    let sample = limited(http(0), 3, 1).await;
    let replies = join_all((0..GUESTS).map(|number| whole(http(number), &sample))).await;
    let (whole, refused): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status.is_success());
    assert_eq!(whole.len(), 1);
    assert!(whole[0].body == sample.whole());
    refused.into_iter().for_each(is_clear);
    assert_eq!(counts(http(1), &sample).await, (1, 0));
}

#[tokio::test]
async fn as_many_get_it_as_may() {
    let server = Server::start();
    let http = Http::new(&server);
    let sample = limited(&http, 2, 7).await;
    let taken = join_all((0..64).map(|number| {
        let guest = Guest::new(&http, &sample, number);
        async move { guest.take().await.status.is_success() }
    }));
    assert_eq!(taken.await.into_iter().filter(|taken| *taken).count(), 7);
    assert_eq!(counts(&http, &sample).await, (0, 7), "none is spent");
}
