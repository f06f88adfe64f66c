//! The catalogue is complete, its words are fit to be read, and it finds what is meant.

use std::collections::BTreeSet;

use super::*;

/// Every number that the On-Premises API is known to report.
const ON_PREMISES: [i64; 79] = [
    400, 401, 402, 408, 410, 429, 430, 432, 433, 470, 471, 472, 480, 500, 501, 1000, 1001, 1002,
    1004, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1013, 1014, 1015, 1016, 1017, 1018, 1021, 1022,
    1023, 1024, 1025, 1026, 1028, 1031, 2000, 2001, 2002, 2003, 2004, 2005, 2006, 2007, 2008, 2009,
    2010, 2011, 2012, 2013, 2014, 2015, 2016, 2017, 2023, 2024, 2025, 2026, 2027, 2028, 2029, 2030,
    2036, 2050, 2060, 2061, 2062, 2068, 2069, 506, 131_043, 131_001, 131_002, 131_006, 136_025,
];

/// Every number of the Cloud API outside 200 to 299.
const CLOUD: [i64; 150] = [
    0, 1, 2, 3, 4, 10, 33, 100, 104, 190, 368, 80_007, 80_008, 130_403, 130_429, 130_472, 130_497,
    130_501, 131_000, 131_005, 131_008, 131_009, 131_014, 131_016, 131_020, 131_021, 131_026,
    131_030, 131_031, 131_037, 131_041, 131_042, 131_045, 131_047, 131_048, 131_049, 131_050,
    131_051, 131_052, 131_053, 131_055, 131_056, 131_057, 131_058, 131_059, 131_062, 131_063,
    131_064, 131_201, 131_202, 131_204, 131_207, 131_208, 131_209, 131_210, 131_211, 131_212,
    131_213, 131_214, 131_215, 132_000, 132_001, 132_005, 132_007, 132_012, 132_015, 132_016,
    132_018, 132_068, 132_069, 133_000, 133_001, 133_002, 133_003, 133_004, 133_005, 133_006,
    133_007, 133_008, 133_009, 133_010, 133_015, 133_016, 134_011, 134_100, 134_101, 134_102,
    135_000, 200_005, 200_006, 200_007, 1_752_041, 2_388_012, 2_388_019, 2_388_039, 2_388_040,
    2_388_047, 2_388_072, 2_388_073, 2_388_091, 2_388_093, 2_388_103, 2_388_293, 2_388_299,
    2_494_100, 2_593_107, 2_593_108, 613, 131_044, 132_008, 136_024, 137_000, 138_000, 138_001,
    138_002, 138_003, 138_004, 138_005, 138_006, 138_007, 138_009, 138_012, 138_013, 138_018,
    139_000, 139_001, 139_002, 139_003, 139_004, 139_100, 139_101, 139_102, 139_103, 139_200,
    147_001, 147_002, 147_003, 147_004, 147_005, 2_388_318, 2_388_330, 2_494_164, 2_494_165,
    2_494_166, 2_494_167, 2_494_168, 2_494_176, 2_494_177, 2_494_179, 2_593_109,
];

const INFOBIP_STATUSES: [i64; 53] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25,
    26, 29, 31, 51, 52, 56, 65, 66, 68, 69, 70, 71, 73, 74, 77, 87, 96, 97, 98, 99, 100, 200, 202,
    203, 204, 205, 206,
];

const INFOBIP_CHAT: [i64; 49] = [
    7001, 7002, 7003, 7004, 7005, 7006, 7007, 7008, 7009, 7010, 7011, 7012, 7013, 7014, 7015, 7016,
    7017, 7018, 7019, 7020, 7021, 7022, 7023, 7024, 7025, 7026, 7027, 7029, 7030, 7031, 7032, 7033,
    7034, 7035, 7036, 7037, 7038, 7050, 7051, 7052, 7080, 7081, 7082, 7083, 7084, 7102, 7201, 7280,
    7281,
];

