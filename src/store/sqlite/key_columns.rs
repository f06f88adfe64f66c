//! A key as its column has it: the number that it is.

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlResult, ToSqlOutput, Value, ValueRef};

use crate::model::{
    AccountEventKey, AttemptKey, AuditKey, ConditionKey, ForwardKey, MessageKey, NameLinkKey,
    PollKey, ReplayKey, ReportKey, SubscriberKey, TemplateKey, TokenKey, WebhookKey,
};

macro_rules! columns {
    ($($key:ident),*) => { $(
        impl ToSql for $key {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(self.number().into())
            }
        }

        impl FromSql for $key {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                i64::column_result(value).map(Self::of)
            }
        }

        impl From<$key> for Value {
            fn from(key: $key) -> Self {
                key.number().into()
            }
        }
    )* };
}

columns!(
    AccountEventKey,
    AttemptKey,
    AuditKey,
    ConditionKey,
    ForwardKey,
    MessageKey,
    NameLinkKey,
    PollKey,
    ReplayKey,
    ReportKey,
    SubscriberKey,
    TemplateKey,
    TokenKey,
    WebhookKey
);
