//! A request as a method of authentication sees it: all that a provider may sign.

use std::fmt;

/// The headers of a request, borrowed from it.
#[derive(Clone, Default)]
pub struct RequestHeaders<'a>(Vec<(&'a str, &'a [u8])>);

/// For a request that has none yet.
static NO_HEADERS: RequestHeaders<'static> = RequestHeaders(Vec::new());

/// A request, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct WebhookRequest<'a> {
    /// `POST` or `GET`.
    pub method: &'a str,
    /// The URL as the provider calls it, not decoded: `server.public_url`, then path and query as
    /// received. Without that setting path and query alone.
    pub url: &'a str,
    /// The path's segment after the source's name, percent-decoded.
    pub url_token: Option<&'a str>,
    /// Its headers.
    pub headers: &'a RequestHeaders<'a>,
    /// The body as received, compressed or not; empty until it is read.
    pub body: &'a [u8],
}

impl<'a> WebhookRequest<'a> {
    /// A webhook that is yet to be proved.
    #[must_use]
    pub fn post(url: &'a str, body: &'a [u8]) -> Self {
        Self {
            method: "POST",
            url,
            url_token: None,
            headers: &NO_HEADERS,
            body,
        }
    }
}

impl<'a> RequestHeaders<'a> {
    /// The value of that header, whatever the case of `name`; of a repeated one the first.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.0
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }
}

impl<'a, V: AsRef<[u8]> + ?Sized> FromIterator<(&'a str, &'a V)> for RequestHeaders<'a> {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a V)>>(headers: I) -> Self {
        let bytes = |(name, value): (&'a str, &'a V)| (name, value.as_ref());
        Self(headers.into_iter().map(bytes).collect())
    }
}

/// The names alone: among the values are credentials.
impl fmt::Debug for RequestHeaders<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}
