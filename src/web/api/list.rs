//! What every list begins with: which page of it, and what it is narrowed to. All that is wrong in
//! either is refused at once.

use super::faults::Faults;
use super::page::Paging;
use super::time::TimeOrAge;
use super::{HandlerContext, failed};
use crate::admin::Fault;
use crate::admin::narrowing::{Narrowing, NarrowingKnown};
use crate::model::{SubscriberKey, Whole};
use crate::store::query::Scope;
use crate::web::problem::Problem;

/// What a list may be narrowed to, as it was given; a list without such a parameter leaves it out.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ListFilter<'a> {
    pub(super) source: Option<&'a str>,
    pub(super) error: Option<&'a str>,
    pub(super) recipient: Option<&'a str>,
    pub(super) channel: Option<&'a str>,
    pub(super) event: Option<&'a str>,
    pub(super) subscriber: Option<&'a str>,
    pub(super) since: Option<TimeOrAge>,
    pub(super) until: Option<TimeOrAge>,
}

/// What a list is narrowed to, as the store has it.
pub(super) struct ListScope {
    pub(super) now_ms: i64,
    pub(super) since_ms: Option<i64>,
    pub(super) until_ms: Option<i64>,
    pub(super) error: Option<String>,
    pub(super) subscriber_id: Option<SubscriberKey>,
    /// What the caller sees.
    pub(super) scope: Scope,
}

impl HandlerContext {
    /// The page of a list that is asked for, and what the list is narrowed to.
    ///
    /// # Errors
    /// With all that is wrong in the query: in the shape of its parameters (`faults`), in its cursor, and in
    /// what can match nothing. An unknown subscriber is missing, unless more is wrong.
    pub(super) async fn list<const MOST: u32>(
        &self,
        (name, limit, cursor): (&'static str, Option<Whole<1, MOST>>, Option<&str>),
        filter: ListFilter<'_>,
        mut faults: Faults,
    ) -> Result<(Paging, ListScope), Problem> {
        let paging = Paging::new(name, limit, cursor, &mut faults);
        let now_ms = self.shared.clock.now_ms();
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let narrowing = Narrowing {
            source: owned(filter.source),
            error: owned(filter.error),
            recipient: owned(filter.recipient),
            channel: owned(filter.channel),
            event: owned(filter.event),
            since_ms: filter.since.map(|since| since.ms(now_ms)),
            until_ms: filter.until.map(|until| until.ms(now_ms)),
        };
        let (since_ms, until_ms) = (narrowing.since_ms, narrowing.until_ms);
        let error = self.narrowed(narrowing, &mut faults).await?;
        let subscriber = filter.subscriber.map(|name| self.subscriber(name));
        let subscriber = subscriber.transpose();
        if let Err(missing) = &subscriber
            && !faults.is_empty()
        {
            faults.add("subscriber", missing.to_string());
        }
        faults.end()?;
        let scope = ListScope {
            now_ms,
            since_ms,
            until_ms,
            error,
            subscriber_id: subscriber?.map(|subscriber| subscriber.id),
            scope: Scope::from(&self.caller),
        };
        Ok((paging, scope))
    }

    /// The error that a list is narrowed to, as the store has it. What can match nothing is a fault.
    async fn narrowed(
        &self,
        narrowing: Narrowing,
        faults: &mut Faults,
    ) -> Result<Option<String>, Problem> {
        if narrowing == Narrowing::default() {
            return Ok(None);
        }
        let configured = self.shared.api.operations.sources().iter();
        let seen = configured.map(|it| it.name.clone());
        let seen: Vec<String> = seen.filter(|name| self.caller.sees_source(name)).collect();
        let sources: Vec<&str> = seen.iter().map(String::as_str).collect();
        let known = NarrowingKnown {
            store: &self.shared.store,
            sources: &sources,
            caller: &self.caller,
        };
        let checked = narrowing.check(&known).await;
        let checked = checked.map_err(|error| failed(&self.caller, error.into()));
        let (error, wrong) = checked?;
        for Fault { field, detail } in wrong {
            faults.add(&field, detail);
        }
        Ok(error)
    }
}
