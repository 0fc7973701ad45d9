//! A place is kept while a reader takes bytes, and given back when it stops.

use actix_web::body::SizedStream;
use futures::future::poll_fn;
use futures::stream;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::*;

const LONGEST: Duration = Duration::from_secs(10);

fn admitted(places: &Arc<Semaphore>) -> Admitted {
    let permit = Arc::clone(places).try_acquire_owned().expect("a place");
    let pieces = stream::iter((0..5).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(b"x"))));
    Admitted::new(BoxBody::new(SizedStream::new(5, pieces)), permit, LONGEST)
}

async fn take(body: &mut Admitted) -> Option<Result<Bytes, Box<dyn std::error::Error>>> {
    poll_fn(|context| Pin::new(&mut *body).poll_next(context)).await
}

#[actix_web::test]
async fn a_reader_that_stops_loses_its_place_and_sees_a_broken_stream() {
    tokio::time::pause();
    let places = Arc::new(Semaphore::new(1));
    let mut body = admitted(&places);
    take(&mut body).await.expect("a piece").expect("whole");
    sleep(LONGEST - Duration::from_secs(1)).await;
    assert_eq!(places.available_permits(), 0);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(places.available_permits(), 1);
    assert!(take(&mut body).await.expect("no clean end").is_err());
}

#[actix_web::test]
async fn a_slow_reader_keeps_its_place_until_the_end() {
    tokio::time::pause();
    let places = Arc::new(Semaphore::new(1));
    let mut body = admitted(&places);
    for _ in 0..5 {
        sleep(LONGEST - Duration::from_secs(1)).await;
        take(&mut body).await.expect("a piece").expect("whole");
    }
    assert!(take(&mut body).await.is_none());
    assert_eq!(places.available_permits(), 0);
    drop(body);
    assert_eq!(places.available_permits(), 1);
}

#[actix_web::test]
async fn a_connection_whose_reader_is_given_up_is_told() {
    tokio::time::pause();
    let places = Arc::new(Semaphore::new(1));
    let permit = Arc::clone(&places).try_acquire_owned().expect("a place");
    let nothing = stream::pending::<Result<Bytes, std::io::Error>>();
    let mut body = Admitted::new(BoxBody::new(SizedStream::new(5, nothing)), permit, LONGEST);
    let connection = actix_web::rt::spawn(async move { take(&mut body).await.expect("no clean end").is_err() });
    sleep(LONGEST + Duration::from_secs(1)).await;
    assert!(connection.is_finished(), "nothing else would wake it");
    assert!(connection.await.expect("it ended"));
}

#[actix_web::test]
async fn nothing_stays_behind_an_answer() {
    let places = Arc::new(Semaphore::new(1));
    let body = admitted(&places);
    let watch = body.watch.abort_handle();
    tokio::task::yield_now().await;
    assert!(!watch.is_finished());
    drop(body);
    tokio::task::yield_now().await;
    assert!(watch.is_finished());
}

#[actix_web::test]
async fn a_reader_that_only_wakes_the_connection_loses_its_place() {
    tokio::time::pause();
    let places = Arc::new(Semaphore::new(1));
    let permit = Arc::clone(&places).try_acquire_owned().expect("a place");
    let nothing = stream::pending::<Result<Bytes, std::io::Error>>();
    let mut body = Admitted::new(BoxBody::new(SizedStream::new(5, nothing)), permit, LONGEST);
    for _ in 0..2 {
        sleep(LONGEST / 2 - Duration::from_secs(1)).await;
        assert!(futures::poll!(Box::pin(take(&mut body))).is_pending());
    }
    sleep(Duration::from_secs(3)).await;
    assert_eq!(places.available_permits(), 1);
    assert!(take(&mut body).await.expect("no clean end").is_err());
}
