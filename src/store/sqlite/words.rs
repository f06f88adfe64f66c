//! Words of closed sets as TEXT columns: written and read by the words that `strum` derives.
//!
//! A column that holds another word is an error that names the words of the set.

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, Value, ValueRef};

use super::ranges::Timed;
use crate::access::Role;
use crate::catalogue::{Fix, Resend};
use crate::model::{
    About, AuthKind, ErrorCode, ErrorFormat, Field, ForwardState, GaveUp, Kind, MessageType,
    NumberFormat, Ordering, PayloadFormat, ReportEffect, Reports, SkipReason, Status,
    SubscriberKind, SubscriberState, TimestampFormat, TypeRule, UnknownWord, Word,
};
use crate::store::WebhookOutcome;
use crate::store::job::{JobKind, JobState};
use crate::store::poll::{PollGaveUp, PollState};
use crate::store::replay::ReplayState;
use crate::store::timeline::RegistrationOrigin;
use crate::store::watching::Counted;

macro_rules! columns {
    ($($word:ty),+ $(,)?) => {$(
        impl ToSql for $word {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(self.as_str().into())
            }
        }

        impl From<$word> for Value {
            fn from(word: $word) -> Self {
                Self::Text(word.as_str().to_owned())
            }
        }

        impl FromSql for $word {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                read(value.as_str()?)
            }
        }
    )+};
}

columns! {
    About, AuthKind, ReportEffect, Counted, ErrorCode, ErrorFormat, Field, Fix, ForwardState, GaveUp, JobKind, JobState,
    Kind, MessageType, NumberFormat, Ordering, RegistrationOrigin, PayloadFormat, PollGaveUp, PollState, SkipReason,
    ReplayState, Reports, Resend, Role, Status, SubscriberKind, SubscriberState, Timed,
    TimestampFormat, TypeRule, WebhookOutcome,
}

fn read<W: Word>(word: &str) -> FromSqlResult<W> {
    let unknown = || FromSqlError::Other(Box::new(UnknownWord::among::<W>("word", word)));
    W::of_word(word).ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::marker::PhantomData;
    use std::path::Path;

    use rusqlite::Connection;

    use super::super::import::Import;
    use super::super::schema;
    use super::*;
    use crate::model::settings::{self, settings};

    /// The words that the schema's checks allow, by table and column.
    fn checked() -> BTreeMap<String, Vec<String>> {
        let mut connection = Connection::open_in_memory().unwrap();
        let nothing = Import::nothing();
        schema::migrate(&mut connection, Path::new("memory"), (0, 0), &nothing).unwrap();
        let mut tables = connection
            .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'table'")
            .unwrap();
        let tables = tables.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        let tables: Vec<(String, String)> = tables.unwrap().map(Result::unwrap).collect();
        let mut checked = BTreeMap::new();
        for (table, created) in &tables {
            for check in created
                .split("CHECK (")
                .skip(1)
                .filter(|it| it.contains('\''))
            {
                let column = check.split_whitespace().next().unwrap();
                let words = check
                    .split(';')
                    .next()
                    .unwrap()
                    .split(",\n")
                    .next()
                    .unwrap();
                let words = words.split('\'').skip(1).step_by(2).map(str::to_owned);
                checked.insert(format!("{table}.{column}"), words.collect());
            }
        }
        checked
    }

    /// The words of a type that is a set of them, for the types of settings.
    struct WordsOf<T>(PhantomData<T>);

    impl<W: Word> WordsOf<W> {
        fn all() -> Vec<&'static str> {
            W::words().collect()
        }
    }

    /// What [`WordsOf::all`] is of any other type.
    trait NoWords {
        fn all() -> Vec<&'static str> {
            Vec::new()
        }
    }

    impl<T> NoWords for WordsOf<T> {}

    macro_rules! words_of_settings {
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
            /// The columns of settings with the words of each.
            fn words_of_settings() -> Vec<(&'static str, Vec<&'static str>)> {
                vec![
                    $((stringify!($p), WordsOf::<settings::$p_type>::all()),)*
                    $(($v_column, WordsOf::<settings::$v_type>::all()),)*
                    $(($o_column, WordsOf::<settings::$o_type>::all()),)*
                ]
            }
        };
    }

    settings!(words_of_settings);

    #[test]
    fn the_schema_allows_the_words_of_each_enum_and_no_others() {
        fn row<W: Word>(column: &str) -> (String, Vec<String>) {
            (column.to_owned(), W::words().map(str::to_owned).collect())
        }
        let mut known = BTreeMap::from([
            row::<WebhookOutcome>("webhook.outcome"),
            row::<RegistrationOrigin>("registration.origin"),
            row::<PollState>("poll.state"),
            row::<PollGaveUp>("poll.gave_up"),
            row::<SubscriberKind>("subscriber.kind"),
            row::<SubscriberState>("subscriber.state"),
            row::<AuthKind>("subscriber.auth"),
            row::<ForwardState>("forward.state"),
            row::<ReplayState>("replay.state"),
            row::<JobKind>("job.kind"),
            row::<JobState>("job.state"),
            row::<Counted>("traffic.what"),
            row::<Timed>("key_range.kind"),
            row::<About>("account_event.about"),
        ]);
        let checked = checked();
        // A setting needs no check of its words in the schema; where it has one, it has all of them.
        for (column, words) in words_of_settings() {
            let column = format!("subscriber.{column}");
            if !words.is_empty() && checked.contains_key(&column) {
                known.insert(column, words.into_iter().map(str::to_owned).collect());
            }
        }
        assert!(known.contains_key("subscriber.ordering"));
        assert_eq!(checked, known);
    }

    #[test]
    fn a_column_gives_back_the_word_that_it_was_given_and_refuses_others() {
        let connection = Connection::open_in_memory().unwrap();
        let echo = |status: Option<Status>| -> rusqlite::Result<Option<Status>> {
            connection.query_row("SELECT ?1", [status], |row| row.get(0))
        };
        assert_eq!(echo(None), Ok(None));
        for status in Status::ALL {
            assert_eq!(echo(Some(*status)), Ok(Some(*status)));
        }
        let other = "SELECT 'Read'";
        let error = connection.query_row(other, [], |row| row.get::<_, Status>(0));
        let error = error.unwrap_err().to_string();
        let expected = "queued, sent, delivered, read, failed, deleted";
        assert!(
            error.contains("Read") && error.contains(expected),
            "{error}"
        );
    }
}
