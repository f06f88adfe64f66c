//! Who may come in: the bearer of a token, and nobody else.
//!
//! Where a request comes from says nothing: a proxy in front of us lends its address to every
//! stranger, and a name that was pointed at this machine lends it to every page. The command line
//! needs no token, since it does not come by HTTP.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;

use super::problem::Problem;
use crate::access::{Caller, Way};
use crate::store::Store;

/// What a request without a token is answered.
const HOW_TO: &str = "send a token, as in Authorization: Bearer tr_…; on the relay's machine \
     `tickrelay token create --role admin --name NAME` makes one";
/// Failures of one address within [`PERIOD_MS`] that are answered 401; the next ones 429.
const MOST_FAILURES: u32 = 20;
/// How long failures are counted together, ms.
const PERIOD_MS: i64 = 60_000;
/// Addresses whose failures are counted; strangers must not fill the memory.
const MOST_ADDRESSES: usize = 10_000;

/// Finds out who asks.
///
/// # Errors
/// 401 without a token that holds, 429 after too many failures. A token that holds is let in all the same: a stranger behind the same proxy must not
/// be able to shut others out, and 256 bits are not guessed.
pub(super) async fn caller(
    request: &HttpRequest,
    store: &Store,
    failures: &Failures,
    now_ms: i64,
) -> Result<Caller, Problem> {
    let given = request.headers().get(AUTHORIZATION);
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
        return refuse(HOW_TO);
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
