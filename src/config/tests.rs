//! Settings: what each accepts, and how it is refused.

use clap::Parser as _;

use super::*;
use crate::transfer::Quotas;
use crate::transfer::state::Create;

/// The configuration of these flags, or the error as people see it.
fn config(flags: &[&str]) -> Result<Config, String> {
    let cli = Cli::try_parse_from(["haulier-server"].iter().chain(flags)).map_err(|error| error.to_string())?;
    cli.check().map(|(_, config)| config).map_err(|error| format!("{error:#}"))
}

#[test]
fn without_any_setting() {
    let config = config(&[]).expect("the defaults are fine");
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.database, Database::Sqlite(PathBuf::from("./haulier-data/haulier.sqlite")));
    assert_eq!(config.database_connections, 8);
    assert_eq!(config.blobs, BlobLocation::Folder("./haulier-data/blobs".into()));
    assert_eq!(config.s3_buffer_bytes, 256 << 20);
    assert_eq!((config.tls.is_some(), config.public_url.is_some()), (false, false));
    assert_eq!(config.limits.default_expiry, Duration::from_secs(7 * 24 * 3600));
    assert_eq!(config.limits.client_timeout, Duration::from_secs(30));
    assert_eq!(config.limits.max_file_bytes, (1 << 53) - 1);
    assert_eq!((config.metrics_listen, config.metrics_token), (None, None));
    assert_eq!((config.drain_delay, config.trusted_proxies.len()), (Duration::ZERO, 0));
    assert_eq!(config.log_format, LogFormat::Text);
}

#[test]
fn every_setting_arrives() {
    let config = config(&[
        "serve",
        "--listen=[::1]:0",
        "--data-dir=/data",
        "--database-url=sqlite:/db/x.sqlite",
        "--database-connections=20",
        "--blob-url=file:///blobs%20here",
        "--s3-buffer=0",
        "--public-url=https://send.example/",
        "--trusted-proxies=10.0.0.0/8,::1",
        "--tls-cert=/cert",
        "--tls-key=/key",
        "--max-file-size=10GiB",
        "--max-chunks=7",
        "--default-expiry=1h",
        "--max-expiry=2h",
        "--upload-expiry=3m",
        "--client-timeout=4s",
        "--create=token",
        "--min-expiry=2s",
        "--max-total-size=7GiB",
        "--max-token-size=3GiB",
        "--max-open-uploads=11",
        "--max-token-uploads=0",
        "--client-rate=600/1m",
        "--token-rate=9/2h",
        "--lease-unused=21s",
        "--lease-idle=22s",
        "--lease-longest=23s",
        "--max-connections=5",
        "--drain-delay=5s",
        "--shutdown-timeout=0s",
        "--sweep-interval=6d",
        "--sweep-grace=0s",
        "--metrics-listen=127.0.0.1:9090",
        "--metrics-token=0123456789abcdef",
        "--log=debug",
        "--log-format=json",
    ])
    .expect("all fine");
    assert_eq!(config.listen.to_string(), "[::1]:0");
    assert_eq!(config.database, Database::Sqlite(PathBuf::from("/db/x.sqlite")));
    assert_eq!(config.database_connections, 20);
    assert_eq!((config.blobs, config.s3_buffer_bytes), (BlobLocation::Folder("/blobs here".into()), 0));
    assert_eq!(config.public_url.map(String::from).as_deref(), Some("https://send.example/"));
    assert_eq!(config.trusted_proxies.len(), 2);
    assert_eq!(config.tls, Some(TlsFiles { cert: "/cert".into(), key: "/key".into() }));
    let limits = config.limits;
    assert_eq!((limits.max_file_bytes, limits.max_total_chunks), (10 << 30, 7));
    let seconds = [limits.default_expiry, limits.max_expiry, limits.upload_expiry, limits.client_timeout];
    assert_eq!(seconds.map(|time| time.as_secs()), [3600, 7200, 180, 4]);
    assert_eq!((limits.create, limits.min_expiry.as_secs()), (Create::Token, 2));
    let Quotas { server_bytes, server_uploads, token_bytes, token_uploads } = limits.quotas;
    assert_eq!((server_bytes, token_bytes), (Some(7 << 30), Some(3 << 30)));
    assert_eq!((server_uploads, token_uploads), (Some(11), Some(0)));
    let rates =
        [limits.client_rate, limits.token_rate].map(|rate| rate.map(|rate| (rate.requests, rate.per.as_secs())));
    assert_eq!(rates, [Some((600, 60)), Some((9, 7200))]);
    let leases = [limits.leases.unused, limits.leases.idle, limits.leases.longest];
    assert_eq!(leases.map(|time| time.as_secs()), [21, 22, 23]);
    assert_eq!((config.max_connections, config.shutdown_timeout.as_secs()), (5, 0));
    assert_eq!(config.drain_delay.as_secs(), 5);
    assert_eq!(config.metrics_listen.map(|address| address.to_string()).as_deref(), Some("127.0.0.1:9090"));
    assert_eq!(config.metrics_token, Token::new("0123456789abcdef").map(|token| token.hash()));
    assert_eq!((config.sweep_interval.as_secs(), limits.sweep_grace.as_secs()), (6 * 24 * 3600, 0));
    assert_eq!((config.log.as_str(), config.log_format), ("debug", LogFormat::Json));
}

