//! The encoding, byte by byte, and who is said to be waited for.

use futures::TryStreamExt as _;

use super::super::flow::Keeping;
use super::*;

async fn encoded(flow: &Arc<Flow>) -> io::Result<Vec<u8>> {
    let progress = Arc::new(Progress::new());
    let frames: Vec<_> = frames(Arc::clone(flow), Arc::downgrade(&progress)).try_collect().await?;
    Ok(frames.into_iter().flat_map(|frame| frame.into_data().expect("data")).collect())
}

#[tokio::test]
async fn a_small_body_as_the_specification_writes_it() {
    let flow = Arc::new(Flow::new(9, Keeping::Small));
    flow.push(Bytes::from_static(b"123456789")).await.expect("taken");
    flow.release(0xE306_9283);
    let expected = "9\r\n123456789\r\n0\r\nx-amz-checksum-crc32c:4waSgw==\r\n\r\n";
    assert_eq!(encoded(&flow).await.expect("whole"), expected.as_bytes());
    assert_eq!(encoded_len(9), expected.len() as u64);
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
        assert_eq!(encoded(&flow).await.expect("whole").len() as u64, encoded_len(len), "{len}");
    }
}

#[tokio::test]
async fn a_body_that_was_given_up_breaks_off() {
    let flow = Arc::new(Flow::new(9, Keeping::Small));
    flow.push(Bytes::from_static(b"123456789")).await.expect("taken");
    flow.release(1);
    let progress = Arc::new(Progress::new());
    let frames = frames(Arc::clone(&flow), Arc::downgrade(&progress));
    drop(progress);
    let frames: Result<Vec<_>, _> = frames.try_collect().await;
    assert_eq!(frames.expect_err("no clean end").kind(), io::ErrorKind::ConnectionAborted);
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
