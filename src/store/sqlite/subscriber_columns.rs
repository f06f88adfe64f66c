//! The columns of the table `subscriber`, from the rows of [`settings`]: read, and written one by one.

use rusqlite::Row;
use rusqlite::types::Value;

use super::cell::{cell, kept};
use crate::model::settings::{self, Setting, settings};
use crate::model::{
    AUTHORIZATION, AlertOptions, Credentials, Headers, NewSubscriber, PayloadOptions, Subscriber,
    SubscriberChange,
};

/// A column and what is to be written into it.
pub(super) type Cell = (&'static str, Value);

macro_rules! columns {
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
        /// What [`read`] needs.
        pub(super) const COLUMNS: &str = concat!(
            "subscriber_id, name, owner, url, kind, wording, link, account_events, state, state_reason, \
             filter, headers, auth, created_at_ms, failing_since_ms, resumes",
            $(", ", stringify!($p),)* $(", ", $v_column,)* $(", ", $o_column,)*
        );

        pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Subscriber> {
            let headers: Option<String> = row.get("headers")?;
            let headers = headers.iter().flat_map(|names| names.split(", "));
            Ok(Subscriber {
                id: row.get("subscriber_id")?,
                name: row.get("name")?,
                owner: row.get("owner")?,
                url: row.get("url")?,
                kind: kept(row, "kind")?,
                alert: AlertOptions {
                    wording: row.get("wording")?,
                    link: row.get("link")?,
                    account_events: row.get("account_events")?,
                },
                state: kept(row, "state")?,
                state_reason: row.get("state_reason")?,
                filter: kept(row, "filter")?,
                options: PayloadOptions { $($p: kept(row, stringify!($p))?,)* },
                $($v_kept: kept(row, $v_column)?,)*
                $($o_kept: kept(row, $o_column)?,)*
                headers: headers.map(str::to_owned).collect(),
                auth: kept(row, "auth")?,
                created_at_ms: row.get("created_at_ms")?,
                failing_since_ms: row.get("failing_since_ms")?,
                resumes: row.get("resumes")?,
            })
        }

        /// The settings of a subscriber to be added, its URL aside.
        pub(super) fn cells_of_new(new: &NewSubscriber) -> rusqlite::Result<Vec<Cell>> {
            Ok(vec![
                ("name", cell(&new.name)?),
                ("owner", cell(&new.owner)?),
                ("kind", cell(&new.kind)?),
                ("wording", cell(&new.alert.wording)?),
                ("link", cell(&new.alert.link)?),
                ("account_events", cell(&new.alert.account_events)?),
                ("filter", cell(&new.filter)?),
                ("headers", cell(&header_names(&new.headers))?),
                ("auth", cell(&new.auth.as_ref().map(Credentials::kind))?),
                $((stringify!($p), cell(&new.options.$p)?),)*
                $(($v_column, cell(&<$v_kept_type>::from(new.$v.clone()))?),)*
                $(($o_column, cell(&new.$o.clone().map(<$o_kept_type>::from))?),)*
            ])
        }

        /// The settings that change, the URL and the headers aside.
        pub(super) fn cells_of_change(change: &SubscriberChange) -> rusqlite::Result<Vec<Cell>> {
            let mut cells = Vec::new();
            if let Some(alert) = &change.alert {
                cells.extend([
                    ("wording", cell(&alert.wording)?),
                    ("link", cell(&alert.link)?),
                    ("account_events", cell(&alert.account_events)?),
                ]);
            }
            if let Some(filter) = &change.filter {
                cells.push(("filter", cell(filter)?));
            }
            if let Some(auth) = &change.auth {
                cells.push(("auth", cell(&auth.as_own().map(Credentials::kind))?));
            }
            $(if let Some(value) = change.options.$p {
                cells.push((stringify!($p), cell(&value)?));
            })*
            $(if let Some(value) = change.$v.clone() {
                cells.push(($v_column, cell(&<$v_kept_type>::from(value))?));
            })*
            $(if let Some(setting) = change.$o.clone() {
                cells.push(($o_column, cell(&Setting::own(setting).map(<$o_kept_type>::from))?));
            })*
            Ok(cells)
        }
    };
}

settings!(columns);

/// The names of a subscriber's own headers, its credentials aside; `None` for none.
fn header_names(headers: &Headers) -> Option<String> {
    let names = headers.keys().map(String::as_str);
    let names: Vec<&str> = names.filter(|name| *name != AUTHORIZATION).collect();
    (!names.is_empty()).then(|| names.join(", "))
}
