//! Every spelling of a number in any surrounding is found, and no other number is.

use proptest::prelude::*;

use super::*;

const NUMBER: &str = "385990001122";

fn spells(text: &str, number: &str) -> bool {
    let numbers = [number.to_owned()];
    in_any_layer(text, |text| !places(text, &numbers).is_empty())
}

#[test]
fn a_number_is_found_in_any_spelling() {
    for text in [
        NUMBER,
        "00385990001122",
        "00 385 99 000 1122",
        "+385 (99) 000.11.22",
        "+385 (0) 99 000 1122",
        "+385(0)99/000-1122",
        "+385 [0] 99 0001122",
        "[385][99][000][1122]",
        "{385} {99} 0001122",
        "385,990,001,122",
        "385_99_000_1122",
        "385\r\n  99\t000\n1122",
        "385\u{a0}99\u{2009}000\u{200b}11\u{feff}22",
        "385\u{2011}99\u{2013}000\u{ad}1122",
        "38599123456 385990001122 385991234567",
        "385990001122 12345",
        "12345 385990001122",
        "+385991234567, 385990001122",
        "Sun, 29 Nov 2026 21:06:50 +0100; 385 99 000 1122",
        "21:06:50 +0100 385 99 000 1122",
        "[29/Nov/2026:21:06:50 +0000] (385) 99-000-1122",
        "2026-11-29T21:06:50+01:00,385990001122",
        r#"["2026-11-29T21:06:50+01:00","385990001122"]"#,
        "10:00 UTC+2 / 385990001122",
        "+1, 385990001122",
        "+1; 385990001122",
        "votes: +12\n385990001122",
        "+01 385990001122",
        "+1 23 385990001122",
        "+1234 385990001122",
        "+385991234567+385990001122",
        "+385 99 000 1122 7",
        r"385\u00a099\n000\/11\t22",
        r"\u002b385990001122",
        r"\u0033\u00385990001122",
        r#"{\"to\":\"\\u002b385 99\\u00a0000 1122\"}"#,
        r"\ud835\udfef85990001122",
        "385+99+000+1122",
        "a=1&to=385%2099%20000%201122&b=2",
        "to=%2B385990001122&x=1",
        "to=%252B385%252099%2520000%25201122",
        "385%C2%A099%E2%80%91000%201122",
        "100%385990001122",
        "385&nbsp;99&#160;000&#x2011;1122",
        "٣٨٥ ٩٩ ٠٠٠ ١١٢٢",
        "３８５９９０００１１２２",
        "%D9%A3%D9%A8%D9%A5990001122",
        "x385990001122y",
        "385990001122@s.whatsapp.net",
        "https://wa.me/385990001122?text=a",
    ] {
        assert!(spells(text, NUMBER), "{text:?}");
    }
}

#[test]
fn another_number_and_a_longer_string_of_digits_are_not_it() {
    for text in [
        "",
        "1385990001122",
        "3859900011220",
        "10385990001122",
        "1760385990001122000",
        "+1 385 990 001 122",
        "+1-385-99000.1122",
        "+1(385)99000/1122",
        "+12 [385] 990001122",
        "+123.385.990001122",
        "+1\u{a0}385\u{2011}990001122",
        "%2B1+385+99000+1122",
        "%2b1%20385%20990001122",
        r"\u002b1 385 99000 1122",
        "+385 99 000 112",
        "+385 99 000 1123",
        "385 99 and 0001122",
        r"\u0031385990001122",
        "99 000 1122",
        "385 99            0001122",
    ] {
        assert!(!spells(text, NUMBER), "{text:?}");
    }
}

#[test]
fn the_place_is_the_number_as_it_is_written() {
    let text = "ask +385 (0)99 000-1122, or 1385990001122";
    let found = places(text, &[NUMBER.to_owned()]);
    let shown: Vec<&str> = found.into_iter().map(|place| &text[place]).collect();
    assert_eq!(shown, ["385 (0)99 000-1122"]);
}

/// A number with its country code.
fn number() -> impl Strategy<Value = String> {
    "[1-9][0-9]{6,14}"
}

