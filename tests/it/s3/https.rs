//! A store behind HTTPS, whose certificate is trusted or not.

use std::path::Path;
use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use crate::harness::{Disk, ObjectStore, Sample, ServerOptions};

use super::Objects;

/// Writes what MinIO serves with, and the authority that vouches for it.
fn write_certificates(folder: &Path) {
    let mut authority = CertificateParams::new([]).expect("valid");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().expect("a key");
    let authority_pem = authority.self_signed(&authority_key).expect("signed").pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().expect("a key");
    let served = CertificateParams::new(["127.0.0.1".to_owned()]).expect("valid");
    let served = served.signed_by(&key, &issuer).expect("signed");
    for (name, text) in
        [("authority.pem", authority_pem), ("public.crt", served.pem()), ("private.key", key.serialize_pem())]
    {
        std::fs::write(folder.join(name), text).expect("written");
    }
}

#[tokio::test]
async fn a_store_behind_https_is_used_where_its_authority_is_trusted_and_refused_where_not() {
    if std::env::var_os("HAULIER_TEST_WITHOUT_MINIO").is_some() {
        return; // `make test` says at its end that MinIO was not tested.
    }
    let folder = TempDir::new().expect("a folder");
    write_certificates(folder.path());
    // Lives as long as the program: parts of a store are lent for that long.
    let store = Box::leak(Box::new(ObjectStore::start_minio(&Disk::default(), Some(folder.path()))));
    let objects = Objects::new(store);
    assert!(objects.url.contains("endpoint=https://"));

    let options = ServerOptions::default().env("SSL_CERT_FILE", folder.path().join("authority.pem"));
    let (server, http) = objects.serve_at(&objects.url, options).await;
    let sample = Sample::new(5 * (1 << 20) + 3, 1 << 20);
    sample.send(&http).await;
    for index in 0..6 {
        assert_eq!(sample.get(&http, index).await.ok().body, sample.chunk(index, 0));
    }
    sample.delete(&http).await.ok();

    let refused = Command::new(env!("CARGO_BIN_EXE_haulier-server"))
        .env("HAULIER_DATA_DIR", server.data_dir())
        .env("HAULIER_BLOB_URL", &objects.url)
        .env("AWS_ACCESS_KEY_ID", &store.access_key)
        .env("AWS_SECRET_ACCESS_KEY", &store.secret_key)
        .arg("doctor")
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("certificate"), "{said}");
}
