//! What the URL may say, and what it may not.

use super::*;

fn s3(url: &str) -> Result<S3Location, String> {
    match BlobLocation::parse(url) {
        Ok(BlobLocation::S3(location)) => Ok(location),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn a_bucket_at_amazon() {
    let location = s3("s3://my-bucket").expect("a location");
    assert_eq!((location.bucket.as_str(), location.prefix.as_str()), ("my-bucket", ""));
    assert_eq!((location.endpoint, location.region), (None, None));
    assert_eq!((location.path_style, location.create), (false, false));
    assert_eq!(s3("s3://b/").expect("a location").prefix, "");
    assert_eq!(s3("s3://b/a/b.c/?region=eu-central-1").expect("a location").prefix, "a/b.c/");
}

#[test]
fn a_bucket_of_ones_own() {
    let location = s3("s3://b/p?endpoint=http://127.0.0.1:3900&region=garage&create=true").expect("a location");
    assert_eq!(location.endpoint.as_ref().map(Url::as_str), Some("http://127.0.0.1:3900/"));
    assert_eq!((location.region.as_deref(), location.path_style, location.create), (Some("garage"), true, true));
    assert!(!s3("s3://b?endpoint=https://s3.example&path_style=false").expect("a location").path_style);
    assert!(s3("s3://b?path_style=true").expect("a location").path_style);
}

#[test]
fn what_is_refused() {
    for url in [
        "s3://",
        "s3:///prefix",
        "s3://b:80",
        "s3://b#x",
        "s3://b/a//b",
        "s3://b/a/../c%2f",
        "s3://b/ä",
        "s3://b?region=",
        "s3://b?region=a%20b",
        "s3://b?path_style=1",
        "s3://b?create=yes",
        "s3://b?create=true&create=true",
        "s3://b?endpoint=store:80",
        "s3://b?endpoint=ftp://store",
        "s3://b?acl=public",
        "gs://b",
    ] {
        let error = s3(url).expect_err(url);
        assert!(error.starts_with("HAULIER_BLOB_URL: "), "{url}: {error}");
    }
}
