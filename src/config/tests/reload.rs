//! What is applied of a configuration that is read again, and what needs a restart.

use super::super::{Changes, Config};
use super::resolve;
use crate::providers::Provider;

/// A configuration with one source, `a`.
fn config(provider: Provider, settings: &str) -> Config {
    let server = "[server]\npublic_url = 'https://relay.example.com'";
    let source = format!("[[source]]\nname = 'a'\nprovider = '{provider}'\n{settings}");
    resolve(&format!("{server}\n{source}\n")).unwrap().config
}

#[test]
fn the_secrets_of_every_providers_own_signature_are_applied_at_once() {
    for provider in Provider::ALL {
        let Some(own) = &provider.definition().credentials.signature else {
            continue;
        };
        let [one, several] = own.settings;
        let before = config(provider, &format!("{one} = 'first'"));
        let applied = Changes {
            proofs: vec!["a".to_owned()],
            ..Changes::default()
        };
        for secrets in [
            format!("{one} = 'second'"),
            format!("{several} = ['first', 'second']"),
        ] {
            let read = config(provider, &secrets);
            assert_eq!(Changes::between(&before, &read), applied, "{provider}");
        }
        let read = config(provider, &format!("{one} = 'first'\nowners = ['team']"));
        let changes = Changes::between(&before, &read);
        assert_eq!(changes.restart, ["source.a"], "{provider}");
    }
}
