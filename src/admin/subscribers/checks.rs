//! What each field of a subscriber must be, and whose it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::access::{Caller, Role};
use crate::admin::wanted::no_such_error;
use crate::admin::{Failure, Fault, Operations, check_name};
use crate::catalogue;
use crate::model::{
    AlertOptions, Credentials, Filter, NewSubscriber, Rule, SecretText, Setting, Status,
    Subscriber, SubscriberChange, SubscriberKind, check_header_name, check_header_value, digits,
    is_channel_name, is_phone_number, quoted,
};
use crate::plan::alert;

/// The most headers of its own that a subscriber may have.
const MOST_HEADERS: usize = 20;

impl Operations {
    /// What cannot be as it is in a new subscriber; what can is written as it is kept.
    pub(in crate::admin) fn check_new(
        &self,
        caller: &Caller,
        new: &mut NewSubscriber,
    ) -> Vec<Fault> {
        let mut faults = Vec::new();
        faults.extend(check_name("/name", &new.name).err());
        faults.extend(settle_owner(caller, &mut new.owner).err());
        self.check_url(&mut new.url, &mut faults);
        check_whole(new.kind, &new.url, &mut faults);
        faults.extend(check_kind(caller, new.kind).err());
        check_alert(new.kind, &new.alert, &mut faults);
        self.check_filter(caller, &new.filter, &mut faults);
        new.check_settings(&mut faults);
        let headers = std::mem::take(&mut new.headers)
            .into_iter()
            .map(|(name, value)| (name, Some(value)));
        let headers = own_headers(headers.collect(), &mut faults).into_iter();
        new.headers = headers
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        check_count(new.headers.len(), &mut faults);
        check_auth(new.auth.as_ref(), &mut faults);
        faults
    }

    /// What cannot be as it is in a change; what can is written as it is kept.
    pub(in crate::admin) fn check_change(
        &self,
        caller: &Caller,
        before: &Subscriber,
        change: &mut SubscriberChange,
    ) -> Vec<Fault> {
        let mut faults = Vec::new();
        if let Some(alert) = &change.alert {
            check_alert(before.kind, alert, &mut faults);
        }
        // Of a chat's URL the beginning is shown: sent back as it was read it changes nothing.
        change.url = change.url.take().filter(|url| *url != before.url);
        if let Some(url) = &mut change.url {
            self.check_url(url, &mut faults);
            check_whole(before.kind, url, &mut faults);
        }
        if let Some(filter) = &change.filter {
            self.check_filter(caller, filter, &mut faults);
        }
        change.check_settings(&mut faults);
        change.headers = own_headers(std::mem::take(&mut change.headers), &mut faults);
        let mut names: BTreeSet<&String> = before.headers.iter().collect();
        for (name, value) in &change.headers {
            if value.is_some() {
                names.insert(name);
            } else {
                names.remove(name);
            }
        }
        check_count(names.len(), &mut faults);
        let auth = change.auth.as_ref().and_then(Setting::as_own);
        check_auth(auth, &mut faults);
        faults
    }

    /// The subscriber of that name, if the caller sees it.
    pub(in crate::admin) fn subscriber_of(
        &self,
        caller: &Caller,
        name: &str,
    ) -> Result<Arc<Subscriber>, Failure> {
        let found = self.store.subscriber(name).ok();
        found
            .filter(|subscriber| caller.sees(subscriber))
            .ok_or_else(|| {
                Failure::Missing(format!(
                    "no subscriber is named {name}",
                    name = quoted(name)
                ))
            })
    }

    /// What was judged is what is kept and shown, not how it was typed. A refusal does not repeat
    /// it: with a chat's URL anyone can post there, and a password may stand in any.
    fn check_url(&self, url: &mut String, faults: &mut Vec<Fault>) {
        match self.sender.guard().target(url) {
            Ok(target) => target.as_str().clone_into(url),
            Err(error) => faults.push(Fault::new("/url", format!("url: {error}"))),
        }
    }

    fn check_filter(&self, caller: &Caller, filter: &Filter, faults: &mut Vec<Fault>) {
        for (index, wanted) in filter.sources.iter().enumerate() {
            if let Err(detail) = self.known_source(caller, wanted) {
                faults.push(Fault::new(format!("/filter/sources/{index}"), detail));
            }
        }
        if filter.sources.is_empty() && !caller.sources.is_empty() {
            let seen = caller.sources.join(", ");
            let detail = format!("this token sees some sources only: name those wanted, of {seen}");
            faults.push(Fault::new("/filter/sources", detail));
        }
        for (index, rule) in filter.rules.iter().enumerate() {
            check_errors(index, rule, faults);
        }
        for (index, sender) in filter.senders.iter().enumerate() {
            if !is_phone_number(&digits(sender)) {
                let detail = format!(
                    "sender {sender}: write a phone number with its country code, \
                     e.g. +385910009999",
                    sender = quoted(sender)
                );
                faults.push(Fault::new(format!("/filter/senders/{index}"), detail));
            }
        }
        for (index, channel) in filter.channels.iter().enumerate() {
            if !is_channel_name(channel) {
                let detail = format!(
                    "channel {channel}: write it as the provider names it, e.g. sms, viber or \
                     rcs, or any",
                    channel = quoted(channel)
                );
                faults.push(Fault::new(format!("/filter/channels/{index}"), detail));
            }
        }
    }
}

