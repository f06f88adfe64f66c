//! Whether a webhook comes from its provider: the methods that a source can require, checked.
//!
//! Pure: a whole [`WebhookRequest`] in, yes or no out. Every comparison with a secret takes
//! the same time wherever the two differ. What is refused says which method refused it and
//! never what was given or expected. The next stage is [`Provider::parse`](super::Provider::parse).
//!
//! Authentication is data, a list of methods that must all hold, and no method of each provider: the same four
//! methods serve all of them.

mod algorithm;
mod content;
mod handshake;
mod proof;
mod request;
mod signature;

use std::fmt;

use base64::Engine as _;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

pub use algorithm::{Algorithm, Encoding};
pub use content::Content;
pub use handshake::{ChallengeError, answer_challenge};
pub use proof::Proof;
pub use request::{RequestHeaders, WebhookRequest};
pub use signature::Signature;

/// How a source's webhooks prove where they come from.
#[derive(Debug, Clone, Default)]
pub struct Authentication {
    /// All of these must hold; none at all means that anybody is believed.
    pub methods: Vec<Method>,
}

/// One proof of origin.
#[derive(Debug, Clone)]
pub enum Method {
    /// A header with a fixed value.
    Header {
        /// Its name, in any case.
        name: String,
        /// Its whole value, a scheme such as `Bearer` included.
        value: SecretString,
    },
    /// HTTP basic authentication.
    Basic {
        /// The user name, without a colon.
        username: String,
        /// The password.
        password: SecretString,
    },
    /// A secret last segment of the URL's path, for callers that can send nothing else.
    UrlToken(SecretString),
    /// A keyed hash of the body, or of more of the request, in a header.
    Signature(Signature),
}

/// Why a request is not believed; names the method, as in `header x-api-key`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// What should prove the origin is not there.
    #[error("missing {0}")]
    Missing(String),
    /// It is there and is not right.
    #[error("wrong {0}")]
    Wrong(String),
}

impl Authentication {
    /// Checks everything that is known before the body is read, so that a stranger's body need not
    /// be read: also that a signature is there and well-formed. A request is believed when
    /// [`Self::check_body`] accepts it too.
    ///
    /// # Errors
    /// The first method that does not hold.
    pub fn check_head(&self, request: WebhookRequest<'_>) -> Result<(), AuthError> {
        self.check_url_token(request.url_token)?;
        self.methods
            .iter()
            .try_for_each(|method| method.check_head(request))
    }

    /// Whether a secret stands in the head, so that a client that passed [`Self::check_head`] is no stranger;
    /// a signature may be invented.
    #[must_use]
    pub fn proves_in_the_head(&self) -> bool {
        let mut methods = self.methods.iter();
        methods.any(|method| !matches!(method, Method::Signature(_)))
    }

    /// Whether a signature is made of more than the body, so that the URL must be known as the
    /// provider calls it.
    #[must_use]
    pub fn signs_url(&self) -> bool {
        let mut methods = self.methods.iter();
        methods.any(|method| match method {
            Method::Signature(signature) => matches!(signature.content, Content::Request(_)),
            _ => false,
        })
    }

    /// Checks the token in the URL alone, all that a request without credentials can prove.
    ///
    /// # Errors
    /// When it is missing or wrong, or stands where none is wanted: such a URL was mistyped,
    /// which is no better proof.
    pub fn check_url_token(&self, url_token: Option<&str>) -> Result<(), AuthError> {
        let mut tokens = self
            .methods
            .iter()
            .filter(|method| matches!(method, Method::UrlToken(_)))
            .peekable();
        if tokens.peek().is_none() && url_token.is_some() {
            return Err(AuthError::Wrong("token in the URL".to_owned()));
        }
        tokens.try_for_each(|method| {
            method.check_head(WebhookRequest {
                url_token,
                ..WebhookRequest::post("", b"")
            })
        })
    }

    /// Checks what needs the body: the signatures, over the bytes as they came.
    ///
    /// # Errors
    /// The first signature that does not hold.
    pub fn check_body(&self, request: WebhookRequest<'_>) -> Result<(), AuthError> {
        self.methods.iter().try_for_each(|method| match method {
            Method::Signature(signature) => signature.check(request),
            _ => Ok(()),
        })
    }
}

impl Method {
    fn check_head(&self, request: WebhookRequest<'_>) -> Result<(), AuthError> {
        let headers = request.headers;
        let holds = match self {
            Self::Header { name, value } => headers.get(name).map(|given| same(given, value)),
            Self::Basic { username, password } => headers
                .get("authorization")
                .map(|given| is_basic(given, username, password)),
            Self::UrlToken(token) => request.url_token.map(|given| same(given.as_bytes(), token)),
            Self::Signature(signature) => return signature.check_form(headers),
        };
        match holds {
            Some(true) => Ok(()),
            Some(false) => Err(AuthError::Wrong(self.to_string())),
            None => Err(AuthError::Missing(self.to_string())),
        }
    }
}

/// What it is, for people and logs; never a secret.
impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header { name, .. } => write!(f, "header {}", name.to_ascii_lowercase()),
            Self::Basic { .. } => f.write_str("basic authentication"),
            Self::UrlToken(_) => f.write_str("token in the URL"),
            Self::Signature(signature) => signature.fmt(f),
        }
    }
}

/// Whether `given` is the secret. Hashes are compared, so that the time taken reveals neither
/// where the two differ nor how long the secret is. An empty secret matches nothing.
fn same(given: &[u8], secret: &SecretString) -> bool {
    let secret = secret.expose_secret().trim().as_bytes();
    let given = Sha256::digest(given.trim_ascii());
    let equal = given.ct_eq(&Sha256::digest(secret));
    bool::from(equal) && !secret.is_empty()
}

