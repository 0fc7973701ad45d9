//! Ten servers find neither tables nor a bucket, all in the same moment.

use futures::future::join_all;

use super::Fleet;
use crate::harness::{Reply, Sample};
use crate::s3::everywhere;

#[tokio::test]
async fn ten_start_at_once_on_an_empty_database_and_without_a_bucket() {
    // A store from outside may not let us make buckets.
    for mut objects in everywhere().filter(|objects| ["Garage", "MinIO"].contains(&objects.store.name)) {
        objects.name_bucket(&format!("haulier-many-{}", std::process::id()));
        let store = objects.store.name;
        let fleet = Fleet::start(10, objects, &[]).await;
        let ready = join_all(fleet.http.iter().map(|http| Reply::to(http.get("/readyz")))).await;
        for reply in ready {
            assert_eq!(reply.status, 200, "{store}: {reply:?}");
        }
        // One database and one bucket, not ten that look alike.
        let sample = Sample::new(10 * 65_536, 65_536);
        sample.create(&fleet.http[0]).await.ok();
        let uploads = (0..10).map(|index| sample.put(&fleet.http[index as usize], index, 0));
        for upload in join_all(uploads).await {
            assert_eq!(upload.status, 201, "{store}: {upload:?}");
        }
        sample.complete(&fleet.http[9]).await.ok();
        for http in &fleet.http {
            for index in 0..10 {
                assert!(sample.get(http, index).await.ok().body == sample.chunk(index, 0), "{store}: chunk {index}");
            }
        }
    }
}