/// The beginning of a chat's URL, which is all that is ever shown of it, is nowhere to send to.
fn check_whole(kind: SubscriberKind, url: &str, faults: &mut Vec<Fault>) {
    if kind == SubscriberKind::Chat && url.ends_with("/%E2%80%A6") {
        let detail = "this is the beginning of a chat's URL as it is shown: write all of it";
        faults.push(Fault::new("/url", detail.to_owned()));
    }
}

/// An integrator's subscribers are its owner's.
fn settle_owner(caller: &Caller, owner: &mut Option<String>) -> Result<(), Fault> {
    if let Some(own) = &caller.owner {
        if owner.as_ref().is_some_and(|owner| owner != own) {
            let detail = format!(
                "this token adds subscribers of {own}: leave it out",
                own = quoted(own)
            );
            return Err(Fault::new("/owner", detail));
        }
        *owner = Some(own.clone());
    } else if caller.role == Role::Integrator {
        return Err(Fault::new("/owner", "this token has no owner".to_owned()));
    }
    owner
        .as_ref()
        .map_or(Ok(()), |owner| check_name("/owner", owner))
}

/// Errors are of failures, and must be such that a failure can have one of them.
fn check_errors(index: usize, rule: &Rule, faults: &mut Vec<Fault>) {
    if rule.errors.is_empty() {
        return;
    }
    if rule.statuses.iter().any(|status| *status != Status::Failed) {
        let detail = "errors are of failed reports: leave the other statuses of this rule to a \
                      rule of their own";
        faults.push(Fault::new(
            format!("/filter/rules/{index}/statuses"),
            detail.to_owned(),
        ));
    }
    for (at, error) in rule.errors.iter().enumerate() {
        if !is_error(error) {
            let detail = no_such_error(error);
            faults.push(Fault::new(
                format!("/filter/rules/{index}/errors/{at}"),
                detail,
            ));
        }
    }
}

/// A code that is new to the catalogue is one all the same; a word has to be known.
fn is_error(text: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (provider, word) = text
        .split_once(':')
        .map_or((None, text), |(provider, word)| (Some(provider), word));
    let keys = || {
        catalogue::all()
            .iter()
            .filter_map(|entry| entry.key.split_once(':'))
    };
    match provider {
        Some(provider) => {
            let mut known = keys().filter(|key| key.0 == provider);
            known.any(|key| is_number(word) || key.1 == word)
        }
        None => is_number(word) || keys().any(|key| key.1 == word),
    }
}

/// Events of the service are for callers that may see all of it.
fn check_kind(caller: &Caller, kind: SubscriberKind) -> Result<(), Fault> {
    let sees_a_part = caller.owner.is_some() || !caller.sources.is_empty();
    if kind == SubscriberKind::Events && sees_a_part {
        let detail = "this token sees a part of the service only: events are about all of it";
        return Err(Fault::new("/kind", detail.to_owned()));
    }
    Ok(())
}

fn check_alert(kind: SubscriberKind, options: &AlertOptions, faults: &mut Vec<Fault>) {
    if kind != SubscriberKind::Chat && *options != AlertOptions::default() {
        let detail =
            format!("wording, link and account_events are for the kind chat, this one is {kind}");
        faults.push(Fault::new("/alert", detail));
        return;
    }
    let refused = alert::check(options).err().unwrap_or_default();
    faults.extend(
        refused.into_iter().map(|(field, error)| {
            Fault::new(format!("/alert/{field}"), format!("{field}: {error}"))
        }),
    );
}

/// Headers of a subscriber's own by their names in lower case; without a value, to be taken away.
fn own_headers(
    headers: BTreeMap<String, Option<SecretText>>,
    faults: &mut Vec<Fault>,
) -> BTreeMap<String, Option<SecretText>> {
    let mut own = BTreeMap::new();
    for (name, value) in headers {
        let value_checked = value.as_ref().map_or(Ok(()), check_header_value);
        let mut checked = check_header_name(&name).and(value_checked);
        if own.insert(name.to_ascii_lowercase(), value).is_some() {
            checked = Err(format!(
                "header {name} is there twice: leave one out",
                name = quoted(&name)
            ));
        }
        if let Err(detail) = checked {
            let field = name.replace('~', "~0").replace('/', "~1");
            faults.push(Fault::new(format!("/headers/{field}"), detail));
        }
    }
    own
}

fn check_count(headers: usize, faults: &mut Vec<Fault>) {
    if headers > MOST_HEADERS {
        let detail = format!("headers: a subscriber has at most {MOST_HEADERS} of its own");
        faults.push(Fault::new("/headers", detail));
    }
}

fn check_auth(auth: Option<&Credentials>, faults: &mut Vec<Fault>) {
    if let Some(Err(detail)) = auth.map(Credentials::check) {
        faults.push(Fault::new("/auth", detail));
    }
}
