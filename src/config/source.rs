//! The sources: how each is authenticated, and what is known of it beforehand.
//!
//! A source without authentication needs an explicit setting, and what a provider cannot do is
//! refused with the thing it can do.

use std::collections::{BTreeMap, HashMap};

use secrecy::ExposeSecret;

use super::combination::impossible_in;
use super::file::Table;
use super::header::{fits_header, secret_header, signature_header};
use super::secret::Secrets;
use super::value::{boolean, header_name, text, word};
use super::{Origin, PullSettings, Source};
use crate::model::{MessageType, digits, is_phone_number, quoted};
use crate::providers::Provider;
use crate::providers::authentication::{
    Algorithm, Authentication, Content, Encoding, Method, Signature,
};

/// Keys that authenticate, beside those of a provider's own signature.
pub(super) const CONFIGURED: [&str; 4] = ["header", "basic_auth", "hmac", "url_token"];

/// Keys of the handshake.
pub(super) const VERIFY: [&str; 2] = ["verify_token", "verify_tokens"];

/// Every `[[source]]` of the file; notes where each stands.
pub(super) fn sources(
    root: &Table<'_>,
    secrets: &Secrets<'_>,
    origins: &mut BTreeMap<String, Origin>,
) -> Vec<Source> {
    let Some(item) = root.get("source") else {
        return Vec::new();
    };
    if item.is_table() {
        item.fault("write [[source]], in two brackets: there may be several");
        return Vec::new();
    }
    let mut first: HashMap<String, Origin> = HashMap::new();
    let mut sources = Vec::new();
    for element in item.elements() {
        let Some(table) = element.table() else {
            continue;
        };
        let origin = table.origin();
        let Some(source) = source(table, secrets) else {
            continue;
        };
        if let Some(other) = first.insert(source.name.clone(), origin.clone()) {
            element.fault(format!(
                "the name {} is taken by the source at {other}: names make URLs and must differ",
                quoted(&source.name)
            ));
        }
        origins.insert(format!("source.{}", source.name), origin);
        sources.push(source);
    }
    sources
}

/// One source; `None` after a fault that leaves nothing to build.
fn source(table: Table<'_>, secrets: &Secrets<'_>) -> Option<Source> {
    // From here on faults call it by its name instead of its place in the list.
    let known_as = table.get("name").and_then(|item| item.as_str());
    let table = match known_as.map(name) {
        Some(Ok(name)) => table.called(format!("source.{name}")),
        _ => table,
    };
    let name = table.required_quoted("name", name);
    let provider: Option<Provider> = table.required("provider", word);
    let methods = methods(&table, secrets, provider);
    let verify_tokens = secrets.all(&table, "verify_token", "verify_tokens");
    let default_type = table.parsed("default_type", word);
    let sender = table.parsed("sender", number);
    let senders = table.get("senders").map(|item| item.elements());
    let senders = senders.into_iter().flatten();
    let senders = senders.filter_map(|item| item.parsed(number)).collect();
    let owners = table.get("owners").map(|item| item.elements());
    let owners = owners.into_iter().flatten();
    let owners = owners
        .filter_map(|item| item.quoted("a name in quotes", owner))
        .collect();
    let unauthenticated = table.parsed("unauthenticated", boolean);
    let pull = provider.and_then(|provider| provider.definition().pull);
    let pulled = pull.map(|pull| PullSettings::of(&table, secrets, pull));
    if let Some(provider) = provider {
        refuse_misfits(&table, provider);
        require_authentication(&table, provider, unauthenticated.unwrap_or(false));
    }
    let identity = name.zip(provider);
    let source = identity.map(|(name, provider)| Source {
        name,
        provider,
        authentication: Authentication { methods },
        verify_tokens,
        default_type: default_type.unwrap_or(MessageType::Template),
        sender,
        senders,
        owners,
        pulled,
    });
    for text in source.iter().flat_map(impossible_in) {
        table.fault(text);
    }
    table.finish();
    source
}

