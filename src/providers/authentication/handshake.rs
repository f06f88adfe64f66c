//! The handshake by which Meta checks that a URL is ours: a GET with a token and a challenge.
//!
//! It is sent whenever the URL or its token is set or changed, and carries no signature.

use secrecy::SecretString;

use super::same;

/// The longest challenge that is echoed, in bytes; Meta's are about ten.
const CHALLENGE_LIMIT: usize = 256;

/// Why a challenge is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChallengeError {
    /// The request is none of Meta's: no `hub.mode=subscribe`, no token or no challenge.
    #[error("not a subscription handshake")]
    NotAHandshake,
    /// The token is not ours.
    #[error("wrong verify token")]
    WrongToken,
    /// The challenge is none that can safely be echoed: too long, or not printable ASCII.
    #[error("a challenge that cannot be echoed")]
    UnsafeChallenge,
}

/// The body to answer a handshake with: the challenge, byte for byte.
///
/// `query` are the decoded parameters, in any order; the dot of `hub.mode` may have become
/// an underscore on its way through a proxy. Several tokens are accepted because a number
/// can have a callback URL, and with it a token, of its own.
///
/// # Errors
/// When it is no handshake, not with one of our tokens, or would echo something unsafe.
pub fn answer_challenge(
    query: &[(String, String)],
    verify_tokens: &[SecretString],
) -> Result<String, ChallengeError> {
    let parameter = |name: &str| {
        query
            .iter()
            .find(|(key, _)| {
                key.strip_prefix("hub")
                    .and_then(|key| key.strip_prefix(['.', '_']))
                    == Some(name)
            })
            .map(|(_, value)| value.as_str())
    };
    let (Some("subscribe"), Some(token), Some(challenge)) = (
        parameter("mode"),
        parameter("verify_token"),
        parameter("challenge"),
    ) else {
        return Err(ChallengeError::NotAHandshake);
    };
    if !verify_tokens
        .iter()
        .any(|known| same(token.as_bytes(), known))
    {
        return Err(ChallengeError::WrongToken);
    }
    let printable = challenge.bytes().all(|byte| byte.is_ascii_graphic());
    if challenge.is_empty() || challenge.len() > CHALLENGE_LIMIT || !printable {
        return Err(ChallengeError::UnsafeChallenge);
    }
    Ok(challenge.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &[(&str, &str)]) -> Result<String, ChallengeError> {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let query: Vec<_> = query.iter().map(owned).collect();
        answer_challenge(&query, &["retired".into(), "t+%&=ken".into()])
    }

    #[test]
    fn a_challenge_is_echoed_to_a_client_with_the_token() {
        let mode = ("hub.mode", "subscribe");
        let token = ("hub.verify_token", "t+%&=ken");
        let challenge = ("hub.challenge", "1158201444");
        let echo = Ok("1158201444".to_owned());
        assert_eq!(check(&[mode, challenge, token]), echo);
        assert_eq!(check(&[token, challenge, mode, ("x", "y")]), echo);
        assert_eq!(
            check(&[mode, challenge, ("hub.verify_token", "retired")]),
            echo
        );
        let underscores = [
            ("hub_mode", "subscribe"),
            ("hub_verify_token", "retired"),
            ("hub_challenge", "1158201444"),
        ];
        assert_eq!(check(&underscores), echo);
    }

    #[test]
    fn nothing_is_echoed_to_anybody_else() {
        use ChallengeError::{NotAHandshake, UnsafeChallenge, WrongToken};

        let mode = ("hub.mode", "subscribe");
        let token = ("hub.verify_token", "retired");
        let challenge = ("hub.challenge", "1158201444");
        let long = "1".repeat(CHALLENGE_LIMIT + 1);
        let cases: [(&[(&str, &str)], _); 9] = [
            (&[], NotAHandshake),
            (&[token, challenge], NotAHandshake),
            (
                &[("hub.mode", "unsubscribe"), token, challenge],
                NotAHandshake,
            ),
            (&[mode, challenge], NotAHandshake),
            (&[mode, token], NotAHandshake),
            (
                &[mode, challenge, ("hub.verify_token", "guess")],
                WrongToken,
            ),
            (&[mode, token, ("hub.challenge", "")], UnsafeChallenge),
            (&[mode, token, ("hub.challenge", "a\r\nb")], UnsafeChallenge),
            (&[mode, token, ("hub.challenge", &long)], UnsafeChallenge),
        ];
        for (query, expected) in cases {
            assert_eq!(check(query), Err(expected), "{query:?}");
        }
    }
}
