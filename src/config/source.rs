//! The sources: who may send to each, and what is known of it beforehand.
//!
//! A source that nothing authenticates must be asked for, and what a provider cannot do is
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
use crate::providers::authentication::{Algorithm, Authentication, Encoding, Method, Signature};

/// Keys that authenticate with Meta's Cloud API.
const SIGNED_BY_META: [&str; 2] = ["app_secret", "app_secrets"];

/// Keys that authenticate with any provider but Meta's Cloud API.
const CONFIGURED: [&str; 4] = ["header", "basic_auth", "hmac", "url_token"];

/// Keys of Meta's handshake.
const VERIFY: [&str; 2] = ["verify_token", "verify_tokens"];

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
    let methods = methods(&table, secrets);
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
    let pulled = match provider {
        Some(Provider::Botsquad) => Some(PullSettings::of(&table, secrets)),
        _ => None,
    };
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
fn methods(table: &Table<'_>, secrets: &Secrets<'_>) -> Vec<Method> {
    let app_secrets = secrets.all(table, "app_secret", "app_secrets");
    let signed_by_meta =
        (!app_secrets.is_empty()).then(|| Method::Signature(Signature::hub_sha256(app_secrets)));
    [
        signed_by_meta,
        header(table, secrets),
        basic_auth(table, secrets),
        hmac(table, secrets),
        url_token(table, secrets),
    ]
    .into_iter()
    .flatten()
    .collect()
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
    if provider == Provider::Botsquad {
        for key in SIGNED_BY_META.iter().chain(&CONFIGURED).chain(&VERIFY) {
            if let Some(item) = table.get(key) {
                item.fault(
                    "not with provider botsquad: it sends nothing, it is asked; give url and authorization",
                );
            }
        }
        return;
    }
    for key in PullSettings::keys() {
        if let Some(item) = table.get(key) {
            item.fault(format!(
                "not with provider {provider}: it sends by itself, only botsquad is asked; remove it"
            ));
        }
    }
    for (key, remedy) in misfits(provider) {
        if let Some(item) = table.get(key) {
            item.fault(format!("not with provider {provider}: {remedy}"));
        }
    }
}

/// Keys that this provider has no use for, each with what to give instead.
const fn misfits(provider: Provider) -> &'static [(&'static str, &'static str)] {
    match provider {
        Provider::Botsquad => &[],
        Provider::MetaCloud => &[
            (
                "header",
                "Meta sends no header of yours: give app_secrets, with which it signs",
            ),
            (
                "basic_auth",
                "Meta sends no password: give app_secrets, with which it signs",
            ),
            (
                "hmac",
                "Meta's signature is known: give its key as app_secrets",
            ),
        ],
        Provider::MetaOnPremises | Provider::Dialog360 => &[
            (
                "app_secret",
                "only meta-cloud signs with an app secret: give header, basic_auth, hmac or url_token",
            ),
            (
                "app_secrets",
                "only meta-cloud signs with an app secret: give header, basic_auth, hmac or url_token",
            ),
            ("verify_token", "only meta-cloud asks for it: remove it"),
            ("verify_tokens", "only meta-cloud asks for it: remove it"),
        ],
        Provider::Infobip => &[
            (
                "app_secret",
                "an app secret belongs to meta-cloud: if Infobip signs, give hmac = { header, algorithm, encoding, secret }",
            ),
            (
                "app_secrets",
                "an app secret belongs to meta-cloud: if Infobip signs, give hmac = { header, algorithm, encoding, secret }",
            ),
            (
                "verify_token",
                "only meta-cloud asks for it; for a secret in the URL give url_token",
            ),
            (
                "verify_tokens",
                "only meta-cloud asks for it; for a secret in the URL give url_token",
            ),
        ],
    }
}

/// Either something authenticates or its absence is asked for.
fn require_authentication(table: &Table<'_>, provider: Provider, unauthenticated: bool) {
    // Asked by key, not by what came of it: a faulty method has its own fault already.
    let (means, remedy) = match provider {
        Provider::MetaCloud => (
            SIGNED_BY_META.as_slice(),
            "app_secrets is missing: copy the app secret from Meta's dashboard (App settings, Basic)",
        ),
        Provider::Botsquad => (
            ["authorization"].as_slice(),
            "authorization is missing: give { name, value } as the provider's API wants it, or write unauthenticated = true",
        ),
        _ => (
            CONFIGURED.as_slice(),
            "nothing authenticates its webhooks: give header, basic_auth, hmac or url_token, or write unauthenticated = true",
        ),
    };
    if unauthenticated {
        let all = SIGNED_BY_META.iter().chain(&CONFIGURED);
        if all.chain(means).any(|key| table.has(key)) {
            table
                .fault("unauthenticated = true contradicts what else is given: remove one of them");
        }
    } else if !means.iter().any(|key| table.has(key)) {
        table.fault(remedy);
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
