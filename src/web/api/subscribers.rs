//! `/subscribers`: which subscribers are notified of what, and where.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::input::{Checked, MaybeBody, Query, Segment, setting};
use super::page::{Page, Paging};
use super::time::{Span, Time};
use super::whole::Whole;
use super::{Asked, Reply, Shaped, done, gone, shaped};
use crate::admin::{Answer, Request, Sample, Tested};
use crate::model::{
    AlertOptions, AuthKind, Credentials, Filter, Headers, Ordering, PayloadOptions,
    PayloadOptionsChange, Reports, SecretText, Setting, Subscriber, SubscriberKind,
    SubscriberState, maybe_object, object,
};
use crate::store::{NewSubscriber, SubscriberChange};

/// A subscriber.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Subscriber)]
pub(crate) struct View {
    /// Its key, never used again.
    id: i64,
    /// What people call it; its part of the URL.
    #[schema(example = "crm")]
    name: String,
    /// Whose it is; null for the operator's own.
    owner: Option<String>,
    /// Where its payloads go. Of a chat only the beginning is ever shown: whoever has all of it
    /// can post there.
    #[schema(example = "https://crm.example/whatsapp")]
    url: String,
    /// What it is notified of.
    kind: SubscriberKind,
    /// How, when it is notified in a chat.
    alert: AlertOptions,
    /// Whether it is sent to.
    state: SubscriberState,
    /// Why it is not, where the relay decided so.
    state_reason: Option<String>,
    /// Which reports it wants.
    filter: Filter,
    /// Whether late and contradicting reports are among them.
    reports: Reports,
    /// How its payloads look.
    options: PayloadOptions,
    /// What a later status of a message waits for.
    ordering: Ordering,
    /// How many forwards may be in flight to it at once.
    concurrency: u16,
    /// How long an attempt may take; null where the service's configuration says.
    timeout: Option<Span>,
    /// How many attempts may begin within a second; null for any number.
    rate_limit: Option<u32>,
    /// The waits between attempts, one fewer than attempts; null where the configuration says.
    schedule: Option<Vec<Span>>,
    /// Names of the headers of its own that are sent to it; their values are never shown.
    headers: Vec<String>,
    /// Which credentials are sent to it; they are never shown.
    auth: Option<AuthKind>,
    /// When it was added.
    created_at: Time,
    /// Since when every attempt has failed; null while it answers.
    failing_since: Option<Time>,
}

impl From<&Subscriber> for View {
    fn from(subscriber: &Subscriber) -> Self {
        Self {
            id: subscriber.id,
            name: subscriber.name.clone(),
            owner: subscriber.owner.clone(),
            url: subscriber.url.clone(),
            kind: subscriber.kind,
            alert: subscriber.alert.clone(),
            state: subscriber.state,
            state_reason: subscriber.state_reason.clone(),
            filter: subscriber.filter.clone(),
            reports: subscriber.reports,
            options: subscriber.options,
            ordering: subscriber.ordering,
            concurrency: subscriber.concurrency,
            timeout: subscriber.timeout_ms.map(|ms| Span(ms.into())),
            rate_limit: subscriber.rate_limit,
            schedule: subscriber.schedule_ms.as_deref().map(spans),
            headers: subscriber.headers.clone(),
            auth: subscriber.auth,
            created_at: Time(subscriber.created_at_ms),
            failing_since: subscriber.failing_since_ms.map(Time),
        }
    }
}

fn spans(schedule_ms: &[u64]) -> Vec<Span> {
    schedule_ms.iter().copied().map(Span).collect()
}

/// What is no number of ms in 32 bits is refused as too long.
fn timeout_ms(timeout: Span) -> u32 {
    u32::try_from(timeout.0).unwrap_or(u32::MAX)
}

/// How many forwards may be in flight to a subscriber.
type Concurrency = Whole<1, 256>;
/// How many attempts may begin within a second.
type RateLimit = Whole<1, 10_000>;

fn at_once(Whole(concurrency): Concurrency) -> u16 {
    u16::try_from(concurrency).unwrap_or(u16::MAX)
}

