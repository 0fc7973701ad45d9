//! Starting: every wrong setting is refused by its name, and two processes never share a folder.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::harness::Server;

/// Runs the program in `folder` until it ends by itself.
fn run(folder: &Path, env: &[(&str, &str)], arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_haulier-server"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("HAULIER_LISTEN", "127.0.0.1:0")
        .env("HAULIER_DATA_DIR", folder.join("data"))
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("the program runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_wrong_setting_ends_with_2_and_names_its_variable() {
    let folder = TempDir::new().expect("a folder");
    for (variable, value) in [
        ("HAULIER_LISTEN", "nowhere"),
        ("HAULIER_DATABASE_URL", "mysql://user:hunter2@db/x"),
        ("HAULIER_DATABASE_URL", "postgres://user:hunter2@db/x?pasword=hunter2"),
        ("HAULIER_DATABASE_CONNECTIONS", "1"),
        ("HAULIER_BLOB_URL", "s3://id:hunter2@bucket"),
        ("HAULIER_S3_BUFFER", "1GB"),
        ("HAULIER_PUBLIC_URL", "ftp://x"),
        ("HAULIER_MAX_FILE_SIZE", "huge"),
        ("HAULIER_MAX_CHUNKS", "0"),
        ("HAULIER_DEFAULT_EXPIRY", "7"),
        ("HAULIER_MAX_EXPIRY", "0s"),
        ("HAULIER_UPLOAD_EXPIRY", "0s"),
        ("HAULIER_CLIENT_TIMEOUT", "0s"),
        ("HAULIER_MAX_CONNECTIONS", "many"),
        ("HAULIER_MAX_REQUESTS", "0"),
        ("HAULIER_SHUTDOWN_TIMEOUT", "x"),
        ("HAULIER_SWEEP_INTERVAL", "0s"),
        ("HAULIER_SWEEP_GRACE", "1w"),
        ("HAULIER_LOG", "haulier=loud"),
        ("HAULIER_LOG_FORMAT", "xml"),
    ] {
        let output = run(folder.path(), &[(variable, value)], &[]);
        let stderr = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{variable}: {stderr}");
        assert!(stderr.contains(variable) && !stderr.contains("hunter2"), "{variable}: {stderr}");
        assert!(!folder.path().join("data").exists(), "{variable}: nothing was touched");
    }
    for (given, missing) in [("HAULIER_TLS_CERT", "HAULIER_TLS_KEY"), ("HAULIER_TLS_KEY", "HAULIER_TLS_CERT")] {
        let output = run(folder.path(), &[(given, "x.pem")], &[]);
        let stderr = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(&format!("{missing}: must be set together with {given}")), "{stderr}");
    }
    for arguments in [&["--no-such-flag"][..], &["launch"], &["--listen"]] {
        assert_eq!(run(folder.path(), &[], arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn what_cannot_be_opened_ends_with_1_and_names_its_variable() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "not a folder").expect("written");
    let inside = |name: &str| file.join(name).display().to_string();
    let (data, blobs) = (inside("data"), format!("file://{}", inside("blobs")));
    let (database, path) = (format!("sqlite:{}", inside("x.sqlite")), file.display().to_string());
    for (env, named) in [
        (vec![("HAULIER_DATA_DIR", &*data)], "HAULIER_DATA_DIR"),
        (vec![("HAULIER_BLOB_URL", &*blobs)], "HAULIER_BLOB_URL"),
        (vec![("HAULIER_DATABASE_URL", &*database)], "HAULIER_DATABASE_URL"),
        (vec![("HAULIER_LISTEN", "192.0.2.1:1")], "HAULIER_LISTEN"),
        (vec![("HAULIER_TLS_CERT", "/nowhere.pem"), ("HAULIER_TLS_KEY", "/nowhere.pem")], "HAULIER_TLS_CERT"),
        (vec![("HAULIER_TLS_CERT", &*path), ("HAULIER_TLS_KEY", &*path)], "HAULIER_TLS_CERT"),
    ] {
        let output = run(folder.path(), &env, &[]);
        let stderr = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{named}: {stderr}");
        assert!(stderr.contains(named), "{named}: {stderr}");
    }
}

#[test]
fn help_explains_every_variable() {
    let folder = TempDir::new().expect("a folder");
    let output = run(folder.path(), &[], &["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    for name in [
        "LISTEN",
        "DATA_DIR",
        "DATABASE_URL",
        "DATABASE_CONNECTIONS",
        "BLOB_URL",
        "PUBLIC_URL",
        "TLS_CERT",
        "TLS_KEY",
        "S3_BUFFER",
        "MAX_FILE_SIZE",
        "MAX_CHUNKS",
        "DEFAULT_EXPIRY",
        "MAX_EXPIRY",
        "UPLOAD_EXPIRY",
        "CLIENT_TIMEOUT",
        "MAX_CONNECTIONS",
        "MAX_REQUESTS",
        "DRAIN_DELAY",
        "SHUTDOWN_TIMEOUT",
        "SWEEP_INTERVAL",
        "SWEEP_GRACE",
        "METRICS_LISTEN",
        "METRICS_TOKEN",
        "LOG",
        "LOG_FORMAT",
        "CREATE",
        "CLIENT_RATE",
        "TOKEN_RATE",
        "TRUSTED_PROXIES",
        "MIN_EXPIRY",
        "MAX_OPEN_UPLOADS",
        "MAX_TOKEN_SIZE",
        "MAX_TOKEN_UPLOADS",
        "MAX_TOTAL_SIZE",
        "LEASE_IDLE",
        "LEASE_LONGEST",
        "LEASE_UNUSED",
    ] {
        let (variable, flag) = (format!("HAULIER_{name}"), format!("--{}", name.to_lowercase().replace('_', "-")));
        assert!(help.contains(&variable) && help.contains(&flag), "{name}");
    }
    // A setting that nobody told this test about.
    assert_eq!(help.matches("[env: HAULIER_").count(), 37);
    assert!(help.contains("SIGHUP") && help.contains("Exit status"));
    let version = run(folder.path(), &[], &["--version"]);
    assert!(String::from_utf8_lossy(&version.stdout).contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_second_process_on_the_same_folder_is_refused() {
    let server = Server::start();
    let folder = TempDir::new().expect("a folder");
    let data = server.data_dir().display().to_string();
    let output = run(folder.path(), &[("HAULIER_DATA_DIR", &data)], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("another process uses"), "{}", stderr(&output));
    // Nor may it share the chunks alone.
    let blobs = format!("file://{data}/blobs");
    let output = run(folder.path(), &[("HAULIER_BLOB_URL", &blobs)], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("another process uses"), "{}", stderr(&output));
}

#[test]
fn a_second_process_on_the_same_sqlite_file_is_refused_and_commands_are_not() {
    let server = Server::start();
    let folder = TempDir::new().expect("a folder");
    let database = server.data_dir().join("haulier.sqlite");
    let link = folder.path().join("link.sqlite");
    std::os::unix::fs::symlink(&database, &link).expect("linked");
    for path in [&database, &link] {
        // Another data folder, and blobs of its own.
        let url = format!("sqlite:{}", path.display());
        let env = [("HAULIER_DATABASE_URL", url.as_str())];
        // Its address is taken as well, so that this ends in any case.
        let output = run(folder.path(), &[env[0], ("HAULIER_LISTEN", server.address())], &[]);
        assert_eq!(output.status.code(), Some(1));
        let expected = format!("another process uses {}; stop it, or give this one a file of its own", path.display());
        let said = stderr(&output);
        assert!(said.contains(&expected) && said.contains("HAULIER_DATABASE_URL"), "{said}");
        let blobs = format!("file://{}/blobs", server.data_dir().display());
        for command in ["migrate", "stats"] {
            let output = run(folder.path(), &[env[0], ("HAULIER_BLOB_URL", &blobs)], &[command]);
            assert_eq!(output.status.code(), Some(0), "{command}: {}", stderr(&output));
        }
    }
}

#[test]
fn a_folder_is_free_again_once_its_process_was_killed() {
    let folder = TempDir::new().expect("a folder");
    let data_dir = folder.path().join("data");
    for _ in 0..3 {
        let mut server = Server::start_with(crate::harness::ServerOptions::default().data_dir(&data_dir));
        server.kill();
    }
}
