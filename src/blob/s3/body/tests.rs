//! The encoding, byte by byte, and who is said to be waited for.

use futures::TryStreamExt as _;

use super::super::flow::Keeping;
use super::*;

async fn travelling(flow: &Arc<Flow>, form: Form) -> io::Result<Vec<u8>> {
    let progress = Arc::new(Progress::new());
    let frames: Vec<_> = frames(Arc::clone(flow), form, Arc::downgrade(&progress)).try_collect().await?;
    Ok(frames.into_iter().flat_map(|frame| frame.into_data().expect("data")).collect())
}

#[tokio::test]
async fn a_small_body_as_the_specification_writes_it() {
    let flow = Arc::new(Flow::new(9, Keeping::Small));
    flow.push(Bytes::from_static(b"123456789")).await.expect("taken");
    flow.release(0xE306_9283);
    let expected = "9\r\n123456789\r\n0\r\nx-amz-checksum-crc32c:4waSgw==\r\n\r\n";
    let form = Form::Chunked { len: 9 };
    assert_eq!(travelling(&flow, form).await.expect("whole"), expected.as_bytes());
    assert_eq!(form.travelling_len(), expected.len() as u64);
}

#[tokio::test]
async fn what_is_whole_and_kept_travels_as_it_is() {
    let flow = Arc::new(Flow::new(9, Keeping::Small));
    for half in ["12345", "6789"] {
        flow.push(Bytes::from_static(half.as_bytes())).await.expect("taken");
    }
    assert_eq!(Form::of(&flow), Form::Chunked { len: 9 }, "nobody knows the checksum yet");
    flow.release(0xE306_9283);
    let form = Form::of(&flow);
    assert_eq!(form, Form::Plain { len: 9, crc32c: 0xE306_9283 });
    assert_eq!(travelling(&flow, form).await.expect("whole"), b"123456789");
    assert_eq!(form.travelling_len(), 9);

    let flow = Arc::new(Flow::new(9, Keeping::No));
    flow.push(Bytes::from_static(b"123456789")).await.expect("taken");
    flow.release(0xE306_9283);
    assert_eq!(Form::of(&flow), Form::Chunked { len: 9 }, "it may have set out already");
}

#[tokio::test]
async fn the_announced_length_is_the_length() {
    let block = BLOCK_BYTES as u64;
    for len in [0, 1, 15, 16, block - 1, block, block + 1, 2 * block, 3 * block + 28, 16 * block + 0xFFF] {
        let flow = Arc::new(Flow::new(len, Keeping::Small));
        let mut rest = usize::try_from(len).expect("small");
        while rest > 0 {
            let piece = rest.min(BLOCK_BYTES);
            flow.push(Bytes::from(vec![7; piece])).await.expect("taken");
            rest -= piece;
        }
        flow.release(1);
        let form = Form::Chunked { len };
        assert_eq!(travelling(&flow, form).await.expect("whole").len() as u64, form.travelling_len(), "{len}");
    }
}

#[tokio::test]
async fn a_body_that_was_given_up_breaks_off() {
    let flow = Arc::new(Flow::new(9, Keeping::Small));
    flow.push(Bytes::from_static(b"123456789")).await.expect("taken");
    flow.release(1);
    let mut progress = Arc::new(Progress::new());
    for form in [Form::of(&flow), Form::Chunked { len: 9 }] {
        let frames = frames(Arc::clone(&flow), form, Arc::downgrade(&progress));
        let reading = frames.try_collect::<Vec<_>>();
        let given_up = std::mem::replace(&mut progress, Arc::new(Progress::new()));
        drop(given_up);
        assert_eq!(reading.await.expect_err("no clean end").kind(), io::ErrorKind::ConnectionAborted);
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_for_the_client_is_not_waiting_for_the_store() {
    let second = Duration::from_secs(1);
    let progress = Progress::new();
    tokio::time::advance(second).await;
    assert!(progress.store_is_silent(second) && !progress.client_is_slow(second));
    progress.waits();
    tokio::time::advance(second).await;
    assert!(!progress.store_is_silent(second) && progress.client_is_slow(second));
    progress.moved(0);
    assert!(!progress.store_is_silent(second) && !progress.client_is_slow(second));
}

#[tokio::test(start_paused = true)]
async fn a_store_has_time_for_what_was_handed_over_and_not_for_ever() {
    let second = Duration::from_secs(1);
    let progress = Progress::new();
    progress.moved(usize::try_from(10 * SLOWEST_STORE).expect("fits"));
    tokio::time::advance(10 * second).await;
    assert!(!progress.store_is_silent(second), "it may still be reading");
    tokio::time::advance(second).await;
    assert!(progress.store_is_silent(second));
    progress.moved(1 << 30);
    let most = Duration::from_secs(MOST_ON_ITS_WAY / SLOWEST_STORE);
    tokio::time::advance(most).await;
    assert!(!progress.store_is_silent(second));
    tokio::time::advance(second).await;
    assert!(progress.store_is_silent(second), "buffers hold only so much");
}

#[tokio::test(start_paused = true)]
async fn what_is_handed_over_counts_in_both_forms() {
    let second = Duration::from_secs(1);
    let len = 10 * SLOWEST_STORE;
    let flow = Arc::new(Flow::new(len, Keeping::Small));
    for _ in 0..len / BLOCK_BYTES as u64 {
        flow.push(Bytes::from(vec![7; BLOCK_BYTES])).await.expect("taken");
    }
    flow.release(1);
    for form in [Form::of(&flow), Form::Chunked { len }] {
        let progress = Arc::new(Progress::new());
        let frames = frames(Arc::clone(&flow), form, Arc::downgrade(&progress));
        frames.try_collect::<Vec<_>>().await.expect("whole");
        tokio::time::advance(10 * second).await;
        assert!(!progress.store_is_silent(second), "{form:?}");
        tokio::time::advance(second).await;
        assert!(progress.store_is_silent(second), "{form:?}");
    }
}