fn schedule_ms(schedule: Vec<Span>) -> Vec<u64> {
    schedule.into_iter().map(|span| span.0).collect()
}

/// Which page of the subscribers.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// At most this many; 50 when left out.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 100)]
    limit: Option<Whole<1, 100>>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// The subscribers, the oldest first.
#[utoipa::path(get, path = "/subscribers", tag = "subscribers", params(ListQuery),
    responses((status = 200, description = "One page.", body = Page<View>)))]
pub(super) async fn list(asked: Asked, Query(query, mut faults): Query<ListQuery>) -> Reply {
    let paging = Paging::new(
        "subscribers",
        query.limit,
        query.cursor.as_deref(),
        &mut faults,
    );
    faults.end()?;
    let subscribers = Arc::clone(&asked.shared.store.subscribers().borrow());
    let rows: Vec<&Arc<Subscriber>> = subscribers
        .iter()
        .filter(|subscriber| paging.after().is_none_or(|after| subscriber.id > after))
        .filter(|subscriber| asked.caller.sees(subscriber))
        .take(paging.window().limit)
        .collect();
    done(&paging.page(
        rows,
        |subscriber| subscriber.id,
        |subscriber| View::from(&**subscriber),
    ))
}

/// A subscriber to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewView {
    /// Unique; 1 to 64 of a-z, 0-9 and '-'.
    #[schema(
        example = "crm",
        min_length = 1,
        max_length = 64,
        pattern = "^[a-z0-9-]+$"
    )]
    name: String,
    /// Whose it is: an integrator's token sees the subscribers of its owner alone. A token with an
    /// owner gives its own.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z0-9-]+$")]
    owner: Option<String>,
    /// Where its payloads go.
    #[schema(example = "https://crm.example/whatsapp")]
    url: String,
    /// What it is notified of; each report when left out. It cannot be changed later.
    #[serde(default)]
    kind: SubscriberKind,
    /// How, when it is notified in a chat.
    #[serde(default, deserialize_with = "object")]
    alert: AlertOptions,
    /// Which reports it wants; all when left out.
    #[serde(default, deserialize_with = "object")]
    filter: Filter,
    /// Whether late and contradicting reports are among them; `changes` when left out.
    #[serde(default)]
    reports: Reports,
    /// How its payloads look.
    #[serde(default, deserialize_with = "object")]
    options: PayloadOptions,
    /// What a later status of a message waits for; `relaxed` when left out.
    #[serde(default)]
    ordering: Ordering,
    /// How many forwards may be in flight to it at once; 8 when left out.
    #[serde(default)]
    #[schema(value_type = Option<u16>, minimum = 1, maximum = 256)]
    concurrency: Option<Concurrency>,
    /// How long an attempt may take, 100ms to 60s; the service's configuration says when left out.
    #[serde(default)]
    timeout: Option<Span>,
    /// How many attempts may begin within a second; any number when left out.
    #[serde(default)]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 10000)]
    rate_limit: Option<RateLimit>,
    /// The waits between attempts, one fewer than attempts; the configuration says when left out.
    #[serde(default)]
    #[schema(max_items = 100)]
    schedule: Option<Vec<Span>>,
    /// Headers of its own to send to it, by name; their values are never shown again.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>, write_only, example = json!({"X-Api-Key": "…"}))]
    headers: Headers,
    /// What to send to it in `Authorization`; never shown again.
    #[serde(default)]
    #[schema(write_only)]
    auth: Option<AuthView>,
}

/// What to send in `Authorization`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(
    tag = "type",
    rename_all = "lowercase",
    deny_unknown_fields,
    expecting = r#"{"type": "bearer", "token": "…"} or {"type": "basic", "username": "…", "password": "…"}"#
)]
#[schema(as = Credentials)]
pub(crate) enum AuthView {
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

impl From<AuthView> for Credentials {
    fn from(auth: AuthView) -> Self {
        match auth {
            AuthView::Basic { username, password } => Self::Basic { username, password },
            AuthView::Bearer { token } => Self::Bearer { token },
        }
    }
}

/// A subscriber and the secret that its payloads are signed with, which is shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SecretView {
    /// The subscriber.
    #[serde(flatten)]
    subscriber: View,
    /// Verifies payloads after Standard Webhooks.
    #[schema(example = "whsec_A455RXq7mT6Clt4bQvoiBleqwc9QHSGIJwhU+CVTIEo=")]
    secret: String,
    /// Until when the secret before it signs too; null where there is none.
    old_secret_until: Option<Time>,
}