/// Everything that is configured to authenticate; all of it must hold.
fn methods(table: &Table<'_>, secrets: &Secrets<'_>, provider: Option<Provider>) -> Vec<Method> {
    let own = own_signature(table, secrets, provider);
    let configured = [
        header(table, secrets),
        basic_auth(table, secrets),
        hmac(table, secrets),
        url_token(table, secrets),
    ];
    own.into_iter()
        .chain(configured.into_iter().flatten())
        .collect()
}

/// The signature that the provider makes by a scheme of its own.
fn own_signature(
    table: &Table<'_>,
    secrets: &Secrets<'_>,
    provider: Option<Provider>,
) -> Option<Method> {
    let mut own = None;
    for candidate in Provider::ALL {
        let Some(signature) = &candidate.definition().credentials.signature else {
            continue;
        };
        // Read whatever the provider is: a key of another's is known, and refused as a misfit.
        let [one, several] = signature.settings;
        let secrets = secrets.all(table, one, several);
        if provider == Some(candidate) && !secrets.is_empty() {
            own = Some(Method::Signature((signature.of)(secrets)));
        }
    }
    own
}

/// The keys of every provider's own signature, each with whose it is.
pub(super) fn own_keys() -> impl Iterator<Item = (&'static str, Provider)> {
    Provider::ALL.into_iter().flat_map(|provider| {
        let own = provider.definition().credentials.signature.iter();
        own.flat_map(|own| own.settings)
            .map(move |key| (key, provider))
    })
}

fn header(table: &Table<'_>, secrets: &Secrets<'_>) -> Option<Method> {
    let header = table.get("header")?.table()?;
    let name = header.required_quoted("name", secret_header);
    let value = secrets.required(&header, "value");
    // What no request can carry would refuse every webhook.
    let value = value.filter(|value| fits_header(&header, "value", value.expose_secret()));
    header.finish();
    Some(Method::Header {
        name: name?,
        value: value?,
    })
}

fn basic_auth(table: &Table<'_>, secrets: &Secrets<'_>) -> Option<Method> {
    let basic = table.get("basic_auth")?.table()?;
    let username = basic.required_quoted("username", |username| match username {
        "" => Err("is empty".to_owned()),
        // RFC 7617: the first colon ends the user name.
        _ if username.contains(':') => Err("a user name cannot hold a colon".to_owned()),
        _ if username.contains(char::is_control) => {
            Err("a user name cannot hold control characters".to_owned())
        }
        _ => Ok(username.to_owned()),
    });
    let password = secrets.required(&basic, "password").filter(|password| {
        let fits = !password.expose_secret().contains(char::is_control);
        if !fits && let Some(item) = basic.get("password") {
            item.fault("a password cannot hold control characters, a line end included");
        }
        fits
    });
    basic.finish();
    Some(Method::Basic {
        username: username?,
        password: password?,
    })
}

fn hmac(table: &Table<'_>, secrets: &Secrets<'_>) -> Option<Method> {
    let hmac = table.get("hmac")?.table()?;
    let header = hmac.required_quoted("header", signature_header);
    let algorithm: Option<Algorithm> = hmac.required("algorithm", word);
    let encoding: Option<Encoding> = hmac.required("encoding", word);
    let prefix = hmac.get("prefix");
    let prefix = prefix.and_then(|item| item.quoted("a text in quotes", text));
    let timestamp_header = hmac.parsed("timestamp_header", header_name);
    let keys = secrets.all(&hmac, "secret", "secrets");
    if !hmac.has("secret") && !hmac.has("secrets") {
        hmac.fault("secret is missing");
    }
    hmac.finish();
    if keys.is_empty() {
        return None;
    }
    Some(Method::Signature(Signature {
        header: header?,
        algorithm: algorithm?,
        encoding: encoding?,
        prefix,
        secrets: keys,
        timestamp_header,
        content: Content::Body,
    }))
}