#[test]
fn a_wrong_setting_is_refused_by_the_name_of_its_variable() {
    for (flag, variable) in [
        ("--listen=127.0.0.1", "HAULIER_LISTEN"),
        ("--listen=127.0.0.1:65536", "HAULIER_LISTEN"),
        ("--database-url=mysql://user:hunter2@db/x", "HAULIER_DATABASE_URL"),
        ("--database-url=postgres://user:hunter2@db", "HAULIER_DATABASE_URL"),
        ("--database-url=postgres://user:hunter2@db:port/x", "HAULIER_DATABASE_URL"),
        ("--database-url=postgres://user:hunter2@db/x?pasword=hunter2", "HAULIER_DATABASE_URL"),
        ("--database-url=postgres://user:hunter2@db/x?sslmode=hunter2", "HAULIER_DATABASE_URL"),
        ("--database-url=hunter2", "HAULIER_DATABASE_URL"),
        ("--database-connections=1", "HAULIER_DATABASE_CONNECTIONS"),
        ("--database-connections=10001", "HAULIER_DATABASE_CONNECTIONS"),
        ("--database-url=sqlite:", "HAULIER_DATABASE_URL"),
        ("--database-url=sqlite::memory:", "HAULIER_DATABASE_URL"),
        ("--blob-url=s3://hunter2@bucket", "HAULIER_BLOB_URL"),
        ("--blob-url=s3://id:hunter2@bucket", "HAULIER_BLOB_URL"),
        ("--blob-url=s3://bucket?secret=hunter2", "HAULIER_BLOB_URL"),
        ("--blob-url=s3://bucket?endpoint=http://id:hunter2@store", "HAULIER_BLOB_URL"),
        ("--s3-buffer=1GB", "HAULIER_S3_BUFFER"),
        ("--blob-url=/plain/path", "HAULIER_BLOB_URL"),
        ("--public-url=send.example", "HAULIER_PUBLIC_URL"),
        ("--public-url=ftp://send.example", "HAULIER_PUBLIC_URL"),
        ("--public-url=https://user:hunter2@send.example", "HAULIER_PUBLIC_URL"),
        ("--tls-cert=/cert", "HAULIER_TLS_KEY"),
        ("--tls-key=/key", "HAULIER_TLS_CERT"),
        ("--max-file-size=10GB", "HAULIER_MAX_FILE_SIZE"),
        ("--max-file-size=8193TiB", "HAULIER_MAX_FILE_SIZE"),
        ("--max-chunks=0", "HAULIER_MAX_CHUNKS"),
        ("--max-chunks=4294967296", "HAULIER_MAX_CHUNKS"),
        ("--default-expiry=1", "HAULIER_DEFAULT_EXPIRY"),
        ("--default-expiry=0s", "HAULIER_DEFAULT_EXPIRY"),
        ("--default-expiry=366d", "HAULIER_DEFAULT_EXPIRY"),
        ("--max-expiry=0s", "HAULIER_MAX_EXPIRY"),
        ("--max-expiry=36601d", "HAULIER_MAX_EXPIRY"),
        ("--upload-expiry=0s", "HAULIER_UPLOAD_EXPIRY"),
        ("--client-timeout=0s", "HAULIER_CLIENT_TIMEOUT"),
        ("--max-connections=0", "HAULIER_MAX_CONNECTIONS"),
        ("--max-requests=0", "HAULIER_MAX_REQUESTS"),
        ("--shutdown-timeout=-1s", "HAULIER_SHUTDOWN_TIMEOUT"),
        ("--drain-delay=5", "HAULIER_DRAIN_DELAY"),
        ("--metrics-listen=9090", "HAULIER_METRICS_LISTEN"),
        ("--metrics-token=hunter2hunter2!", "HAULIER_METRICS_TOKEN"),
        ("--metrics-token=hunter2 hunter2 hunter2", "HAULIER_METRICS_TOKEN"),
        ("--sweep-interval=0s", "HAULIER_SWEEP_INTERVAL"),
        ("--sweep-grace=1w", "HAULIER_SWEEP_GRACE"),
        ("--create=x", "HAULIER_CREATE"),
        ("--min-expiry=0s", "HAULIER_MIN_EXPIRY"),
        ("--min-expiry=8d", "HAULIER_MIN_EXPIRY"),
        ("--max-total-size=1GB", "HAULIER_MAX_TOTAL_SIZE"),
        ("--max-token-size=-1", "HAULIER_MAX_TOKEN_SIZE"),
        ("--max-open-uploads=4294967296", "HAULIER_MAX_OPEN_UPLOADS"),
        ("--max-token-uploads=x", "HAULIER_MAX_TOKEN_UPLOADS"),
        ("--client-rate=600", "HAULIER_CLIENT_RATE"),
        ("--client-rate=0/1m", "HAULIER_CLIENT_RATE"),
        ("--token-rate=5/0s", "HAULIER_TOKEN_RATE"),
        ("--token-rate=5/25h", "HAULIER_TOKEN_RATE"),
        ("--lease-unused=0s", "HAULIER_LEASE_UNUSED"),
        ("--lease-idle=0s", "HAULIER_LEASE_IDLE"),
        ("--lease-longest=1s", "HAULIER_LEASE_LONGEST"),
        ("--log=haulier=loud", "HAULIER_LOG"),
        ("--log-format=xml", "HAULIER_LOG_FORMAT"),
    ] {
        let error = config(&[flag]).expect_err(flag);
        assert!(error.starts_with(&format!("{variable}: ")), "{flag}: {error}");
        assert!(!error.contains("hunter2"), "{flag}: {error}");
    }
}

