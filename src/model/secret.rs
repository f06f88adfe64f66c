//! The proof that a subscriber's requests carry beside the signature: texts that are never shown
//! again, and which are allowed.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::quoted;

use super::AuthKind;

/// A text that is written and never shown: `Debug` hides it, [`SecretText::expose`] is the way out.
///
/// It is serialised as it is, since it travels from the command line to the service; what is
/// shown to people must not hold one.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretText(String);

impl SecretText {
    /// The text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Headers by their names in lower case, with their values.
pub type Headers = BTreeMap<String, SecretText>;

/// The header that [`Credentials`] go into.
pub const AUTHORIZATION: &str = "authorization";

/// Names that are the connection's or the body's.
const RESERVED: [&str; 12] = [
    "connection",
    "date",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
];
const RESERVED_PREFIXES: [&str; 4] = ["content-", "proxy-", "sec-", "x-forwarded-"];
/// What the names of our own begin with.
const OURS: &str = "webhook-";

/// The shortest password and token, in bytes: a shorter one cannot be kept out of what is shown of
/// an answer without hiding half of it.
const SHORTEST_SECRET: usize = 4;

/// The longest name and value, in bytes.
const LONGEST_NAME: usize = 128;
const LONGEST_VALUE: usize = 4096;

/// Whether a header, by its name in lower case, is the connection's or the body's.
#[must_use]
pub fn is_reserved_header(lower: &str) -> bool {
    let mut prefixes = RESERVED_PREFIXES.iter();
    RESERVED.contains(&lower) || prefixes.any(|prefix| lower.starts_with(prefix))
}

/// What is wrong with the name of a header, in words that name the remedy.
///
/// # Errors
/// When it is no name, or one that is not a subscriber's to set.
pub fn check_header_name(name: &str) -> Result<(), String> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(legal) {
        return Err(format!(
            "header {name}: write a name without a colon, e.g. X-Api-Key",
            name = quoted(name)
        ));
    }
    let lower = name.to_ascii_lowercase();
    if lower == AUTHORIZATION {
        return Err("header \"authorization\": give credentials as auth instead".to_owned());
    }
    if is_reserved_header(&lower) || lower.starts_with(OURS) {
        return Err(format!(
            "header {name} is set by the relay or the connection: use a name of your own",
            name = quoted(name)
        ));
    }
    Ok(())
}

/// What is wrong with the value of a header; never repeats it.
///
/// # Errors
/// When it is empty, too long or not visible ASCII.
pub fn check_header_value(value: &SecretText) -> Result<(), String> {
    let value = value.expose();
    let visible = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    let is_trimmed = value.trim_matches(' ') == value;
    if value.is_empty() || value.len() > LONGEST_VALUE || !value.bytes().all(visible) || !is_trimmed
    {
        return Err(format!(
            "the value of a header must be 1 to {LONGEST_VALUE} visible ASCII characters, without \
             blanks around it"
        ));
    }
    Ok(())
}

/// What to send in `Authorization`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(
    tag = "type",
    rename_all = "lowercase",
    deny_unknown_fields,
    expecting = r#"{"type": "bearer", "token": "…"} or {"type": "basic", "username": "…", "password": "…"}"#
)]
pub enum Credentials {
    /// A user and its password.
    Basic {
        /// Without a colon.
        username: String,
        /// One line of text.
        #[schema(value_type = String, format = Password)]
        password: SecretText,
    },
    /// A token.
    Bearer {
        /// Letters, digits and `-._~+/=`, without the word Bearer.
        #[schema(value_type = String, format = Password)]
        token: SecretText,
    },
}

impl Credentials {
    /// Which sort they are: all that is shown of them.
    #[must_use]
    pub const fn kind(&self) -> AuthKind {
        match self {
            Self::Basic { .. } => AuthKind::Basic,
            Self::Bearer { .. } => AuthKind::Bearer,
        }
    }

    /// The value of the header.
    #[must_use]
    pub fn header(&self) -> SecretText {
        SecretText(match self {
            Self::Basic { username, password } => {
                let pair = format!("{username}:{}", password.expose());
                format!("Basic {}", STANDARD.encode(pair))
            }
            Self::Bearer { token } => format!("Bearer {}", token.expose()),
        })
    }

