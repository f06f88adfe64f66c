//! Who may come in: a token's bearer; or, while there is no token, whoever is on this machine.
//!
//! Without a token the address is all there is to go by, so what could lend it to somebody
//! else is refused: a proxy in front of us, a name that was pointed at this machine, another
//! site's page in the operator's browser.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use actix_web::HttpRequest;
use actix_web::http::Version;
use actix_web::http::header::{AUTHORIZATION, FORWARDED, HOST, HeaderName, ORIGIN, VIA};
use url::Url;

use super::problem::Problem;
use crate::access::{Caller, Way};
use crate::store::Store;

/// Headers by which a proxy gives itself away.
const PROXY: [HeaderName; 6] = [
    FORWARDED,
    VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-real-ip"),
];
/// Failures of one address within [`PERIOD_MS`] that are answered 401; the next ones 429.
const MOST_FAILURES: u32 = 20;
/// How long failures are counted together, ms.
const PERIOD_MS: i64 = 60_000;
/// Addresses whose failures are counted; strangers must not fill the memory.
const MOST_ADDRESSES: usize = 10_000;

/// Finds out who asks.
///
/// # Errors
/// 401 without a token that holds, 403 where only this machine is answered, 429 after too many
/// failures. A token that holds is let in all the same: a stranger behind the same proxy must not
/// be able to shut others out, and 256 bits are not guessed.
pub(super) async fn caller(
    request: &HttpRequest,
    store: &Store,
    failures: &Failures,
    now_ms: i64,
) -> Result<Caller, Problem> {
    let given = request.headers().get(AUTHORIZATION);
    if given.is_none() && !store.wants_token() {
        return from_this_machine(request).map(|()| Caller::loopback());
    }
    let text = given
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, text)| text.trim());
    let refuse = |why: &str| {
        let address = request.peer_addr().map(|peer| peer.ip());
        Err(failures.refuse(address, why, now_ms))
    };
    let Some(text) = text else {
        return refuse("send a token: Authorization: Bearer tr_…");
    };
    let Some(found) = store.find_token(text) else {
        return refuse("the token is not known");
    };
    if found.revoked_at_ms.is_some() {
        return refuse("the token was revoked");
    }
    if found.token.expires_at_ms.is_some_and(|ms| ms <= now_ms) {
        return refuse("the token has expired");
    }
    if let Err(error) = store.note_token_used(found.token_id).await {
        tracing::warn!(%error, "api.token_use_not_noted");
    }
    Ok(Caller {
        way: Way::Token {
            id: found.token_id,
            name: found.token.name,
        },
        role: found.token.role,
        owner: found.token.owner,
        sources: found.token.sources,
    })
}

/// Whether a request without a token comes from this machine, as far as can be told.
fn from_this_machine(request: &HttpRequest) -> Result<(), Problem> {
    let headers = request.headers();
    let is_local = request
        .peer_addr()
        .is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    // Clients speak HTTP/1.1 for decades; a proxy that was told nothing still speaks 1.0 to us.
    let is_proxied =
        request.version() < Version::HTTP_11 || PROXY.iter().any(|name| headers.contains_key(name));
    if !is_local || is_proxied {
        return Err(Problem::forbidden(
            "there is no token yet, so only requests from this machine itself, not through a \
             proxy, are answered: make one with `tickrelay token create --role admin --name …`",
        ));
    }
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = text(HOST).unwrap_or_default();
    if !is_loopback_host(host) {
        return Err(Problem::forbidden(format!(
            "there is no token yet, so only requests to localhost are answered, not to {host:?}"
        )));
    }
    let is_foreign = text(ORIGIN).is_some_and(|origin| {
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        authority != Some(host)
    });
    let site = text(HeaderName::from_static("sec-fetch-site"));
    if is_foreign || site.is_some_and(|site| !["same-origin", "none"].contains(&site)) {
        return Err(Problem::forbidden(
            "there is no token yet, so pages of other sites are not answered",
        ));
    }
    Ok(())
}

/// Whether a `Host` names this machine: a name that leads here may be anybody's.
fn is_loopback_host(host: &str) -> bool {
    if host.contains(['@', '/', '\\', '?', '#']) {
        return false;
    }
    let Ok(url) = Url::parse(&format!("http://{host}/")) else {
        return false;
    };
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Failures of late, by address: since when, and how many.
#[derive(Default)]
pub(super) struct Failures(Mutex<HashMap<Option<IpAddr>, (i64, u32)>>);

impl Failures {
    /// Counts a failure and says how it is answered.
    fn refuse(&self, address: Option<IpAddr>, why: &str, now_ms: i64) -> Problem {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |since_ms: i64| !(0..PERIOD_MS).contains(&(now_ms - since_ms));
        if failures.len() >= MOST_ADDRESSES {
            failures.retain(|_, (since_ms, _)| !is_over(*since_ms));
        }
        let mut key = address.map(neighbourhood);
        if failures.len() >= MOST_ADDRESSES && !failures.contains_key(&key) {
            // More strangers than we count: they share one count.
            key = None;
        }
        let (since_ms, count) = failures.entry(key).or_insert((now_ms, 0));
        if is_over(*since_ms) {
            (*since_ms, *count) = (now_ms, 0);
        }
        *count += 1;
        if *count <= MOST_FAILURES {
            tracing::warn!(address = ?key, why, "api.refused");
            return Problem::unauthorized(why);
        }
        let left_ms = u32::try_from(*since_ms + PERIOD_MS - now_ms).unwrap_or_default();
        Problem::too_many(
            "too many requests without a token that holds",
            left_ms.div_ceil(1000).max(1),
        )
    }
}

/// Whoever has one address of an IPv6 network has 2^64 of them.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_its_names() {
        for (host, expected) in [
            ("localhost", true),
            ("localhost:8080", true),
            ("127.0.0.1:1", true),
            ("127.9.9.9", true),
            ("[::1]:8080", true),
            ("localhost.evil.example", false),
            ("evil.example", false),
            ("10.0.0.1", false),
            ("a@localhost", false),
            ("evil.example#@localhost", false),
            ("", false),
        ] {
            assert_eq!(is_loopback_host(host), expected, "{host}");
        }
    }

    #[test]
    fn failures_are_counted_by_address_and_forgotten() {
        let failures = Failures::default();
        let refuse = |address: &str, now_ms| {
            let address = address.parse().ok();
            let problem = failures.refuse(address, "no", now_ms);
            actix_web::ResponseError::status_code(&problem).as_u16()
        };
        for _ in 0..MOST_FAILURES {
            assert_eq!(refuse("2001:db8::1", 0), 401);
        }
        assert_eq!(refuse("2001:db8::2", 1), 429);
        assert_eq!(refuse("2001:db8:0:1::2", 1), 401);
        assert_eq!(refuse("2001:db8::1", PERIOD_MS), 401);
        for index in 0..2 * u32::try_from(MOST_ADDRESSES).unwrap() {
            refuse(&std::net::Ipv4Addr::from(index).to_string(), PERIOD_MS);
        }
        assert!(failures.0.lock().unwrap().len() <= MOST_ADDRESSES + 1);
    }
}