#[test]
fn a_password_is_never_printed() {
    for text in [
        "postgres://user:hunter2@db.example:5432/haulier",
        "postgresql://user:hunter2%40%2F@db.example/haulier?sslmode=verify-full&sslrootcert=/ca.pem",
        "postgres:///haulier?host=/run/postgresql&password=hunter2",
        "postgres://db/?dbname=haulier&options[geqo]=off&user=hunter2",
    ] {
        let flag = format!("--database-url={text}");
        let cli = Cli::try_parse_from(["haulier-server", &flag]).expect("parsed");
        assert!(!format!("{cli:?}").contains("hunter2"), "{cli:?}");
        let (_, config) = cli.check().expect(text);
        assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
        let Database::Postgres(url) = config.database else { panic!("{text} is Postgres") };
        assert_eq!(url.expose(), text);
    }
}

#[test]
fn sizes_and_times_as_people_write_them() {
    for (text, bytes) in [
        ("0", Some(0)),
        ("512KiB", Some(512 << 10)),
        ("64MiB", Some(64 << 20)),
        ("8192TiB", Some((1 << 53) - 1)),
        ("9007199254740993", None),
        ("1.5GiB", None),
        ("-1", None),
        ("MiB", None),
        ("1 MiB", None),
        ("1mib", None),
        ("99999999999999999999TiB", None),
        ("", None),
    ] {
        assert_eq!(unit::bytes("X", text).ok(), bytes, "{text}");
    }
    for (text, seconds) in [
        ("0s", Some(0)),
        ("90s", Some(90)),
        ("10m", Some(600)),
        ("12h", Some(12 * 3600)),
        ("7d", Some(7 * 24 * 3600)),
        ("36600d", Some(36600 * 24 * 3600)),
        ("36601d", None),
        ("7", None),
        ("7 d", None),
        ("1.5h", None),
        ("-1s", None),
        ("99999999999999999999s", None),
    ] {
        assert_eq!(unit::duration("X", text).ok(), seconds.map(Duration::from_secs), "{text}");
    }
}

#[test]
fn a_mistyped_variable_is_noticed() {
    let names = ["HAULIER_LISTEM", "HAULIER_LISTEN", "HAULIER_SERVER", "HAULIER_TEST_LOG", "PATH", "HAULIER_"];
    let unknown = unknown_variables(names.iter().map(|name| (*name).to_owned()));
    assert_eq!(unknown, ["HAULIER_LISTEM", "HAULIER_"]);
}