const INFOBIP_GENERAL: [i64; 148] = [
    0, 1, 2, 5, 6, 27, 7, 8, 9, 12, 11, 13, 21, 31, 32, 33, 34, 35, 36, 255, 256, 257, 258, 259,
    260, 261, 262, 500, 502, 503, 504, 507, 508, 509, 565, 573, 581, 628, 629, 1024, 1025, 1026,
    1027, 1028, 1029, 1030, 1031, 1152, 1153, 1154, 1155, 1156, 1157, 1158, 1159, 1160, 1161, 1162,
    1163, 1164, 1165, 1166, 1281, 1282, 1283, 1284, 1536, 1537, 1538, 1539, 1540, 1541, 1792, 1793,
    1794, 1795, 1796, 323, 352, 355, 368, 351, 433, 541, 542, 572, 577, 578, 579, 580, 594, 597,
    598, 601, 603, 604, 607, 608, 609, 2049, 2052, 2053, 3041, 4096, 4099, 4100, 4101, 4102, 4103,
    4104, 4202, 10, 15, 20, 24, 71, 501, 51, 345, 375, 488, 560, 561, 562, 563, 564, 566, 568, 569,
    574, 592, 571, 630, 631, 632, 633, 810, 811, 815, 2048, 2051, 4097, 4098, 2050, 5492, 4106,
    4107, 4158,
];

fn check_present(scheme: &str, codes: impl IntoIterator<Item = i64>) {
    let missing: Vec<_> = codes
        .into_iter()
        .filter(|code| {
            let key = format!("{scheme}:{code}");
            find(&key).is_none_or(|entry| entry.key != key || entry.code != Some(*code))
        })
        .collect();
    assert_eq!(missing, [0_i64; 0], "{scheme}");
}

#[test]
fn every_known_code_has_its_entry() {
    check_present("meta", ON_PREMISES);
    check_present("meta", CLOUD);
    check_present("meta", 200..=299);
    check_present("infobip-status", INFOBIP_STATUSES);
    check_present("infobip", INFOBIP_CHAT);
    check_present("infobip", INFOBIP_GENERAL);
}

#[test]
fn keys_are_unique_and_name_their_provider_and_code() {
    let mut keys = BTreeSet::new();
    for entry in all() {
        let key = &entry.key;
        assert!(keys.insert(key), "{key} is there twice");
        let (scheme, word) = key.split_once(':').unwrap();
        assert_eq!(scheme.trim_end_matches("-status"), entry.provider, "{key}");
        assert_eq!(word.parse().ok(), entry.code, "{key}");
        assert!(std::ptr::eq(find(key).unwrap(), entry), "{key}");
    }
}

#[test]
fn an_odd_key_is_simply_not_found() {
    for key in [
        "",
        ":",
        "meta",
        "meta:",
        "meta:0131026",
        "META:131026",
        "infobip:7028",
        "x:1",
        "é",
    ] {
        assert_eq!(find(key), None, "{key}");
    }
}

#[test]
fn the_words_are_whole_sentences_of_a_readable_length() {
    for entry in all() {
        let CatalogueEntry {
            key,
            name,
            meaning,
            remedy,
            ..
        } = entry;
        assert!(!name.trim().is_empty(), "{key} has no name");
        for (words, least, most) in [(meaning, 20, 220), (remedy, 11, 240)] {
            let length = words.chars().count();
            assert!(
                (least..=most).contains(&length),
                "{key}: {length} letters: {words}"
            );
            assert!(words.ends_with('.'), "{key}: no full stop: {words}");
            assert!(words.starts_with(char::is_uppercase), "{key}: {words}");
            assert!(
                !words.contains(['\n', '\t']) && !words.contains("  "),
                "{key}: {words}"
            );
        }
        assert!(
            entry.sentence().chars().count() <= 260,
            "{key}: {}",
            entry.sentence()
        );
    }
}

