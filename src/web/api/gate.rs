//! Admission to the API: a client needs a valid token, or the operator's Unix socket.
//!
//! The address of a request says nothing: a proxy in front of us lends its address to every
//! stranger, and a name that was pointed at this machine lends it to every page. The listener of
//! the socket names itself ([`Peer::Socket`]); a request without a peer is one from the network.

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;

use crate::access::{Caller, Peer};
use crate::web::failures::FailureCount;
use crate::web::problem::Problem;
use crate::web::{Web, address};

/// What a request without a token is answered.
const HOW_TO: &str = "send a token, as in Authorization: Bearer tr_…; on the relay's machine \
     `tickrelay token create --role admin --name NAME` makes one";

/// The challenge beside a 401.
const CHALLENGE: &str = "Bearer realm=\"tickrelay\"";

/// Finds the caller of a request.
///
/// # Errors
/// 401 without a token that holds, 429 after too many failures. A token that holds is let in all the
/// same: a stranger behind the same proxy must not be able to shut others out, and 256 bits are not
/// guessed.
pub(super) fn caller(request: &HttpRequest, shared: &Web) -> Result<Caller, Problem> {
    let (store, now_ms) = (&shared.store, shared.clock.now_ms());
    let address = address::of(request, &shared.trusted_proxies);
    let given = request.headers().get(AUTHORIZATION);
    let text = given
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, text)| text.trim());
    let refuse = |why: &str| match shared.failures.count(address, now_ms) {
        FailureCount::Few => {
            tracing::warn!(
                address = address.map(tracing::field::display),
                why,
                "api.refused"
            );
            Err(Problem::unauthorized(why, CHALLENGE))
        }
        FailureCount::TooMany(retry_after_s) => Err(Problem::too_many(
            format!("too many requests without a token that holds: {HOW_TO}"),
            retry_after_s,
        )),
    };
    if given.is_none() && request.conn_data() == Some(&Peer::Socket) {
        return Ok(Caller::cli());
    }
    let Some(text) = text else {
        return refuse(HOW_TO);
    };
    let Some(found) = store.find_token(text) else {
        return refuse(
            "the token is not known: on the relay's machine `tickrelay token list` shows those that \
             are, and `token create` makes one",
        );
    };
    if found.revoked_at_ms.is_some() {
        return refuse("the token was revoked");
    }
    if found.token.expires_at_ms.is_some_and(|ms| ms <= now_ms) {
        return refuse("the token has expired");
    }
    store.note_token_used(found.token_id);
    let sources = shared.api.operations.sources().iter();
    let sources = sources.map(|source| (source.name.as_str(), source.owners.as_slice()));
    Ok(Caller {
        address,
        ..Caller::bearer(found, sources)
    })
}
