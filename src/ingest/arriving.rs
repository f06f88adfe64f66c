//! What is kept of a webhook beside what its parser finds: its source's defaults, three headers, the time.

use std::sync::Arc;

use super::large::Unparsed;
use super::{SourceEndpoint, UrlOptions};
use crate::providers::Parsed;
use crate::providers::authentication::RequestHeaders;
use crate::store::Arrival;

impl SourceEndpoint {
    /// Reads a webhook that is said to have arrived at that time (ms since 1970 UTC), as one that
    /// arrives now is read. Nothing has to prove where it comes from.
    #[must_use]
    pub(crate) fn read_past(
        &self,
        received_ms: i64,
        headers: &RequestHeaders<'_>,
        body: Vec<u8>,
    ) -> Box<Arrival> {
        self.unparsed(received_ms, headers, UrlOptions::default(), body)
            .parse()
    }

    /// A webhook as it arrived at that time (ms since 1970 UTC), not looked into.
    pub(super) fn unparsed(
        &self,
        received_ms: i64,
        headers: &RequestHeaders<'_>,
        url_options: UrlOptions,
        body: Vec<u8>,
    ) -> Unparsed {
        let text = |name| header_text(headers, name);
        Unparsed {
            hints: self.hints(&url_options),
            arrival: Box::new(Arrival {
                source: Arc::clone(&self.name),
                provider: self.source.provider,
                default_type: url_options.default_type.unwrap_or(self.source.default_type),
                default_sender: url_options.sender.or_else(|| self.source.sender.clone()),
                received_ms,
                content_type: text("content-type"),
                content_encoding: text("content-encoding"),
                user_agent: text("user-agent"),
                broadcast: None,
                known: 0,
                body,
                parsed: Ok(Parsed::default()),
            }),
        }
    }
}

/// A header's value as it is kept, 256 characters at most.
fn header_text(headers: &RequestHeaders<'_>, name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(headers.get(name)?);
    // Bytes first: to count characters takes longer than to copy what is usual.
    Some(if text.len() <= 256 {
        text.into_owned()
    } else {
        text.chars().take(256).collect()
    })
}