#[test]
fn a_sentence_says_what_happened_and_who_can_fix_it() {
    let sentence = |key| find(key).unwrap().sentence();
    assert_eq!(
        sentence("infobip:7002"),
        "The recipient's number is not on WhatsApp. Can be fixed by the recipient."
    );
    assert_eq!(
        sentence("infobip-status:5"),
        "The message has arrived on the recipient's device. There is nothing to fix."
    );
}

#[test]
fn the_two_hard_ones_have_articles_of_several_paragraphs() {
    for (key, must_speak_of) in [
        (
            "meta:410",
            ["time to live", "30 days", "131043", "Who has to do what"],
        ),
        (
            "meta:structure_unavailable",
            [
                "language pack",
                "`deterministic`",
                "`fallback`",
                "Who has to do what",
            ],
        ),
    ] {
        let article = find(key).unwrap().article.as_deref().unwrap();
        let paragraphs: Vec<_> = article.split("\n\n").collect();
        assert!(
            paragraphs.len() >= 5,
            "{key}: {} paragraphs",
            paragraphs.len()
        );
        for paragraph in paragraphs {
            assert!(paragraph.ends_with('.'), "{key}: {paragraph}");
        }
        for subject in must_speak_of {
            assert!(article.contains(subject), "{key}: {subject}");
        }
    }
}

#[test]
fn only_codes_that_can_mean_nothing_else_prove_a_type() {
    // Those that are listed here; which codes of another catalogue prove a type is its own affair.
    let listed = all().iter();
    let listed = listed.filter(|entry| ["infobip", "meta"].contains(&entry.provider));
    let proving = |wanted| -> Vec<_> {
        let proves = listed.clone();
        let proves = proves.filter(|entry| entry.implies == Some(wanted));
        proves.map(|entry| entry.key.as_str()).collect()
    };
    assert_eq!(
        proving(MessageType::Regular),
        ["infobip:7010", "meta:131047", "meta:470"]
    );
    let template: BTreeSet<_> = proving(MessageType::Template).into_iter().collect();
    let mut expected: BTreeSet<_> = [
        410, 472, 2060, 2061, 2062, 130_472, 131_049, 131_050, 131_063, 132_000, 132_001, 132_005,
        132_007, 132_008, 132_012, 132_015, 132_016, 132_018, 139_200,
    ]
    .into_iter()
    .chain(2000..=2014)
    .map(|code| format!("meta:{code}"))
    .collect();
    expected
        .extend([7008, 7009, 7030, 7032, 7033, 7036, 7037].map(|code| format!("infobip:{code}")));
    expected.insert("meta:structure_unavailable".to_owned());
    assert_eq!(template, expected.iter().map(String::as_str).collect());
}

#[test]
fn each_infobip_chat_code_names_a_whatsapp_code_and_each_named_one_is_in_the_catalogue() {
    for code in INFOBIP_CHAT {
        let entry = find(&format!("infobip:{code}")).unwrap();
        assert!(entry.whatsapp_code.is_some(), "{}", entry.key);
    }
    for entry in all() {
        let Some(nearest) = entry.whatsapp_code else {
            continue;
        };
        assert!(
            find(&format!("meta:{nearest}")).is_some(),
            "{} -> {nearest}",
            entry.key
        );
    }
}

#[test]
fn hearsay_is_marked_as_such() {
    for (key, confirmed) in [
        ("infobip:7046", false),
        ("infobip:7048", false),
        ("meta:131030", false),
        ("meta:136025", false),
        ("meta:131044", false),
        ("meta:132008", false),
        ("meta:136024", false),
        ("meta:2593109", false),
        ("infobip-status:22", false),
        ("meta:131026", true),
        ("infobip:7008", true),
    ] {
        assert_eq!(find(key).unwrap().confirmed, confirmed, "{key}");
    }
}

