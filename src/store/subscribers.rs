//! What is said of a subscriber when it is added or changed, and the secrets it verifies with.

use std::collections::BTreeMap;

use crate::forward::envelope::SigningSecret;
use crate::model::{
    AUTHORIZATION, AlertOptions, Credentials, Filter, Headers, Ordering, PayloadOptions,
    PayloadOptionsChange, Reports, SecretText, Setting, SubscriberKind,
};

/// A subscriber to be added.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct NewSubscriber {
    /// Unique among those that are not removed; `[a-z0-9-]`, 64 characters at most.
    pub name: String,
    /// Whose it is; the operator's own when `None`.
    #[serde(default)]
    pub owner: Option<String>,
    /// Where its payloads go; checked by the caller.
    pub url: String,
    /// What it is notified of.
    #[serde(default)]
    pub kind: SubscriberKind,
    /// How, when it is notified in a chat.
    #[serde(default)]
    pub alert: AlertOptions,
    /// Which reports it wants.
    pub filter: Filter,
    /// Whether late and contradicting reports are among them.
    #[serde(default)]
    pub reports: Reports,
    /// How its payloads look.
    pub options: PayloadOptions,
    /// What a later status of a message waits for.
    #[serde(default)]
    pub ordering: Ordering,
    /// How many forwards may be in flight to it at once.
    pub concurrency: u16,
    /// How long an attempt may take, ms; the configuration's timeout when `None`.
    #[serde(default)]
    pub timeout_ms: Option<u32>,
    /// How many attempts may begin within a second; any number when `None`.
    #[serde(default)]
    pub rate_limit: Option<u32>,
    /// The waits between attempts, ms; the configuration's when `None`.
    #[serde(default)]
    pub schedule_ms: Option<Vec<u64>>,
    /// Headers that are sent to it beside ours; checked by the caller.
    #[serde(default)]
    pub headers: Headers,
    /// What is sent to it in `Authorization`; checked by the caller.
    #[serde(default)]
    pub auth: Option<Credentials>,
}

impl NewSubscriber {
    /// One that wants everything, in the usual formats.
    #[must_use]
    pub fn new(name: &str, url: &str) -> Self {
        Self {
            name: name.to_owned(),
            owner: None,
            url: url.to_owned(),
            kind: SubscriberKind::default(),
            alert: AlertOptions::default(),
            filter: Filter::default(),
            reports: Reports::default(),
            options: PayloadOptions::default(),
            ordering: Ordering::default(),
            concurrency: DEFAULT_CONCURRENCY,
            timeout_ms: None,
            rate_limit: None,
            schedule_ms: None,
            headers: Headers::new(),
            auth: None,
        }
    }

    /// The same with that difference.
    #[must_use]
    pub fn with(mut self, change: SubscriberChange) -> Self {
        fn set<T>(value: &mut T, change: Option<T>) {
            if let Some(change) = change {
                *value = change;
            }
        }
        set(&mut self.url, change.url);
        set(&mut self.alert, change.alert);
        set(&mut self.filter, change.filter);
        set(&mut self.reports, change.reports);
        set(&mut self.options.format, change.options.format);
        set(&mut self.options.error_format, change.options.error_format);
        set(&mut self.options.phone_format, change.options.phone_format);
        set(
            &mut self.options.timestamp_format,
            change.options.timestamp_format,
        );
        set(&mut self.ordering, change.ordering);
        set(&mut self.concurrency, change.concurrency);
        set(&mut self.timeout_ms, change.timeout_ms.map(Setting::own));
        set(&mut self.rate_limit, change.rate_limit.map(Setting::own));
        set(&mut self.schedule_ms, change.schedule_ms.map(Setting::own));
        for (name, value) in change.headers {
            match value {
                Some(value) => self.headers.insert(name, value),
                None => self.headers.remove(&name),
            };
        }
        set(&mut self.auth, change.auth.map(Setting::own));
        self
    }

    /// All that is sent to it beside our own headers, its credentials among them.
    #[must_use]
    pub(super) fn own_headers(&self) -> Headers {
        let auth = self.auth.as_ref();
        let auth = auth.map(|auth| (AUTHORIZATION.to_owned(), auth.header()));
        self.headers.clone().into_iter().chain(auth).collect()
    }
}

/// What is to be different about a subscriber; `None` leaves it as it is.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct SubscriberChange {
    /// Where its payloads go; checked by the caller.
    pub url: Option<String>,
    /// How it is notified in a chat, as a whole.
    #[serde(default)]
    pub alert: Option<AlertOptions>,
    /// Which reports it wants.
    pub filter: Option<Filter>,
    /// Whether late and contradicting reports are among them.
    #[serde(default)]
    pub reports: Option<Reports>,
    /// How its payloads look, those that are rendered from now on.
    #[serde(default)]
    pub options: PayloadOptionsChange,
    /// What a later status of a message waits for.
    #[serde(default)]
    pub ordering: Option<Ordering>,
    /// How many forwards may be in flight to it at once.
    pub concurrency: Option<u16>,
    /// How long an attempt may take, ms.
    #[serde(default)]
    pub timeout_ms: Option<Setting<u32>>,
    /// How many attempts may begin within a second.
    #[serde(default)]
    pub rate_limit: Option<Setting<u32>>,
    /// The waits between attempts, ms.
    #[serde(default)]
    pub schedule_ms: Option<Setting<Vec<u64>>>,
    /// Headers to be set, and with no value to be taken away; the others stay.
    #[serde(default)]
    pub headers: BTreeMap<String, Option<SecretText>>,
    /// What is sent to it in `Authorization`.
    #[serde(default)]
    pub auth: Option<Setting<Credentials>>,
}

impl SubscriberChange {
    /// What changes of all that is sent to it beside our own headers.
    #[must_use]
    pub(super) fn own_headers(&self) -> BTreeMap<String, Option<SecretText>> {
        let auth = self.auth.as_ref().map(|auth| match auth {
            Setting::Usual => None,
            Setting::Own(auth) => Some(auth.header()),
        });
        let auth = auth.map(|auth| (AUTHORIZATION.to_owned(), auth));
        self.headers.clone().into_iter().chain(auth).collect()
    }
}

/// How many forwards may be in flight to a subscriber at once, unless it says otherwise.
const DEFAULT_CONCURRENCY: u16 = 8;

/// All that a subscriber is sent to with.
#[derive(Debug, Clone)]
pub struct Outbound {
    /// Where its payloads go, whole.
    pub url: SecretText,
    /// What they are signed with, the newest first.
    pub secrets: Vec<SubscriberSecret>,
    /// What is sent beside our own headers, its credentials among them.
    pub headers: Headers,
}

/// A secret that a subscriber's payloads are signed with.
#[derive(Debug, Clone)]
pub struct SubscriberSecret {
    /// The secret.
    pub secret: SigningSecret,
    /// Until when the payloads are signed with it, ms since 1970 UTC; `None` for the current one.
    pub expires_at_ms: Option<i64>,
}