#[test]
fn commands_have_flags_of_their_own_and_all_settings() {
    use command::{Doctor, Stats, Transfer};
    let read = |flags: &[&str]| {
        let cli = Cli::try_parse_from(["haulier-server"].iter().chain(flags)).map_err(|error| error.exit_code())?;
        Ok::<_, i32>(cli.check().expect("the settings are fine").0)
    };
    assert_eq!(read(&[]), Ok(Command::Serve));
    assert_eq!(read(&["serve", "--data-dir=/x"]), Ok(Command::Serve));
    assert_eq!(read(&["--data-dir=/x", "stats", "--blobs"]), Ok(Command::Stats(Stats { blobs: true, json: false })));
    let doctor = Doctor { verify: false, repair: true, older_than: Duration::from_secs(7200), json: false };
    assert_eq!(read(&["doctor", "--repair", "--older-than=2h"]), Ok(Command::Doctor(doctor)));
    let Ok(Command::Doctor(doctor)) = read(&["doctor"]) else { panic!("no doctor") };
    assert!(!doctor.repair, "dry by default");
    let text = "0123456789abcdef0123456789abcdef";
    let id: command::GivenId = text.parse().expect("never fails");
    let shown = read(&["transfer", "show", text, "--json"]);
    assert_eq!(shown, Ok(Command::Transfer(Transfer::Show { id, json: true })));
    assert_eq!(id.get().expect("an id").as_str(), text);
    for none in ["0123", "", "0123456789ABCDEF0123456789ABCDEF", "https://host/#0123456789abcdef0123456789abcdef/key"] {
        let cli = Cli::try_parse_from(["haulier-server", "transfer", "delete", none]).expect("parsed");
        let said = cli.check().expect_err("no id").to_string();
        assert!(said.starts_with("ID: expected the 32 digits") && !said.contains("key"), "{said}");
    }
    for wrong in [
        &["stats", "--repair"][..],
        &["transfer"],
        &["transfer", "show"],
        &["doctor", "--older-than=soon"],
        &["serve", "--repair"],
    ] {
        assert_eq!(read(wrong), Err(2), "{wrong:?}");
    }
}

/// The variables of the settings that the help of a command shows.
fn shown(words: &[&str]) -> Vec<String> {
    let arguments = ["haulier-server"].iter().chain(words).chain(&["--help"]);
    let help = Cli::try_parse_from(arguments).expect_err("the help").to_string();
    // However it was wrapped.
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    help.split("[env: ").skip(1).filter_map(|rest| rest.split(['=', ']']).next()).map(str::to_owned).collect()
}

#[test]
fn a_command_shows_the_settings_that_it_uses() {
    let settings = Settings::augment_args(clap::Command::new("settings"));
    let all: Vec<_> =
        settings.get_arguments().map(|arg| arg.get_env().and_then(|name| name.to_str()).expect("a variable")).collect();
    assert!(all.len() > 20 && all.contains(&"HAULIER_MAX_REQUESTS"), "{all:?}");
    let stores =
        &["HAULIER_DATA_DIR", "HAULIER_DATABASE_URL", "HAULIER_BLOB_URL", "HAULIER_LOG", "HAULIER_LOG_FORMAT"][..];
    for (command, expected) in [
        (&[][..], &all[..]),
        (&["serve"], &all[..]),
        (&["migrate"], &["HAULIER_DATA_DIR", "HAULIER_DATABASE_URL", "HAULIER_LOG", "HAULIER_LOG_FORMAT"]),
        (
            &["healthcheck"],
            &["HAULIER_LISTEN", "HAULIER_TLS_CERT", "HAULIER_TLS_KEY", "HAULIER_LOG", "HAULIER_LOG_FORMAT"],
        ),
        (&["stats"], stores),
        (&["transfer"], stores),
        (&["transfer", "show"], stores),
        (&["transfer", "delete"], stores),
        (&["doctor"], stores),
        (&["rebuild"], stores),
    ] {
        assert_eq!(shown(command), expected, "{command:?}");
    }
}

#[test]
fn a_setting_that_is_not_shown_is_read_all_the_same() {
    let id = "0123456789abcdef0123456789abcdef";
    for flags in [
        &["--max-requests=7", "stats"][..],
        &["stats", "--max-requests=7"],
        &["--max-requests=7", "transfer", "show", id],
        &["transfer", "--max-requests=7", "show", id],
        &["transfer", "show", id, "--max-requests=7"],
    ] {
        assert_eq!(config(flags).expect("fine").max_requests, 7, "{flags:?}");
    }
    let error = config(&["doctor", "--max-requests=0"]).expect_err("refused");
    assert!(error.starts_with("HAULIER_MAX_REQUESTS: "), "{error}");
}