/// What may stand between two digits, plainly or escaped.
fn between() -> impl Strategy<Value = String> {
    const SIGNS: &str =
        " \t\r\n-_.,/:;()[]{}*#'\"|~\u{a0}\u{ad}\u{2009}\u{200b}\u{202f}\u{2011}\u{2014}\u{feff}";
    let sign = prop::sample::select(SIGNS.chars().collect::<Vec<char>>());
    prop_oneof![
        4 => Just(String::new()),
        2 => prop::collection::vec(sign, 1..=GAP).prop_map(String::from_iter),
        1 => prop::sample::select(vec![
            r"\u00a0", r"\n", r"\/", r"\\u2011", "%20", "%C2%A0", "+", "&nbsp;", "&#8209;",
        ])
        .prop_map(str::to_owned),
    ]
}

/// A digit in some script, plainly or escaped.
fn written(digit: char, way: usize) -> String {
    let value = u32::from(digit) - u32::from('0');
    let of = |zero: u32| char::from_u32(zero + value).unwrap_or(digit);
    match way {
        0 => of(0x660).to_string(),
        1 => of(0xff10).to_string(),
        2 => format!("\\u{:04x}", u32::from(digit)),
        3 => format!("&#{};", u32::from(digit)),
        _ => digit.to_string(),
    }
}

/// What stands around a number, without a digit that adjoins it and without a country code.
fn around() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z{}\\[\\]\":, ]{0,20}",
        "[0-9]{1,20}".prop_map(|digits| format!(" {digits} ")),
        "[0-9]{7,15}".prop_map(|digits| format!(", +{digits}; ")),
        "[0-9]{4}-[0-9]{2}-[0-9]{2}".prop_map(|day| format!("\"{day}\",")),
        "[+-](0[0-9]|1[0-4]):?[0-5][0-9][\\]; ]?",
        "UTC[+-][0-9]{1,2}[,;/]",
    ]
}

proptest! {
    #[test]
    fn each_spelling_in_any_surrounding_is_found(
        number in number(),
        gaps in prop::collection::vec(between(), 15),
        ways in prop::collection::vec(0_usize..12, 15),
        plus in prop::sample::select(vec!["", "+", "00", "%2B", "tel:", "("]),
        before in around(),
        after in around(),
    ) {
        let mut text = format!("{before} {plus}");
        for ((digit, gap), way) in number.chars().zip(&gaps).zip(ways) {
            text.push_str(&written(digit, way));
            text.push_str(gap);
        }
        text.push(';');
        text.push_str(&after);
        prop_assert!(spells(&text, &number), "{text:?}");
    }

    #[test]
    fn a_trunk_zero_after_the_country_code_is_passed_over(
        number in number(),
        code in 1_usize..4,
        trunk in prop::sample::select(vec!["(0)", " (0) ", " [0]", "-(0)-", "\\u00a0(0)\\n"]),
    ) {
        let (country, rest) = number.split_at(code);
        let text = format!("+{country}{trunk}{rest}");
        prop_assert!(spells(&text, &number), "{text:?}");
    }

    #[test]
    fn a_longer_string_of_digits_is_never_it(
        number in number(),
        first in "[1-9][0-9]{0,8}",
        last in "[0-9]{1,8}",
        before in "[a-z {}\":,+]{0,10}",
        after in "[a-z {}\":,+]{0,10}",
    ) {
        for text in [
            format!("{before}{first}{number}{after}"),
            format!("{before}{number}{last}{after}"),
            format!("{before}{first}{number}{last}{after}"),
        ] {
            let inner = |text: &str| text.matches(&number).count() == 1;
            prop_assume!(inner(&text));
            prop_assert!(!spells(&text, &number), "{text:?}");
        }
    }

    #[test]
    fn another_number_is_never_it(
        number in number(),
        other in number(),
        gaps in prop::collection::vec("[ ().-]{0,3}", 15),
    ) {
        prop_assume!(other != number && !other.contains(&number));
        let mut text = String::from("+");
        for (digit, gap) in other.chars().zip(&gaps) {
            text.push(digit);
            text.push_str(gap);
        }
        prop_assert!(!spells(&text, &number), "{text:?}");
    }

    #[test]
    fn no_text_is_too_odd(text in any::<String>(), escaped in "[\\\\%&#xu0-9a-f;{}(+]{0,40}") {
        spells(&text, NUMBER);
        spells(&escaped, NUMBER);
    }
}
