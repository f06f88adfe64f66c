//! Headers that prove where a webhook comes from: which names may hold a secret, and which values a
//! header can have.

use super::file::Table;
use super::value::header_name;
use crate::model::{is_reserved_header, quoted};
use crate::providers::Provider;

/// What clients, proxies, tracing and browsers set by themselves, beside what is the connection's and the
/// providers'.
const SET_BY_OTHERS: &str = "\
    akamai-origin-hop alt-used b3 baggage cache-control cdn-loop cookie cookie2 \
    correlation-context correlation-id dnt early-data fastly-client-ip from idempotency-key \
    last-event-id max-forwards newrelic origin pragma priority purpose range referer request-id \
    save-data sentry-trace set-cookie traceparent tracestate true-client-ip uber-trace-id \
    upgrade-insecure-requests warning x-client-ip x-cluster-client-ip x-correlation-id \
    x-forwarded x-http-method-override x-real-ip x-request-id x-request-start x-requested-with \
    x-scheme";
const SET_BY_OTHERS_PREFIXES: &str = "\
    accept access-control- cf- fly- if- x-amz x-appengine- x-arr- x-azure- x-b3- x-cloud-trace- \
    x-datadog- x-envoy- x-goog- x-original- x-trace-";
/// What holds a signature, beside what the providers sign with: another value for each body, so no secret.
const SIGNATURES: &str = "signature signature-input x-signature";
const SIGNATURES_PREFIXES: &str = "webhook-";

/// The name of a header that holds a secret: one that no client, proxy, provider or connection sets by
/// itself.
pub(super) fn secret_header(text: &str) -> Result<String, String> {
    let name = signature_header(text)?;
    let is_signature = is_any_of(&name, SIGNATURES, SIGNATURES_PREFIXES);
    if is_signature || signers(&name).next().is_some() {
        let own = signers(&name).find_map(own_setting).unwrap_or_default();
        return Err(format!(
            "{} has another value for each body, so it is no secret: to have it checked give hmac{own}; or \
             name a header of your own, e.g. \"X-Webhook-Secret\"",
            quoted(text)
        ));
    }
    Ok(name)
}

/// The name of a header that holds a signature: one that no client, proxy, provider or connection sets by
/// itself.
pub(super) fn signature_header(text: &str) -> Result<String, String> {
    let name = header_name(text)?;
    let is_set = is_any_of(&name, SET_BY_OTHERS, SET_BY_OTHERS_PREFIXES) || providers_set(&name);
    if is_set || is_reserved_header(&name.to_ascii_lowercase()) {
        return Err(format!(
            "every client, proxy or connection sets {} by itself, so it proves nothing: name a header of \
             your own, e.g. \"Authorization\" or \"X-Webhook-Secret\"",
            quoted(text)
        ));
    }
    Ok(name)
}

/// Whether a provider sets the header of that name by itself.
fn providers_set(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let definitions = Provider::ALL.into_iter().map(Provider::definition);
    let mut prefixes = definitions.flat_map(|definition| definition.credentials.sets);
    prefixes.any(|prefix| name.starts_with(*prefix))
}

/// The providers that sign with the header of that name.
fn signers(name: &str) -> impl Iterator<Item = Provider> {
    Provider::ALL.into_iter().filter(move |provider| {
        let headers = provider.definition().credentials.signs_with;
        headers.iter().any(|it| it.eq_ignore_ascii_case(name))
    })
}

/// The setting to give instead, where the provider signs by a scheme of its own.
fn own_setting(provider: Provider) -> Option<String> {
    let own = provider.definition().credentials.signature.as_ref()?;
    let setting = own.settings[1];
    Some(format!(", or {setting} to a source of {provider}"))
}

fn is_any_of(name: &str, names: &str, prefixes: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let is_named = names.split(' ').any(|it| it == lower);
    is_named || prefixes.split(' ').any(|it| lower.starts_with(it))
}

/// Whether a header can have this value; a fault where not.
pub(super) fn fits_header(table: &Table<'_>, key: &str, value: &str) -> bool {
    let fits = !value.contains(char::is_control) && value.trim() == value;
    if !fits && let Some(item) = table.get(key) {
        item.fault(
            "no header can have this value: remove control characters, line ends and outer blanks",
        );
    }
    fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_header_that_others_set_holds_a_secret() {
        for name in [
            "traceparent",
            "Tracestate",
            "baggage",
            "Cookie",
            "Set-Cookie",
            "X-Request-ID",
            "X-Amzn-Trace-Id",
            "X-B3-TraceId",
            "CF-Connecting-IP",
            "X-Forwarded-For",
            "X-Forwarded",
            "True-Client-IP",
            "X-Original-URI",
            "If-None-Match",
            "Range",
            "DNT",
            "Sec-Fetch-Mode",
            "Accept-Language",
            "Content-MD5",
            "X-Requested-With",
            "Idempotency-Key",
            "Facebook-API-Version",
            "Priority",
            "Host",
        ] {
            let refused = secret_header(name).expect_err(name);
            assert!(refused.contains("proves nothing"), "{name}: {refused}");
            assert!(signature_header(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_signature_is_no_secret_and_is_checked_as_a_signature() {
        for name in [
            "X-Hub-Signature-256",
            "x-hub-signature",
            "X-360dialog-Signature",
            "webhook-signature",
            "webhook-id",
            "Signature",
        ] {
            let refused = secret_header(name).expect_err(name);
            assert!(refused.contains("give hmac"), "{name}: {refused}");
            assert_eq!(signature_header(name).as_deref(), Ok(name));
        }
        let refused = secret_header("X-Hub-Signature-256").expect_err("a signature");
        assert!(refused.contains("give hmac, or app_secrets to a source of meta-cloud;"));
        for name in [
            "Authorization",
            "X-Webhook-Secret",
            "X-Api-Key",
            "D360-Token",
            "X-Infobip-Token",
            "Ifx-Token",
        ] {
            assert_eq!(secret_header(name).as_deref(), Ok(name));
        }
    }
}
