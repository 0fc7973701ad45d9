//! The command line takes what its help says, and refuses the rest.

use clap::CommandFactory as _;

use super::*;

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn lifetimes() {
    for (text, seconds) in [("1s", 1), ("30m", 1_800), ("12h", 43_200), ("7d", 604_800), ("2w", 1_209_600)] {
        assert_eq!(parse_lifetime(text), Ok(Duration::from_secs(seconds)), "{text}");
    }
    for text in ["", "7", "d", "-7d", "7 d", "7D", "1.5h", "7é", "99999999999999999999d", "18446744073709551615w"] {
        assert!(parse_lifetime(text).is_err(), "{text}");
    }
}

#[test]
fn sizes() {
    for (text, bytes) in
        [("65536", 65_536), ("960KiB", 983_040), ("8MiB", 8 << 20), ("8 MiB", 8 << 20), ("8M", 8 << 20)]
    {
        assert_eq!(parse_size(text), Ok(bytes), "{text}");
    }
    for text in ["", "MiB", "8MB", "-1", "8.5MiB", "8GiB", "99999999999999999999"] {
        assert!(parse_size(text).is_err(), "{text}");
    }
}

#[test]
fn a_passphrase_is_never_an_argument() {
    assert!(Cli::try_parse_from(["haulier", "send", "a", "--passphrase=secret"]).is_err());
    let cli = Cli::try_parse_from(["haulier", "send", "--passphrase", "secret", "a"]).unwrap();
    let Command::Send(args) = cli.command else { panic!("send") };
    assert_eq!(args.paths.len(), 2, "it is one more file, which there is not");
    assert!(Cli::try_parse_from(["haulier", "send", "a", "--passphrase", "--passphrase-only"]).is_err());
    assert!(Cli::try_parse_from(["haulier", "send", "a", "--passphrase"]).is_ok());
}

#[test]
fn get_takes_a_link_or_a_dash() {
    for link in ["-", "https://send.example.org/#00112233445566778899aabbccddeeff/AAAA"] {
        let cli = Cli::try_parse_from(["haulier", "get", link, "-o", "x", "--force", "--parallel", "3"]).unwrap();
        let Command::Get(args) = cli.command else { panic!("get") };
        assert_eq!(args.link, link);
        assert_eq!(args.common.parallel.get(), 3);
    }
    assert!(Cli::try_parse_from(["haulier", "get", "-", "--parallel", "0"]).is_err());
}

#[test]
fn what_makes_no_sense_is_told_with_what_would() {
    let told = |arguments: &[&str]| {
        let error = Cli::try_parse_from([&["haulier", "send", "a"][..], arguments].concat()).unwrap_err();
        error.to_string()
    };
    assert!(told(&["--parallel", "0"]).contains("at once, at least 1"));
    assert!(told(&["--parallel", "many"]).contains("at once, at least 1"));
    assert!(told(&["--downloads", "0"]).contains("without --downloads there is no limit"));
    assert!(told(&["--downloads", "9007199254740992"]).contains("expected a number"));
    assert!(told(&["--name", ""]).contains("at least one character"));
    assert!(told(&["--name", " "]).contains("at least one character"));
    assert!(Cli::try_parse_from(["haulier", "send", "a", "--downloads", "9007199254740991", "--name", "x"]).is_ok());
}

#[test]
fn every_exit_code_is_in_the_help() {
    let help = reference::exit_codes();
    for (code, meaning) in reference::EXIT_STATUS {
        assert!(help.contains(&format!("{code:>3}  {meaning}")), "{help}");
    }
}
