//! Free maps of parameters: what is one parameter, and what is none.
#![cfg(feature = "alloc")]

use fastws_core::canonical::{Style, canonical};
use fastws_core::topic_route::Params;

fn params(text: &str) -> Params {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn a_number_or_boolean_is_alike_to_its_text() {
    let rows = [
        ("10", "10"),
        ("10.0", "10"),
        ("1e1", "10"),
        ("-1", "-1"),
        ("18446744073709551615", "18446744073709551615"),
        ("9223372036854775809", "9223372036854775809"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("0.5", "0.5"),
        ("1e-7", "1e-7"),
        ("1e16", "10000000000000000"),
        ("true", "true"),
        (r#""10""#, "10"),
        (r#""1.0""#, "1.0"),
    ];
    for (written, text) in rows {
        let params = params(&format!(r#"{{"p": {written}}}"#));
        let quoted = format!(r#"{{"p":"{text}"}}"#);
        assert_eq!(params.text("p", "default"), text);
        assert_eq!(params, self::params(&quoted));
        for style in [Style::Rfc8785, Style::Python] {
            assert_eq!(canonical(style, &params).as_ref(), Ok(&quoted));
        }
    }
}

#[test]
fn what_is_missing_or_null_has_its_default() {
    for written in ["null", "{}", r#"{"p": null}"#, r#"{"q": "1"}"#] {
        assert_eq!(params(written).text("p", "default"), "default");
    }
    assert_eq!(params(r#"{"p": ""}"#).text("p", "default"), "");
    assert_eq!(params("null"), params("{}"));
}

#[test]
fn the_last_of_two_parameters_of_one_name_wins() {
    assert_eq!(params(r#"{"p": 1, "p": 2}"#).text("p", "default"), "2");
}

#[test]
fn lists_and_objects_stay_as_they_are() {
    let params = params(r#"{"p": [10, "10", {"b": 1.5, "a": null}]}"#);
    assert_eq!(params.text("p", "default"), r#"[10,"10",{"a":null,"b":1.5}]"#);
    let text = canonical(Style::Rfc8785, &params);
    assert_eq!(text.as_deref(), Ok(r#"{"p":[10,"10",{"a":"","b":1.5}]}"#));
}

// law: 11
#[test]
fn a_number_beyond_64_bits_does_not_validate_at_any_depth() {
    for number in [
        "18446744073709551616",
        "18446744073709551617",
        "-9223372036854775809",
        "1e20",
        "-1e300",
        "1e400",
    ] {
        for around in [r#"{"p": N}"#, r#"{"p": [[N]]}"#, r#"{"p": {"q": N}}"#] {
            let text = around.replace('N', number);
            assert!(serde_json::from_str::<Params>(&text).is_err(), "{text}");
        }
    }
}

#[test]
fn parameters_are_an_object() {
    for text in ["[]", "1", "\"\"", "true", r#"[["p", 1]]"#] {
        assert!(serde_json::from_str::<Params>(text).is_err(), "{text}");
    }
}
