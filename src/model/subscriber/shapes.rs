//! The shapes of a subscriber, each with a field for every row of [`settings`]: as it is, to be added,
//! to be changed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use super::settings::{self, settings};
use super::{AlertOptions, AuthKind, Setting, SubscriberKind, SubscriberState};
use crate::model::{
    AUTHORIZATION, Credentials, Fault, Filter, Headers, SecretText, SubscriberKey, maybe_object,
    object,
};

/// Distinguishes a field that is null, which takes back what was set, from one that is left out.
fn setting<'de, D, T>(deserializer: D) -> Result<Option<Setting<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let own: Option<T> = Option::deserialize(deserializer)?;
    Ok(Some(own.map_or(Setting::Usual, Setting::Own)))
}

/// A field that is null means what one that is left out does.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    let given: Option<T> = Option::deserialize(deserializer)?;
    Ok(given.unwrap_or_default())
}

fn set<T>(value: &mut T, change: Option<T>) {
    if let Some(change) = change {
        *value = change;
    }
}

macro_rules! shapes {
    (
        payload { $($(#[$p_doc:meta])* $p:ident: $p_type:ident, flag $p_value:tt $p_help:tt, shown as $p_shown:tt;)* }
        values { $(
            $(#[$v_doc:meta])* $v:ident: $v_type:ident, kept as $v_kept:ident: $v_kept_type:ty, column $v_column:tt,
            $(checked by $v_check:ident,)? flag $v_value:tt $v_help:tt, shown as $v_label:tt: $v_shown:tt;
        )* }
        own { $(
            $(#[$o_doc:meta])* $o:ident: $o_type:ident, kept as $o_kept:ident: $o_kept_type:ty, column $o_column:tt,
            $(checked by $o_check:ident,)? flag $o_value:tt $o_help:tt, shown as $o_label:tt: $o_shown:tt;
        )* }
    ) => {
        /// What decides a payload's bytes beside the report; subscribers with equal options share them.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
            utoipa::ToSchema,
        )]
        #[serde(deny_unknown_fields)]
        pub struct PayloadOptions {
            $($(#[$p_doc])* #[serde(default)] pub $p: settings::$p_type,)*
        }

        /// What is to be different about payload options; what is left out stays as it is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct PayloadOptionsChange {
            $($(#[$p_doc])* #[serde(default)] pub $p: Option<settings::$p_type>,)*
        }

        /// Where reports are sent. Its secrets are sealed, and another type.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        pub struct Subscriber {
            /// Integer key in the store.
            pub id: SubscriberKey,
            /// What people call it: unique, lower case, `[a-z0-9-]`.
            pub name: String,
            /// Whose it is: a word that tokens of integrators name; the operator's own when `None`.
            #[serde(default)]
            pub owner: Option<String>,
            /// Where its payloads go: an absolute `https` (or, where allowed, `http`) URL.
            pub url: String,
            /// What it receives.
            #[serde(default)]
            pub kind: SubscriberKind,
            /// How, when it is notified in a chat.
            #[serde(default)]
            pub alert: AlertOptions,
            /// Whether it is sent to.
            pub state: SubscriberState,
            /// Why it is not, when the relay decided so (`http 410`, `failing for 5 days`).
            pub state_reason: Option<String>,
            /// Which reports it wants.
            pub filter: Filter,
            /// How its payloads look.
            pub options: PayloadOptions,
            $($(#[$v_doc])* pub $v_kept: $v_kept_type,)*
            $($(#[$o_doc])* pub $o_kept: Option<$o_kept_type>,)*
            /// Names of the headers of its own that are sent to it; the values are sealed.
            pub headers: Vec<String>,
            /// Which credentials are sent to it; they are sealed.
            pub auth: Option<AuthKind>,
            /// When it was added, ms since 1970 UTC.
            pub created_at_ms: i64,
            /// Since when every attempt failed, ms since 1970 UTC; `None` while it answers.
            pub failing_since_ms: Option<i64>,
            /// How often it was resumed.
            #[serde(default)]
            pub resumes: u64,
        }

        /// A subscriber to be added.
        #[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct NewSubscriber {
            /// Unique among those that are not removed; 1 to 64 of a-z, 0-9 and '-'.
            #[schema(example = "crm", min_length = 1, max_length = 64, pattern = "^[a-z0-9-]+$")]
            pub name: String,
            /// Whose it is: an integrator's token sees the subscribers of its owner alone. A token with an
            /// owner gives its own.
            #[serde(default)]
            #[schema(min_length = 1, max_length = 64, pattern = "^[a-z0-9-]+$")]
            pub owner: Option<String>,
            /// Where its payloads go.
            #[schema(example = "https://crm.example/whatsapp")]
            pub url: String,
            /// What it receives; each report when left out. It cannot be changed later.
            #[serde(default)]
            pub kind: SubscriberKind,
            /// How, when it is notified in a chat.
            #[serde(default, deserialize_with = "object")]
            pub alert: AlertOptions,
            /// Which reports it wants; all when left out.
            #[serde(default, deserialize_with = "object")]
            pub filter: Filter,
            /// How its payloads look.
            #[serde(default, deserialize_with = "object")]
            pub options: PayloadOptions,
            $(
                $(#[$v_doc])*
                #[serde(default, deserialize_with = "or_default")]
                #[schema(value_type = Option<settings::$v_type>)]
                pub $v: settings::$v_type,
            )*
            $($(#[$o_doc])* #[serde(default)] pub $o: Option<settings::$o_type>,)*
            /// Headers of its own to send to it, by name; their values are never shown again.
            #[serde(default)]
            #[schema(value_type = BTreeMap<String, String>, write_only, example = json!({"X-Api-Key": "…"}))]
            pub headers: Headers,
            /// What to send to it in `Authorization`; never shown again.
            #[serde(default)]
            #[schema(write_only)]
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
                    options: PayloadOptions::default(),
                    $($v: settings::$v_type::default(),)*
                    $($o: None,)*
                    headers: Headers::new(),
                    auth: None,
                }
            }

            /// The same with that difference.
            #[must_use]
            pub fn with(mut self, change: SubscriberChange) -> Self {
                set(&mut self.url, change.url);
                set(&mut self.alert, change.alert);
                set(&mut self.filter, change.filter);
                $(set(&mut self.options.$p, change.options.$p);)*
                $(set(&mut self.$v, change.$v);)*
                $(set(&mut self.$o, change.$o.map(Setting::own));)*
                for (name, value) in change.headers {
                    match value {
                        Some(value) => self.headers.insert(name, value),
                        None => self.headers.remove(&name),
                    };
                }
                set(&mut self.auth, change.auth.map(Setting::own));
                self
            }

            /// Adds what is wrong with the settings that have a check of their own.
            pub(crate) fn check_settings(&self, faults: &mut Vec<Fault>) {
                $($(settings::$v_check(&self.$v, faults);)?)*
                $($(if let Some(own) = &self.$o { settings::$o_check(own, faults) })?)*
            }
        }

        /// What is to be different about a subscriber; what is left out stays as it is.
        #[derive(Debug, Clone, Default, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct SubscriberChange {
            /// Where its payloads go.
            pub url: Option<String>,
            /// How it is notified in a chat, as a whole.
            #[serde(default, deserialize_with = "maybe_object")]
            pub alert: Option<AlertOptions>,
            /// Which reports it wants, as a whole.
            #[serde(default, deserialize_with = "maybe_object")]
            pub filter: Option<Filter>,
            /// How its payloads look; those that are queued already stay as they are.
            #[serde(default, deserialize_with = "object")]
            pub options: PayloadOptionsChange,
            $($(#[$v_doc])* #[serde(default)] pub $v: Option<settings::$v_type>,)*
            $(
                $(#[$o_doc])*
                #[serde(default, deserialize_with = "setting", skip_serializing_if = "Option::is_none")]
                #[schema(value_type = Option<settings::$o_type>)]
                pub $o: Option<Setting<settings::$o_type>>,
            )*
            /// Headers of its own to set, by name, or with null to take away; the others stay.
            #[serde(default)]
            #[schema(value_type = BTreeMap<String, Option<String>>, write_only)]
            pub headers: BTreeMap<String, Option<SecretText>>,
            /// What to send to it in `Authorization`; null: nothing.
            #[serde(default, deserialize_with = "setting", skip_serializing_if = "Option::is_none")]
            #[schema(value_type = Option<Credentials>, write_only)]
            pub auth: Option<Setting<Credentials>>,
        }

        impl SubscriberChange {
            /// The names of the fields that change.
            #[must_use]
            pub fn fields(&self) -> Vec<&'static str> {
                let all = [
                    ("url", self.url.is_some()),
                    ("alert", self.alert.is_some()),
                    ("filter", self.filter.is_some()),
                    ("options", self.options != PayloadOptionsChange::default()),
                    $((stringify!($v), self.$v.is_some()),)*
                    $((stringify!($o), self.$o.is_some()),)*
                    ("headers", !self.headers.is_empty()),
                    ("auth", self.auth.is_some()),
                ];
                let changed = all.into_iter().filter(|(_, is_changed)| *is_changed);
                changed.map(|(field, _)| field).collect()
            }

            /// Adds what is wrong with the settings that have a check of their own.
            pub(crate) fn check_settings(&self, faults: &mut Vec<Fault>) {
                $($(if let Some(value) = &self.$v { settings::$v_check(value, faults) })?)*
                $($(
                    if let Some(own) = self.$o.as_ref().and_then(Setting::as_own) {
                        settings::$o_check(own, faults)
                    }
                )?)*
            }
        }
    };
}

settings!(shapes);

impl NewSubscriber {
    /// All that is sent to it beside our own headers, its credentials among them.
    #[must_use]
    pub(crate) fn own_headers(&self) -> Headers {
        let auth = self.auth.as_ref();
        let auth = auth.map(|auth| (AUTHORIZATION.to_owned(), auth.header()));
        self.headers.clone().into_iter().chain(auth).collect()
    }
}

impl SubscriberChange {
    /// What changes of all that is sent to it beside our own headers.
    #[must_use]
    pub(crate) fn own_headers(&self) -> BTreeMap<String, Option<SecretText>> {
        let auth = self.auth.as_ref();
        let auth = auth.map(|auth| auth.as_own().map(Credentials::header));
        let auth = auth.map(|auth| (AUTHORIZATION.to_owned(), auth));
        self.headers.clone().into_iter().chain(auth).collect()
    }
}

impl Subscriber {
    /// Whether it was resumed since it was as it is there, also where it had been paused after that.
    #[must_use]
    pub fn is_resumed_since(&self, before: &Self) -> bool {
        self.state == SubscriberState::Active && self.resumes != before.resumes
    }

    /// How long an attempt may take; the configuration's timeout when `None`.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout_ms
            .map(|timeout_ms| Duration::from_millis(timeout_ms.into()))
    }

    /// The waits between attempts; the configuration's when `None`.
    #[must_use]
    pub fn schedule(&self) -> Option<Vec<Duration>> {
        let delays = self.schedule_ms.as_ref()?;
        Some(delays.iter().copied().map(Duration::from_millis).collect())
    }
}