#[test]
fn the_code_with_two_causes_names_both() {
    let entry = find("meta:131062").unwrap();
    for cause in ["login code", "maximum price"] {
        assert!(entry.meaning.contains(cause), "{cause}: {}", entry.meaning);
    }
}

#[test]
fn what_infobip_calls_permanent_although_it_passes_may_be_sent_again() {
    for key in [
        "infobip:7082",
        "infobip:7050",
        "infobip:7051",
        "infobip-status:21",
    ] {
        assert_eq!(find(key).unwrap().resend, Resend::Soon, "{key}");
    }
}

#[test]
fn a_search_finds_what_is_meant() {
    fn check(term: &str, expected: &[&str]) {
        let found: Vec<_> = search(term)
            .iter()
            .map(|entry| entry.key.as_str())
            .collect();
        assert_eq!(found, expected, "{term:?}");
    }
    check("131026", &["meta:131026"]);
    check(" #131026 ", &["meta:131026"]);
    check("410", &["meta:410"]);
    check("368", &["infobip:368", "meta:368"]);
    check("8", &["infobip-status:8", "infobip:8"]);
    check("infobip:8", &["infobip-status:8", "infobip:8"]);
    check("infobip-status:8", &["infobip-status:8"]);
    check("meta:410", &["meta:410"]);
    check("structure_unavailable", &["meta:structure_unavailable"]);
    check("Structure unavailable", &["meta:structure_unavailable"]);
    let refusals = all().iter().filter(|entry| entry.is_of_send());
    let refusals: Vec<_> = refusals.map(|entry| entry.key.as_str()).collect();
    check("send refused", &refusals);
    check("sms fallback", &["infobip:sms_fallback"]);
    check("EC_UNKNOWN_USER", &["infobip:7002"]);
    check("ec_unknown_user", &["infobip:7002"]);
    check(
        "template paused",
        &["meta:132015", "meta:2061", "meta:132016", "meta:2062"],
    );
    check("experiment", &["meta:130472", "meta:472"]);
    check("EC_NNR segmentation", &["infobip:1165", "infobip:1166"]);
    check("EC_NNR_SCCPFAILURE", &["infobip:1163"]);
    check("API Permission", &["meta:200", "meta:3"]);
    check(
        "out of credit",
        &["infobip:581", "infobip-status:12", "infobip-status:206"],
    );
    check("language pack", &["meta:2003"]);
    check("deterministic fallback", &["meta:structure_unavailable"]);
    check("", &[]);
    check(" :: ", &[]);
    check("no such thing whatsoever", &[]);
}

#[test]
fn a_row_that_does_not_say_what_it_is_about_is_refused() {
    let words = "meaning = 'M.'\nremedy = 'R.'\nfix = 'sender'\nresend = 'no'\n";
    for (subject, fine) in [
        ("code = 1\nname = 'n'", true),
        ("range = [1, 3]\nname = 'n'", true),
        ("word = 'w'\nname = 'n'", true),
        ("codes = { 1 = 'a', 2 = 'b' }", true),
        ("code = 1", false),
        ("name = 'n'", false),
        ("code = 1\nword = 'w'\nname = 'n'", false),
        ("codes = { 1 = 'a' }\nname = 'n'", false),
        ("code = 1\nname = 'n'\nimplise = 'Template-Message'", false),
    ] {
        let text = format!("[[error]]\n{words}{subject}\n");
        assert_eq!(
            read([("meta", text.as_str())].into()).is_ok(),
            fine,
            "{subject}"
        );
    }
}

#[test]
fn the_documents_show_the_words_of_the_catalogue() {
    let flowing = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let entry = find("infobip:7008").unwrap();
    let shown = format!("{} {}", entry.sentence(), entry.remedy);
    for page in [
        include_str!("../../README.md"),
        include_str!("../../docs/support.md"),
    ] {
        assert!(flowing(page).contains(&flowing(&shown)), "{shown}");
    }
}
