//! Every number at the ends of its range.

use super::*;

#[test]
fn only_the_shortest_decimal_is_a_number() {
    for (text, value) in [("0", 0), ("7", 7), ("10", 10), ("18446744073709551615", u64::MAX)] {
        assert_eq!(parse_decimal(text, 0, u64::MAX), Ok(value));
    }
    let refused = [
        "",
        " ",
        "00",
        "01",
        "+1",
        "-1",
        "-0",
        "1.0",
        "1e0",
        "0x1",
        "1 ",
        " 1",
        "1_0",
        "1,0",
        "\u{661}",
        "a",
        "18446744073709551616",
        "99999999999999999999999999",
    ];
    for text in refused {
        assert_eq!(parse_decimal(text, 0, u64::MAX), Err(NumberError { min: 0, max: u64::MAX }), "{text:?}");
    }
}

/// The smallest and the largest value as text, then what lies just outside.
fn check_range<T>(accepted: [&str; 2], refused: &[&str])
where
    T: FromStr<Err = NumberError> + fmt::Display + fmt::Debug + PartialEq + for<'de> Deserialize<'de> + Serialize,
{
    for text in accepted {
        let value: T = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(value.to_string(), text);
        assert_eq!(serde_json::to_string(&value).unwrap(), text);
        assert_eq!(serde_json::from_str::<T>(text).unwrap(), value);
    }
    for text in refused {
        assert!(text.parse::<T>().is_err(), "{text}");
        assert!(serde_json::from_str::<T>(text).is_err(), "{text} in JSON");
    }
}

#[test]
fn every_number_accepts_its_last_value_and_refuses_the_next() {
    check_range::<ChunkIndex>(["0", "4294967294"], &["-1", "4294967295", "4294967296", "18446744073709551616"]);
    check_range::<ChunkCount>(["1", "4294967295"], &["0", "-1", "4294967296"]);
    check_range::<ByteLen>(["0", "9007199254740991"], &["-1", "9007199254740992", "9223372036854775808"]);
}

#[test]
fn json_takes_whole_numbers_alone() {
    for text in ["1.5", "1.0", "1e0", "\"8\"", "true", "null", "[1]", "{}", "-0"] {
        assert!(serde_json::from_str::<ByteLen>(text).is_err(), "{text}");
    }
}

#[test]
fn new_takes_the_same_range_as_text() {
    assert_eq!(ChunkIndex::new(u32::MAX - 1), Some(ChunkIndex::MAX));
    assert_eq!(ChunkIndex::new(u32::MAX), None);
    assert_eq!(ChunkCount::new(0), None);
    assert_eq!(ChunkCount::new(u32::MAX), Some(ChunkCount::MAX));
    assert_eq!(ByteLen::new(MAX_SAFE_INTEGER), Some(ByteLen::MAX));
    assert_eq!(ByteLen::new(MAX_SAFE_INTEGER + 1), None);
}
