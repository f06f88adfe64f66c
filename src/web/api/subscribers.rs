//! `/subscribers`: manage subscribers (callback URLs), their filters and their secrets.

use std::sync::Arc;

use actix_web::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::input::{Checked, MaybeBody, Segment, UrlQuery};
use super::list::ListFilter;
use super::page::Page;
use super::time::Time;
use super::{HandlerContext, Reply, Shaped, done, gone, shaped};
use crate::admin::{
    AddSubscriber, GivenSecret, PauseSubscriber, RemoveSubscriber, ResumeSubscriber, RotateSecret,
    Sample, TestSubscriber, Tested, UpdateSubscriber,
};
use crate::model::settings::{self, settings};
use crate::model::{
    AlertOptions, AuthKind, Filter, NewSubscriber, PayloadOptions, Subscriber, SubscriberChange,
    SubscriberKey, SubscriberKind, SubscriberState, Whole,
};
use crate::store::overview::SubscriberOverview;
use crate::store::query::{Listing, SubscriberQuery};

macro_rules! view {
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
        /// A subscriber.
        #[derive(Debug, Serialize, Deserialize, ToSchema)]
        #[schema(as = Subscriber)]
        pub(crate) struct SubscriberView {
            /// Its key, never used again.
            #[schema(value_type = i64)]
            pub(crate) id: SubscriberKey,
            /// What people call it; its part of the URL.
            #[schema(example = "crm")]
            pub(crate) name: String,
            /// Whose it is; null for the operator's own.
            pub(crate) owner: Option<String>,
            /// Where its payloads go. Of a chat only the beginning is ever shown: any client with all of
            /// it can post there.
            #[schema(example = "https://crm.example/whatsapp")]
            pub(crate) url: String,
            /// What it receives.
            pub(crate) kind: SubscriberKind,
            /// How, when it is notified in a chat.
            pub(crate) alert: AlertOptions,
            /// Whether it is sent to.
            pub(crate) state: SubscriberState,
            /// Why it is not, where the relay decided so.
            pub(crate) state_reason: Option<String>,
            /// Which reports it wants.
            pub(crate) filter: Filter,
            /// How its payloads look.
            pub(crate) options: PayloadOptions,
            $($(#[$v_doc])* pub(crate) $v: settings::$v_type,)*
            $($(#[$o_doc])* pub(crate) $o: Option<settings::$o_type>,)*
            /// Names of the headers of its own that are sent to it; their values are never shown.
            pub(crate) headers: Vec<String>,
            /// Which credentials are sent to it; they are never shown.
            pub(crate) auth: Option<AuthKind>,
            /// When it was added.
            pub(crate) created_at: Time,
            /// Since when every attempt has failed; null while it answers.
            pub(crate) failing_since: Option<Time>,
        }

        impl From<&Subscriber> for SubscriberView {
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
                    options: subscriber.options,
                    $($v: subscriber.$v_kept.clone().into(),)*
                    $($o: subscriber.$o_kept.clone().map(Into::into),)*
                    headers: subscriber.headers.clone(),
                    auth: subscriber.auth,
                    created_at: Time(subscriber.created_at_ms),
                    failing_since: subscriber.failing_since_ms.map(Time),
                }
            }
        }
    };
}

settings!(view);

/// Which page of the subscribers.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SubscriberListQuery {
    /// At most this many; 50 when left out.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 100)]
    limit: Option<Whole<1, 100>>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// With `true` the pending forwards are counted, and what was delivered and given up within 24 h.
    counts: Option<bool>,
}

/// A subscriber in the list.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = ListedSubscriber)]
pub(crate) struct ListedSubscriberView {
    /// The subscriber.
    #[serde(flatten)]
    pub(crate) subscriber: SubscriberView,
    /// Forwards pending for it. Only there where it was asked to count, and there was time to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pending: Option<u64>,
    /// Of the forwards made within 24 h, those it took; only there where it was asked to count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) delivered_24h: Option<u64>,
    /// Of the forwards made within 24 h, those given up; only there where it was asked to count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gave_up_24h: Option<u64>,
}

impl ListedSubscriberView {
    fn new(subscriber: &Subscriber, counts: &[SubscriberOverview]) -> Self {
        let found = counts.iter().find(|it| it.subscriber.id == subscriber.id);
        Self {
            subscriber: SubscriberView::from(subscriber),
            pending: found.and_then(|found| found.pending),
            delivered_24h: found.map(|found| found.delivered_24h),
            gave_up_24h: found.map(|found| found.gave_up_24h),
        }
    }
}

/// The subscribers, the oldest first.
#[utoipa::path(get, path = "/subscribers", tag = "subscribers", params(SubscriberListQuery),
    responses((status = 200, description = "One page.", body = Page<ListedSubscriberView>)))]
