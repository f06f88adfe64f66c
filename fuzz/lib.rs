//! What every target that parses checks of what it got.

use tickrelay::providers::{Hints, Item, Provider};

/// Parses a body as it is and as if it were compressed.
///
/// # Panics
/// When the parser does, or breaks a promise of its documentation.
pub fn parse(provider: Provider, body: &[u8]) {
    let hints = Hints {
        senders: vec!["385910009999".to_owned()],
        broadcast: Some("bc-1".to_owned()),
        ..Hints::default()
    };
    for encoding in [None, Some("gzip"), Some("deflate")] {
        let parsed = provider.parse(body, encoding, &hints);
        assert_eq!(parsed, provider.parse(body, encoding, &hints));
        for item in parsed.iter().flat_map(|parsed| &parsed.items) {
            match item {
                Item::Report(report) => {
                    assert_eq!(report.identity(), report.clone().identity());
                }
                Item::Account(event) => assert!(!event.field.is_empty()),
                Item::SamePerson(names) => assert!(names.len() >= 2, "{names:?}"),
                Item::Ignored(what) => assert!(what.chars().count() <= 64, "{what}"),
                Item::Unreadable(why) => assert!(!why.is_empty()),
            }
        }
    }
}
