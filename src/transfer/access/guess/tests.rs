//! Ten wrong tokens are free; then each further try waits, for this client at this transfer alone.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::*;
use crate::clock::SystemClock;
use crate::entropy::SystemEntropy;
use crate::transfer::Clients;

struct Guesser {
    guesses: Guesses,
    clients: Clients,
    stored: TokenHash,
    begun: Instant,
}

const RIGHT: &str = "right";

impl Guesser {
    fn new() -> Self {
        let stored = Token::new(RIGHT).expect("a token").hash();
        let clients = Clients::new(Arc::new(SystemClock), Arc::new(SystemEntropy));
        Self { guesses: Guesses::default(), clients, stored, begun: Instant::now() }
    }

    fn client(&self, number: u32) -> Client {
        self.clients.at(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    /// What the client `number` gets for a token, so long after the beginning.
    fn present(&self, number: u32, token: &str, after: Duration) -> Result<(), TransferError> {
        self.present_at((id(1), self.client(number)), token, after)
    }

    fn present_at(&self, pair: (TransferId, Client), token: &str, after: Duration) -> Result<(), TransferError> {
        let token = Token::new(token);
        self.guesses.check(pair, token.as_ref(), Some(&self.stored), self.begun + after)
    }

    fn is_wrong(&self, number: u32, after: Duration) {
        let answer = self.present(number, "wrong", after);
        assert!(matches!(answer, Err(TransferError::WrongToken)), "{answer:?} after {after:?}");
    }

    fn has_to_wait(&self, number: u32, token: &str, after: Duration) -> Duration {
        match self.present(number, token, after) {
            Err(TransferError::TooManyGuesses { retry_after }) => retry_after,
            answer => panic!("{answer:?} after {after:?}"),
        }
    }
}

fn id(number: u8) -> TransferId {
    TransferId::from_random_bytes([number; 16])
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn ten_wrong_tokens_are_free_and_the_eleventh_is_not_compared() {
    let guesser = Guesser::new();
    for _ in 0..FREE_GUESSES {
        guesser.is_wrong(1, seconds(0));
        assert!(guesser.present(2, RIGHT, seconds(0)).is_ok(), "another client reads on");
    }
    assert_eq!(guesser.has_to_wait(1, "wrong", seconds(0)), FIRST_WAIT);
    assert_eq!(guesser.has_to_wait(1, RIGHT, seconds(0)), FIRST_WAIT, "the answer would tell which was right");
    assert!(guesser.present(2, RIGHT, seconds(0)).is_ok());
    assert!(guesser.present_at((id(2), guesser.client(1)), RIGHT, seconds(0)).is_ok(), "another transfer");
}

#[test]
fn right_tokens_count_for_nothing() {
    let guesser = Guesser::new();
    for _ in 1..FREE_GUESSES {
        guesser.is_wrong(1, seconds(0));
    }
    for _ in 0..1000 {
        assert!(guesser.present(1, RIGHT, seconds(0)).is_ok());
    }
    guesser.is_wrong(1, seconds(0));
    guesser.has_to_wait(1, RIGHT, seconds(0));
    // After the wait a whole download goes through.
    for _ in 0..1000 {
        assert!(guesser.present(1, RIGHT, FIRST_WAIT).is_ok());
    }
    guesser.is_wrong(1, FIRST_WAIT);
    assert_eq!(guesser.has_to_wait(1, RIGHT, FIRST_WAIT), 2 * FIRST_WAIT);
}

#[test]
fn each_further_wrong_token_doubles_the_wait_up_to_the_longest() {
    let guesser = Guesser::new();
    let mut now = seconds(0);
    for _ in 0..FREE_GUESSES {
        guesser.is_wrong(1, now);
    }
    let mut expected = FIRST_WAIT;
    for _ in 0..50 {
        assert_eq!(guesser.has_to_wait(1, "wrong", now), expected);
        guesser.has_to_wait(1, "wrong", now + expected - Duration::from_millis(1));
        now += expected;
        guesser.is_wrong(1, now);
        expected = (2 * expected).min(LONGEST_WAIT);
    }
    assert_eq!(expected, LONGEST_WAIT);
}

#[test]
fn a_missing_token_is_no_guess_and_an_open_transfer_has_nothing_to_guess() {
    let guesser = Guesser::new();
    let pair = (id(1), guesser.client(1));
    for _ in 0..2 * FREE_GUESSES {
        let missing = guesser.guesses.check(pair, None, Some(&guesser.stored), guesser.begun);
        assert!(matches!(missing, Err(TransferError::MissingToken)));
        let any = Token::new("any");
        assert!(guesser.guesses.check(pair, any.as_ref(), None, guesser.begun).is_ok());
    }
    assert!(guesser.present(1, RIGHT, seconds(0)).is_ok());
}

#[test]
fn guesses_side_by_side_do_not_get_past_the_budget() {
    let guesser = Guesser::new();
    let compared = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..FREE_GUESSES {
                    if matches!(guesser.present(1, "wrong", seconds(0)), Err(TransferError::WrongToken)) {
                        compared.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(compared.into_inner(), FREE_GUESSES);
}

#[test]
fn what_is_remembered_is_bounded_and_the_oldest_goes_first() {
    let guesser = Guesser::new();
    let most = u32::try_from(MAX_REMEMBERED).expect("small");
    for _ in 0..FREE_GUESSES {
        guesser.is_wrong(0, seconds(0));
        guesser.is_wrong(1, seconds(0));
    }
    for number in 2..most {
        guesser.is_wrong(number, seconds(0));
    }
    guesser.has_to_wait(0, RIGHT, seconds(0));
    assert_eq!(guesser.guesses.lock().tries.len(), MAX_REMEMBERED);
    guesser.is_wrong(most, seconds(0));
    let remembered = guesser.guesses.lock();
    assert_eq!((remembered.tries.len(), remembered.by_age.len()), (MAX_REMEMBERED, MAX_REMEMBERED));
    drop(remembered);
    assert!(guesser.present(0, RIGHT, seconds(0)).is_ok(), "forgotten");
    guesser.has_to_wait(1, RIGHT, seconds(0));
}

#[test]
fn a_client_cannot_have_its_own_guesses_forgotten() {
    let guesser = Guesser::new();
    for _ in 0..FREE_GUESSES {
        guesser.is_wrong(1, seconds(0));
    }
    let client = guesser.client(1);
    let other = |number: u32| {
        let mut bytes = [7; 16];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        (TransferId::from_random_bytes(bytes), client)
    };
    let mut compared = 0;
    for number in 0..u32::try_from(2 * MAX_REMEMBERED).expect("small") {
        compared +=
            u32::from(matches!(guesser.present_at(other(number), "wrong", seconds(0)), Err(TransferError::WrongToken)));
    }
    // One each for as many transfers as are told apart, then ten for all others.
    assert_eq!(compared, MAX_OF_CLIENT - 1 + FREE_GUESSES);
    // Others may have the same address: what counts together waits for a minute at most.
    let mut now = seconds(0);
    for _ in 0..20 {
        now += LONGEST_SHARED_WAIT;
        let answer = guesser.present_at(other(1 << 20), "wrong", now);
        assert!(matches!(answer, Err(TransferError::WrongToken)), "{answer:?} after {now:?}");
    }
    let answer = guesser.present_at(other(1 << 20), RIGHT, now + LONGEST_SHARED_WAIT - seconds(1));
    assert!(matches!(answer, Err(TransferError::TooManyGuesses { .. })), "{answer:?}");
    assert!(guesser.present_at(other(1 << 20), RIGHT, now + LONGEST_SHARED_WAIT).is_ok());
    let mut remembered = guesser.guesses.lock();
    assert_eq!(remembered.tries.len(), usize::try_from(MAX_OF_CLIENT).expect("small") + 1);
    // Of a client that is forgotten nothing stays.
    while !remembered.by_age.is_empty() {
        remembered.forget_oldest();
    }
    assert!(remembered.tries.is_empty() && remembered.of_client.is_empty());
    drop(remembered);
    assert!(guesser.present(2, RIGHT, seconds(0)).is_ok(), "another client reads on");
}
