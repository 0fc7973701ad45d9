//! One download and three servers that hand it out.

use haulier_wire::ProblemType;

use super::Fleet;
use crate::leases::{Guest, counts, limited, races};

#[tokio::test]
async fn one_of_two_hundred_gets_the_one_download_from_three_servers() {
    let fleet = Fleet::of_three(&[]).await;
    races::one_of_two_hundred(&fleet.http).await;
}

#[tokio::test]
async fn a_lease_is_known_to_all_servers() {
    let fleet = Fleet::of_three(&[]).await;
    let sample = limited(&fleet.http[0], 3, 1).await;
    for (index, http) in (0..3).zip(&fleet.http) {
        let guest = Guest::new(http, &sample, 1);
        guest.taken().await;
        guest.chunk(index).await.ok();
    }
    assert_eq!(counts(&fleet.http[0], &sample).await, (1, 0));
    Guest::new(&fleet.http[1], &sample, 2).take().await.is(ProblemType::TransferExhausted);
    Guest::new(&fleet.http[2], &sample, 1).commit().await.ok();
}