pub(super) async fn list(
    context: HandlerContext,
    UrlQuery(query, faults): UrlQuery<SubscriberListQuery>,
) -> Reply {
    let page = ("subscribers", query.limit, query.cursor.as_deref());
    let (paging, _) = context.list(page, ListFilter::default(), faults).await?;
    let subscribers = Arc::clone(&context.shared.store.subscribers().borrow());
    let seen = subscribers.iter();
    let seen = seen.filter(|subscriber| context.caller.sees(subscriber));
    let rows = paging.window().of_oldest(seen.cloned());
    let (now_ms, is_counted) = (context.shared.clock.now_ms(), query.counts == Some(true));
    let Listing {
        rows: counts,
        reached,
        ..
    } = if is_counted {
        context.read(SubscriberQuery { now_ms }).await?
    } else {
        Vec::new().into()
    };
    let show = |subscriber: Arc<Subscriber>| ListedSubscriberView::new(&subscriber, &counts);
    let mut page = paging.page(rows, show);
    page.searched_back_to = reached.and_then(|reached| reached.at_ms).map(Time);
    done(&page)
}

/// A subscriber and the secret that its payloads are signed with, which is shown this once.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct SecretView {
    /// The subscriber.
    #[serde(flatten)]
    pub(crate) subscriber: SubscriberView,
    /// Verifies payloads after Standard Webhooks.
    #[schema(example = "whsec_A455RXq7mT6Clt4bQvoiBleqwc9QHSGIJwhU+CVTIEo=")]
    pub(crate) secret: String,
    /// Until when the secret before it signs too; null where there is none.
    pub(crate) old_secret_until: Option<Time>,
}

fn with_secret(status: StatusCode, given: &GivenSecret) -> Shaped {
    let view = SecretView {
        subscriber: SubscriberView::from(&given.subscriber),
        secret: given.secret.clone(),
        old_secret_until: given.old_until_ms.map(Time),
    };
    shaped(status, &view)
}

fn changed(subscriber: &Subscriber) -> Shaped {
    shaped(StatusCode::OK, &SubscriberView::from(subscriber))
}

/// Add a subscriber. Its secret is in the answer, this once.
#[utoipa::path(post, path = "/subscribers", tag = "subscribers", request_body = NewSubscriber,
    responses((status = 201, description = "It is added and sent to from now on.", body = SecretView)))]
pub(super) async fn create(
    context: HandlerContext,
    Checked(new, faults): Checked<NewSubscriber>,
) -> Reply {
    let request = AddSubscriber(new);
    context.refuse(faults, &request)?;
    let created = |given: &GivenSecret| with_secret(StatusCode::CREATED, given);
    context.perform(request, created).await
}

/// One subscriber.
#[utoipa::path(get, path = "/subscribers/{name}", tag = "subscribers",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "It.", body = SubscriberView)))]
pub(super) async fn read(context: HandlerContext, Segment(name): Segment) -> Reply {
    let subscriber = context.subscriber(&name)?;
    done(&SubscriberView::from(&*subscriber))
}

/// Change a subscriber.
#[utoipa::path(patch, path = "/subscribers/{name}", tag = "subscribers", request_body = SubscriberChange,
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "As it is now.", body = SubscriberView)))]
pub(super) async fn update(
    context: HandlerContext,
    Segment(name): Segment,
    Checked(change, faults): Checked<SubscriberChange>,
) -> Reply {
    let request = UpdateSubscriber { name, change };
    context.refuse(faults, &request)?;
    context.perform(request, changed).await
}

/// Send nothing to it until it is resumed; its pending forwards are kept.
#[utoipa::path(post, path = "/subscribers/{name}/pause", tag = "subscribers",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "As it is now.", body = SubscriberView)))]
pub(super) async fn pause(context: HandlerContext, Segment(name): Segment) -> Reply {
    let request = PauseSubscriber { name };
    context.perform(request, changed).await
}

/// Send to it again, all pending forwards included.
#[utoipa::path(post, path = "/subscribers/{name}/resume", tag = "subscribers",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "As it is now.", body = SubscriberView)))]
pub(super) async fn resume(context: HandlerContext, Segment(name): Segment) -> Reply {
    let request = ResumeSubscriber { name };
    context.perform(request, changed).await
}

/// Remove it; its pending forwards are given up, its name is free again.
#[utoipa::path(delete, path = "/subscribers/{name}", tag = "subscribers",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 204, description = "It is removed.")))]
pub(super) async fn remove(context: HandlerContext, Segment(name): Segment) -> Reply {
    let request = RemoveSubscriber { name };
    context.perform(request, |_| Ok(gone())).await
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
    context: HandlerContext,
    Segment(name): Segment,
    MaybeBody(Rotation { now }): MaybeBody<Rotation>,
) -> Reply {
    let request = RotateSecret { name, now };
    let rotated = |given: &GivenSecret| with_secret(StatusCode::OK, given);
    context.perform(request, rotated).await
}

/// Send it what a provider's report would have caused, and show all that went over the wire; one
/// sample of each status when the body does not say which.
#[utoipa::path(post, path = "/subscribers/{name}/test", tag = "subscribers",
    request_body = Option<Sample>,
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "What was sent and answered.", body = Tested)))]
pub(super) async fn test(
    context: HandlerContext,
    Segment(name): Segment,
    MaybeBody(sample): MaybeBody<Sample>,
) -> Reply {
    let request = TestSubscriber { name, sample };
    let tested = |tested: &Tested| shaped(StatusCode::OK, tested);
    context.perform(request, tested).await
}