    /// What is wrong with them; repeats nothing of them.
    ///
    /// # Errors
    /// When a part is empty, too long, or holds what it may not.
    pub fn check(&self) -> Result<(), String> {
        let fits = |text: &str| !text.is_empty() && text.len() <= LONGEST_VALUE / 2;
        let plain = |text: &str| fits(text) && !text.chars().any(char::is_control);
        match self {
            Self::Basic { username, .. } if !plain(username) || username.contains(':') => {
                Err("username must be one line of text without a colon".to_owned())
            }
            Self::Basic { password, .. } if !plain(password.expose()) => {
                Err("password must be one line of text".to_owned())
            }
            Self::Basic {
                password: secret, ..
            }
            | Self::Bearer { token: secret }
                if (1..SHORTEST_SECRET).contains(&secret.expose().len()) =>
            {
                Err(format!(
                    "a password or token must have at least {SHORTEST_SECRET} characters: choose a longer one"
                ))
            }
            Self::Bearer { token }
                if !fits(token.expose())
                    || !token
                        .expose()
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)) =>
            {
                Err(
                    "token must be letters, digits and -._~+/= alone, without \"Bearer\""
                        .to_owned(),
                )
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretText {
        SecretText::from(text.to_owned())
    }

    #[test]
    fn a_name_is_a_subscribers_own() {
        for name in ["X-Api-Key", "cookie", "x", "Tenant_1", "x-webhook-id"] {
            assert_eq!(check_header_name(name), Ok(()), "{name}");
        }
        for name in [
            "",
            "a b",
            "a:",
            "ä",
            "Host",
            "WEBHOOK-ID",
            "webhook-anything",
            "Content-Type",
            "content-length",
            "Connection",
            "Transfer-Encoding",
            "User-Agent",
            "Authorization",
            "proxy-authorization",
            "te",
            "x-forwarded-for",
            "a\nb",
        ] {
            let refused = check_header_name(name).unwrap_err();
            assert!(!refused.is_empty(), "{name}");
        }
    }

    #[test]
    fn a_value_is_one_line_and_is_never_repeated() {
        for value in ["1", "a b", "\"quoted\"", &"x".repeat(4096)] {
            assert_eq!(check_header_value(&secret(value)), Ok(()), "{value}");
        }
        for value in [
            "",
            " padded",
            "padded ",
            "two\r\nlines",
            "größer",
            "tab\tbed",
            &"x".repeat(4097),
        ] {
            let refused = check_header_value(&secret(value)).unwrap_err();
            assert!(value.is_empty() || !refused.contains(value), "{value}");
        }
    }

    #[test]
    fn credentials_become_a_header_and_are_not_shown() {
        let basic = Credentials::Basic {
            username: "Aladdin".to_owned(),
            password: secret("open sesame"),
        };
        assert_eq!(basic.check(), Ok(()));
        assert_eq!(
            basic.header().expose(),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
        let bearer = Credentials::Bearer {
            token: secret("abc-1=="),
        };
        assert_eq!(bearer.check(), Ok(()));
        assert_eq!(bearer.header().expose(), "Bearer abc-1==");
        for shown in [format!("{basic:?}"), format!("{bearer:?}")] {
            assert!(
                !shown.contains("sesame") && !shown.contains("abc"),
                "{shown}"
            );
        }
    }

    #[test]
    fn credentials_that_cannot_be_sent_are_refused() {
        let basic = |username: &str, password: &str| Credentials::Basic {
            username: username.to_owned(),
            password: secret(password),
        };
        let bearer = |token: &str| Credentials::Bearer {
            token: secret(token),
        };
        for wrong in [
            basic("", "p"),
            basic("a:b", "p"),
            basic("a", ""),
            basic("a", "two\nlines"),
            basic("a", "abc"),
            bearer("abc"),
            bearer(""),
            bearer("Bearer abc"),
            bearer("ä"),
        ] {
            assert!(wrong.check().is_err(), "{:?}", wrong.kind());
        }
    }
}