fn with_secret(status: StatusCode, answer: &Answer) -> Shaped {
    match answer {
        Answer::Secret {
            subscriber,
            secret,
            old_until_ms,
        } => {
            let view = SecretView {
                subscriber: View::from(subscriber),
                secret: secret.clone(),
                old_secret_until: old_until_ms.map(Time),
            };
            shaped(status, &view)
        }
        other => Err(super::unexpected(other)),
    }
}

fn changed(answer: &Answer) -> Shaped {
    match answer {
        Answer::Subscriber(subscriber) => shaped(StatusCode::OK, &View::from(subscriber)),
        other => Err(super::unexpected(other)),
    }
}

/// Add a subscriber. Its secret is in the answer, this once.
#[utoipa::path(post, path = "/subscribers", tag = "subscribers", request_body = NewView,
    responses((status = 201, description = "It is added and sent to from now on.", body = SecretView)))]
pub(super) async fn create(asked: Asked, Checked(body, faults): Checked<NewView>) -> Reply {
    let usual = NewSubscriber::new(&body.name, &body.url);
    let new = NewSubscriber {
        owner: body.owner,
        kind: body.kind,
        alert: body.alert,
        filter: body.filter,
        reports: body.reports,
        options: body.options,
        ordering: body.ordering,
        concurrency: body.concurrency.map_or(usual.concurrency, at_once),
        timeout_ms: body.timeout.map(timeout_ms),
        rate_limit: body.rate_limit.map(|Whole(rate)| rate),
        schedule_ms: body.schedule.map(schedule_ms),
        headers: body.headers,
        auth: body.auth.map(Credentials::from),
        ..usual
    };
    let request = Request::AddSubscriber(new);
    asked.refuse(faults, &request)?;
    let created = |answer: &Answer| with_secret(StatusCode::CREATED, answer);
    asked.perform(request, created).await
}

/// One subscriber.
#[utoipa::path(get, path = "/subscribers/{name}", tag = "subscribers",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "It.", body = View)))]
pub(super) async fn read(asked: Asked, Segment(name): Segment) -> Reply {
    let subscriber = asked.subscriber(&name)?;
    done(&View::from(&*subscriber))
}

/// What is to be different; what is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeView {
    /// Where its payloads go.
    url: Option<String>,
    /// How it is notified in a chat, as a whole.
    #[serde(default, deserialize_with = "maybe_object")]
    alert: Option<AlertOptions>,
    /// Which reports it wants, as a whole.
    #[serde(default, deserialize_with = "maybe_object")]
    filter: Option<Filter>,
    /// Whether late and contradicting reports are among them.
    reports: Option<Reports>,
    /// How its payloads look; those that are queued already stay as they are.
    #[serde(default, deserialize_with = "object")]
    options: PayloadOptionsChange,
    /// What a later status of a message waits for.
    ordering: Option<Ordering>,
    /// How many forwards may be in flight to it at once.
    #[schema(value_type = Option<u16>, minimum = 1, maximum = 256)]
    concurrency: Option<Concurrency>,
    /// How long an attempt may take, 100ms to 60s; null: as the service's configuration says.
    #[serde(default, deserialize_with = "setting")]
    #[schema(value_type = Option<Span>)]
    timeout: Option<Setting<Span>>,
    /// How many attempts may begin within a second; null: any number.
    #[serde(default, deserialize_with = "setting")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 10000)]
    rate_limit: Option<Setting<RateLimit>>,
    /// The waits between attempts, one fewer than attempts; null: as the configuration says.
    #[serde(default, deserialize_with = "setting")]
    #[schema(value_type = Option<Vec<Span>>, max_items = 100)]
    schedule: Option<Setting<Vec<Span>>>,
    /// Headers of its own to set, by name, or with null to take away; the others stay.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, Option<String>>, write_only)]
    headers: BTreeMap<String, Option<SecretText>>,
    /// What to send to it in `Authorization`; null: nothing.
    #[serde(default, deserialize_with = "setting")]
    #[schema(value_type = Option<AuthView>, write_only)]
    auth: Option<Setting<AuthView>>,
}