fn url_token(table: &Table<'_>, secrets: &Secrets<'_>) -> Option<Method> {
    let token = secrets.optional(table, "url_token")?;
    // The unreserved characters of RFC 3986: all others a client may encode in its own way.
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let text = token.expose_secret();
    // Clients take these two segments out of a path.
    if !text.bytes().all(legal) || [".", ".."].contains(&text) {
        let item = table.get("url_token")?;
        item.fault(
            "a token stands in a URL: use letters, digits, -, _, . and ~ alone, and more than dots",
        );
        return None;
    }
    Some(Method::UrlToken(token))
}

/// Refuses what the provider would never present.
fn refuse_misfits(table: &Table<'_>, provider: Provider) {
    let refuse = |key: &str, why: &str| {
        if let Some(item) = table.get(key) {
            item.fault(format!("not with provider {provider}: {why}"));
        }
    };
    if provider.is_pulled() {
        let keys = own_keys().map(|(key, _)| key).chain(CONFIGURED);
        for key in keys.chain(VERIFY) {
            refuse(
                key,
                "it sends nothing, it is polled; give url and authorization",
            );
        }
        return;
    }
    let pushes = format!(
        "it sends by itself, only {} is polled; remove it",
        Provider::pulled()
    );
    for key in PullSettings::keys() {
        refuse(key, &pushes);
    }
    let credentials = &provider.definition().credentials;
    for (key, remedy) in credentials.misfits {
        refuse(key, remedy);
    }
    let is_explained = |key| credentials.misfits.iter().any(|(known, _)| *known == key);
    let own = credentials.signature.as_ref();
    let is_own = |key| own.is_some_and(|own| own.settings.contains(&key));
    for (key, owner) in own_keys() {
        if !is_own(key) && !is_explained(key) {
            let means = credentials.any_of.join(", ");
            refuse(key, &format!("it belongs to {owner}: give {means}"));
        }
    }
    for key in VERIFY {
        if !credentials.handshake && !is_explained(key) {
            refuse(key, "it checks no URL by a GET: remove it");
        }
    }
}

/// Either something authenticates or a setting says that nothing does.
fn require_authentication(table: &Table<'_>, provider: Provider, unauthenticated: bool) {
    // Looked up by key, not by what came of it: a faulty method has its own fault already.
    let credentials = &provider.definition().credentials;
    let means = credentials.any_of;
    if unauthenticated {
        let all = own_keys().map(|(key, _)| key).chain(CONFIGURED);
        if all.chain(means.iter().copied()).any(|key| table.has(key)) {
            table
                .fault("unauthenticated = true contradicts what else is given: remove one of them");
        }
    } else if !means.iter().any(|key| table.has(key)) {
        table.fault(credentials.missing);
    }
}

/// Whose tokens may register messages of the source; as `token create --owner` has it.
fn owner(text: &str) -> Result<String, String> {
    if is_name(text) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "{text} cannot be an owner: write what `token create --owner` was given, 1 to 64 of a-z, 0-9 and -",
        text = quoted(text)
    ))
}

fn is_name(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=64).contains(&text.len()) && text.bytes().all(legal)
}

fn name(text: &str) -> Result<String, String> {
    if is_name(text) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "{text} cannot be a name: it makes the URL /webhooks/{{name}}, so write 1 to 64 of a-z, 0-9 and -",
        text = quoted(text)
    ))
}

/// A number of the business, in any spelling; Meta's id of a number, of digits too, passes.
fn number(given: &str) -> Result<String, String> {
    let given = text(given)?;
    if is_phone_number(&digits(&given)) {
        return Ok(given);
    }
    Err(format!(
        "{given} is not a phone number: write it with its country code, e.g. \"+385910009999\"",
        given = quoted(&given)
    ))
}
