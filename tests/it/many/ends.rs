//! What one server ends is over on all of them, and three that sweep at once leave nothing and fail at nothing.

use std::time::Duration;

use futures::future::join_all;
use haulier_wire::api::CreateRequest;
use haulier_wire::{ByteLen, ProblemType};

use super::Fleet;
use crate::delete::every_route_is;
use crate::harness::Sample;

#[tokio::test]
async fn what_one_server_deletes_is_gone_on_all_at_once() {
    let fleet = Fleet::of_three(&[]).await;
    for round in 0..6 {
        let sample = Sample::new(2 << 20, 1 << 20);
        sample.send(&fleet.http[round % 3]).await;
        for http in &fleet.http {
            sample.get(http, 1).await.ok();
        }
        sample.delete(&fleet.http[round % 3]).await.ok();
        let gone = fleet.http.iter().map(|http| every_route_is(http, &sample, ProblemType::TransferDeleted));
        join_all(gone).await;
    }
    fleet.objects.are_soon(&[]).await;
}

#[tokio::test]
async fn a_deletion_while_chunks_arrive_elsewhere_leaves_no_object() {
    let fleet = Fleet::of_three(&[]).await;
    let mut refused = 0;
    for round in 0..10_usize {
        let sample = Sample::new(12 << 20, 1 << 20);
        sample.create(&fleet.http[0]).await.ok();
        let uploads = join_all((0..12).map(|index| sample.put(&fleet.http[index as usize % 3], index, 0)));
        let deleting = async {
            // Now before, now within, now after most of them.
            tokio::time::sleep(Duration::from_millis(15) * u32::try_from(round).expect("small")).await;
            sample.delete(&fleet.http[round % 3]).await
        };
        let (uploads, deleted) = tokio::join!(uploads, deleting);
        deleted.ok();
        for upload in uploads {
            assert!(matches!(upload.status.as_u16(), 201 | 410), "{upload:?}");
            refused += u32::from(upload.status == 410);
        }
        for http in &fleet.http {
            sample.put(http, 0, 0).await.is(ProblemType::TransferDeleted);
            sample.get(http, 0).await.is(ProblemType::TransferDeleted);
        }
    }
    assert!(refused > 0, "some came too late");
    fleet.objects.are_soon(&[]).await;
}

#[tokio::test]
async fn three_that_sweep_at_once_leave_nothing_and_fail_at_nothing() {
    let fleet = Fleet::of_three(&[
        ("HAULIER_UPLOAD_EXPIRY", "3s"),
        ("HAULIER_SWEEP_INTERVAL", "1s"),
        ("HAULIER_SWEEP_GRACE", "0s"),
    ])
    .await;
    let samples: Vec<Sample> = (0..90).map(|_| Sample::new(65_537, 65_536)).collect();
    join_all(samples.iter().enumerate().map(|(number, sample)| begin(&fleet, sample, number))).await;
    assert!(!fleet.objects.names().await.is_empty());
    fleet.objects.are_soon(&[]).await;
    for (number, sample) in samples.iter().enumerate().step_by(10) {
        every_route_is(&fleet.http[number % 3], sample, ProblemType::TransferExpired).await;
    }
    for number in 0..3 {
        let log = std::fs::read_to_string(fleet.log(number)).expect("a log");
        // The tests' Postgres does not sync, of which every server warns at its start.
        let trouble = |line: &&str| {
            (line.contains("ERROR") || line.contains("WARN")) && !line.contains("does not keep what it has answered")
        };
        assert_eq!(log.lines().find(trouble), None, "server {number}");
    }
}

/// A third is completed and ends soon, a third is whole, a third lacks a chunk; each through two servers.
async fn begin(fleet: &Fleet, sample: &Sample, number: usize) {
    let (one, other) = (&fleet.http[number % 3], &fleet.http[(number + 1) % 3]);
    let request = CreateRequest { expires_in_seconds: ByteLen::new(2), ..sample.create_request() };
    sample.create_with(one, &request).await.ok();
    sample.put(other, 0, 0).await.ok();
    if number % 9 < 6 {
        sample.put(one, 1, 0).await.ok();
    }
    if number % 9 < 3 {
        sample.complete(other).await.ok();
    }
}