/// Change a subscriber.
#[utoipa::path(patch, path = "/subscribers/{name}", tag = "subscribers", request_body = ChangeView,
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "As it is now.", body = View)))]
pub(super) async fn update(
    asked: Asked,
    Segment(name): Segment,
    Checked(body, faults): Checked<ChangeView>,
) -> Reply {
    let change = SubscriberChange {
        url: body.url,
        alert: body.alert,
        filter: body.filter,
        reports: body.reports,
        options: body.options,
        ordering: body.ordering,
        concurrency: body.concurrency.map(at_once),
        timeout_ms: body.timeout.map(|own| own.map(timeout_ms)),
        rate_limit: body.rate_limit.map(|own| own.map(|Whole(rate)| rate)),
        schedule_ms: body.schedule.map(|own| own.map(schedule_ms)),
        headers: body.headers,
        auth: body.auth.map(|own| own.map(Credentials::from)),
    };
    let request = Request::UpdateSubscriber { name, change };
    asked.refuse(faults, &request)?;
    asked.perform(request, changed).await
}

/// Send nothing to it until it is resumed; its pending forwards are kept.
#[utoipa::path(post, path = "/subscribers/{name}/pause", tag = "subscribers",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "As it is now.", body = View)))]
pub(super) async fn pause(asked: Asked, Segment(name): Segment) -> Reply {
    let request = Request::PauseSubscriber { name };
    asked.perform(request, changed).await
}

/// Send to it again, all pending forwards included.
#[utoipa::path(post, path = "/subscribers/{name}/resume", tag = "subscribers",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "As it is now.", body = View)))]
pub(super) async fn resume(asked: Asked, Segment(name): Segment) -> Reply {
    let request = Request::ResumeSubscriber { name };
    asked.perform(request, changed).await
}

/// Remove it; its pending forwards are given up, its name is free again.
#[utoipa::path(delete, path = "/subscribers/{name}", tag = "subscribers",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 204, description = "It is removed.")))]
pub(super) async fn remove(asked: Asked, Segment(name): Segment) -> Reply {
    let request = Request::RemoveSubscriber { name };
    asked.perform(request, |_| Ok(gone())).await
}

/// How to rotate a secret; the body may be left out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotation {
    /// End the old secrets at once, as after a leak; the newest old one signs on for 24 h otherwise. An
    /// attempt under way ends with the signature it began with.
    #[serde(default)]
    now: bool,
}

/// Give it a new secret, which is in the answer, this once. The old one signs too for 24 h; of the
/// old ones at most two are kept.
#[utoipa::path(post, path = "/subscribers/{name}/rotate-secret", tag = "subscribers",
    request_body = Option<Rotation>,
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "With its new secret.", body = SecretView)))]
pub(super) async fn rotate_secret(
    asked: Asked,
    Segment(name): Segment,
    MaybeBody(Rotation { now }): MaybeBody<Rotation>,
) -> Reply {
    let request = Request::RotateSecret { name, now };
    let rotated = |answer: &Answer| with_secret(StatusCode::OK, answer);
    asked.perform(request, rotated).await
}

/// Send it what a provider's report would have caused, and show all that went over the wire; one
/// sample of each status when the body does not say which.
#[utoipa::path(post, path = "/subscribers/{name}/test", tag = "subscribers",
    request_body = Option<Sample>,
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "What was sent and answered.", body = Tested)))]
pub(super) async fn test(
    asked: Asked,
    Segment(name): Segment,
    MaybeBody(sample): MaybeBody<Sample>,
) -> Reply {
    let request = Request::TestSubscriber { name, sample };
    let tested = |answer: &Answer| match answer {
        Answer::Tested(tested) => shaped(StatusCode::OK, tested),
        other => Err(super::unexpected(other)),
    };
    asked.perform(request, tested).await
}