fn is_basic(authorization: &[u8], username: &str, password: &SecretString) -> bool {
    let Some((scheme, credentials)) = authorization.trim_ascii().split_at_checked(6) else {
        return false;
    };
    let Ok(pair) = algorithm::BASE64.decode(credentials.trim_ascii()) else {
        return false;
    };
    let Some(colon) = pair.iter().position(|byte| *byte == b':') else {
        return false;
    };
    // Both are compared in any case: the time must not reveal a right user name.
    let user = Sha256::digest(&pair[..colon]).ct_eq(&Sha256::digest(username));
    let secret = same(&pair[colon + 1..], password);
    scheme.eq_ignore_ascii_case(b"basic ") & bool::from(user) & secret
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: Method, header: (&str, &str), token: Option<&str>) -> Result<(), AuthError> {
        let headers = [header].into_iter().collect::<RequestHeaders>();
        let authentication = Authentication {
            methods: vec![method],
        };
        let request = WebhookRequest {
            url_token: token,
            headers: &headers,
            ..WebhookRequest::post("/webhooks/acme", b"{}")
        };
        authentication.check_head(request)?;
        authentication.check_body(request)
    }

    fn wrong(what: &str) -> Result<(), AuthError> {
        Err(AuthError::Wrong(what.to_owned()))
    }

    fn missing(what: &str) -> Result<(), AuthError> {
        Err(AuthError::Missing(what.to_owned()))
    }

    #[test]
    fn a_header_must_have_the_very_value() {
        let cases = [
            (("X-Api-Key", "s3cret"), Ok(())),
            (("x-api-key", " s3cret "), Ok(())),
            (("x-api-key", "S3cret"), wrong("header x-api-key")),
            (("x-api-key", "s3cre"), wrong("header x-api-key")),
            (("x-api-key", ""), wrong("header x-api-key")),
            (("authorization", "s3cret"), missing("header x-api-key")),
        ];
        for (header, expected) in cases {
            let method = Method::Header {
                name: "X-API-Key".to_owned(),
                value: "s3cret".into(),
            };
            assert_eq!(check(method, header, None), expected, "{header:?}");
        }
    }

    #[test]
    fn basic_authentication_compares_user_and_password() {
        // In this order: relay:pa:ss, the same without padding, relay:pass, other:pa:ss, relay.
        let cases = [
            (("Authorization", "Basic cmVsYXk6cGE6c3M="), Ok(())),
            (("authorization", "basic cmVsYXk6cGE6c3M"), Ok(())),
            (
                ("authorization", "Basic cmVsYXk6cGFzcw=="),
                wrong("basic authentication"),
            ),
            (
                ("authorization", "Basic b3RoZXI6cGE6c3M="),
                wrong("basic authentication"),
            ),
            (
                ("authorization", "Basic cmVsYXk="),
                wrong("basic authentication"),
            ),
            (
                ("authorization", "Bearer cmVsYXk6cGE6c3M="),
                wrong("basic authentication"),
            ),
            (("authorization", "Basic"), wrong("basic authentication")),
            (
                ("authorization", "Basic ###"),
                wrong("basic authentication"),
            ),
            (("x-other", ""), missing("basic authentication")),
        ];
        for (header, expected) in cases {
            let method = Method::Basic {
                username: "relay".to_owned(),
                password: "pa:ss".into(),
            };
            assert_eq!(check(method, header, None), expected, "{header:?}");
        }
    }

    #[test]
    fn a_token_in_the_url_must_be_there_and_right() {
        let cases = [
            (Some("t0ken"), Ok(())),
            (Some("t0ken2"), wrong("token in the URL")),
            (Some(""), wrong("token in the URL")),
            (None, missing("token in the URL")),
        ];
        for (token, expected) in cases {
            let method = Method::UrlToken("t0ken".into());
            assert_eq!(check(method, ("a", "b"), token), expected, "{token:?}");
        }
    }

    #[test]
    fn an_empty_secret_admits_no_client() {
        let token = Method::UrlToken("".into());
        assert!(check(token, ("a", "b"), Some("")).is_err());
        let header = Method::Header {
            name: "x-api-key".to_owned(),
            value: " ".into(),
        };
        assert!(check(header, ("x-api-key", ""), None).is_err());
    }

    #[test]
    fn all_methods_must_hold() {
        let authentication = Authentication {
            methods: vec![
                Method::UrlToken("t0ken".into()),
                Method::Header {
                    name: "x-api-key".to_owned(),
                    value: "s3cret".into(),
                },
            ],
        };
        let headers = [("X-Api-Key", "s3cret")]
            .into_iter()
            .collect::<RequestHeaders>();
        let none = RequestHeaders::default();
        let check = |authentication: &Authentication, headers, url_token| {
            authentication.check_head(WebhookRequest {
                url_token,
                headers,
                ..WebhookRequest::post("/webhooks/acme", b"")
            })
        };
        assert_eq!(check(&authentication, &headers, Some("t0ken")), Ok(()));
        assert_eq!(
            check(&authentication, &none, Some("t0ken")),
            missing("header x-api-key")
        );
        assert_eq!(
            check(&authentication, &headers, None),
            missing("token in the URL")
        );
        assert_eq!(check(&Authentication::default(), &none, None), Ok(()));
        assert_eq!(
            check(&Authentication::default(), &none, Some("t0ken")),
            wrong("token in the URL")
        );
    }

    #[test]
    fn nothing_printed_holds_a_credential() {
        let headers = [("Authorization", "Basic c2VjcmV0")]
            .into_iter()
            .collect::<RequestHeaders>();
        let method = Method::UrlToken("secret".into());
        let printed = format!("{headers:?} {method:?} {method}");
        assert!(!printed.contains("c2VjcmV0") && !printed.contains("secret"));
    }
}
