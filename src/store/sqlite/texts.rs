//! Texts about others that name a person: found by readers, blotted out by the writer.
//!
//! What is about the person goes with its row. In any other row the rest is about other people and
//! stays, with the name blotted out where it stands.

use rusqlite::types::Value;
use rusqlite::{Connection, params};

use super::mentions::Mentions;

/// Texts of one table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Texts {
    /// Which.
    pub(super) table: &'static str,
    /// Its key.
    key: &'static str,
    /// Its texts, by column.
    columns: &'static [&'static str],
    /// The message and the report that a row is about.
    about: &'static str,
    /// Where from.
    from: &'static str,
    /// They are ids: the person's names are blotted out, the ids of its messages never, since the
    /// same id may be another message of another source.
    pub(super) are_ids: bool,
}

/// Every text that others have written or rendered. Those of subscribers, templates and the
/// configuration are the operator's own and stay.
pub(super) const TEXTS: &[Texts] = &[
    Texts {
        table: "message",
        key: "message_id",
        columns: &[
            "text",
            "category",
            "error_key",
            "error_title",
            "error_details",
            "other_channel",
            "others",
        ],
        about: "message_id, 0",
        from: "message",
        are_ids: false,
    },
    Texts {
        table: "registration",
        key: "message_id",
        columns: &[
            "template_name",
            "template_language",
            "template_parameters",
            "metadata",
            "send_status",
        ],
        about: "message_id, 0",
        from: "registration",
        are_ids: false,
    },
    Texts {
        table: "report",
        key: "report_id",
        columns: &[
            "error_key",
            "error_title",
            "error_details",
            "errors",
            "provider_time",
            "account_id",
            "pricing_category",
            "pricing_model",
            "pricing_type",
            "currency",
            "echo",
            "url",
            "oddities",
            "conversation_id",
            "conversation_origin",
            "entity_id",
            "application_id",
            "provider_status",
            "template_id",
            "pricing_other",
            "other_channel",
        ],
        about: "message_id, report_id",
        from: "report",
        are_ids: false,
    },
    Texts {
        table: "payload",
        key: "payload_id",
        columns: &["body"],
        about: "report.message_id, payload.report_id",
        from: "payload LEFT JOIN report USING (report_id)",
        are_ids: false,
    },
    Texts {
        table: "attempt",
        key: "attempt_id",
        columns: &["detail", "excerpt"],
        about: "forward.message_id, forward.report_id",
        from: "attempt LEFT JOIN forward USING (forward_id)",
        are_ids: false,
    },
    Texts {
        table: "account_event",
        key: "account_event_id",
        columns: &[
            "subject",
            "event",
            "name",
            "text",
            "detail",
            "provider_time",
            "template_id",
            "language",
            "account_id",
            "sender",
            "sender_id",
        ],
        about: "NULL, NULL",
        from: "account_event",
        are_ids: false,
    },
    Texts {
        table: "webhook",
        key: "webhook_id",
        columns: &[
            "outcome_detail",
            "content_type",
            "content_encoding",
            "user_agent",
        ],
        about: "NULL, NULL",
        from: "webhook",
        are_ids: false,
    },
    Texts {
        table: "audit",
        key: "audit_id",
        columns: &["caller", "id", "detail"],
        about: "NULL, NULL",
        from: "audit",
        are_ids: false,
    },
    Texts {
        table: "job",
        key: "job_id",
        columns: &["caller", "result", "problem"],
        about: "NULL, NULL",
        from: "job",
        are_ids: false,
    },
    Texts {
        table: "condition",
        key: "condition_id",
        columns: &["subject", "text"],
        about: "NULL, NULL",
        from: "condition",
        are_ids: false,
    },
    Texts {
        table: "poll",
        key: "poll_id",
        columns: &["error_detail"],
        about: "NULL, NULL",
        from: "poll",
        are_ids: false,
    },
    Texts {
        table: "subscriber",
        key: "subscriber_id",
        columns: &["state_reason"],
        about: "NULL, NULL",
        from: "subscriber",
        are_ids: false,
    },
    Texts {
        table: "message",
        key: "message_id",
        columns: &["provider_message_id", "recipient", "sender", "broadcast"],
        about: "message_id, 0",
        from: "message",
        are_ids: true,
    },
    Texts {
        table: "report",
        key: "report_id",
        columns: &["recipient", "sender", "group_id", "broadcast"],
        about: "message_id, report_id",
        from: "report",
        are_ids: true,
    },
    Texts {
        table: "webhook",
        key: "webhook_id",
        columns: &["default_sender", "broadcast"],
        about: "NULL, NULL",
        from: "webhook",
        are_ids: true,
    },
    Texts {
        table: "poll",
        key: "poll_id",
        columns: &["broadcast"],
        about: "NULL, NULL",
        // Under another id an open one would be polled in vain.
        from: "(SELECT * FROM poll WHERE state <> 'open') AS poll",
        are_ids: true,
    },
];

/// A row that names the person, with the message and the report that it is about.
pub(super) struct NamedRow {
    pub(super) key: i64,
    pub(super) message_id: Option<i64>,
    pub(super) report_id: Option<i64>,
}

impl Texts {
    /// The rows among the next so many that name the person, and the last key that was looked
    /// at; none when there are no more.
    pub(super) fn find(
        self,
        connection: &Connection,
        mentions: &Mentions,
        (after, limit): (i64, usize),
    ) -> rusqlite::Result<(Vec<NamedRow>, Option<i64>)> {
        let Self {
            table,
            key,
            about,
            from,
            ..
        } = self;
        let columns: Vec<String> = self
            .columns
            .iter()
            .map(|column| format!("{table}.{column}"))
            .collect();
        let mut select = connection.prepare_cached(&format!(
            "SELECT {table}.{key}, {about}, {} FROM {from} WHERE {table}.{key} > ?1 \
             ORDER BY {table}.{key} LIMIT ?2",
            columns.join(", ")
        ))?;
        let (mut found, mut last) = (Vec::new(), None);
        let mut rows = select.query(params![after, limit])?;
        while let Some(row) = rows.next()? {
            let key = row.get(0)?;
            last = Some(key);
            let mut is_named = false;
            for column in 0..self.columns.len() {
                let text = row.get_ref(3 + column)?.as_bytes_or_null()?;
                is_named |= text.is_some_and(|text| mentions.is_in(&String::from_utf8_lossy(text)));
            }
            if is_named {
                found.push(NamedRow {
                    key,
                    message_id: row.get(1)?,
                    report_id: row.get(2)?,
                });
            }
        }
        Ok((found, last))
    }

    /// Blots the person out of this row.
    pub(super) fn blot(
        self,
        connection: &Connection,
        mentions: &Mentions,
        key: i64,
    ) -> rusqlite::Result<()> {
        let Self {
            table, key: name, ..
        } = self;
        for column in self.columns {
            let stored: Option<Value> = {
                let sql = format!("SELECT {column} FROM {table} WHERE {name} = ?1");
                let mut select = connection.prepare_cached(&sql)?;
                let mut rows = select.query([key])?;
                rows.next()?.map(|row| row.get(0)).transpose()?
            };
            let blotted = match stored {
                Some(Value::Text(text)) if mentions.is_in(&text) => {
                    Value::Text(blotted(mentions, &text))
                }
                Some(Value::Blob(bytes)) => {
                    let text = String::from_utf8_lossy(&bytes);
                    if !mentions.is_in(&text) {
                        continue;
                    }
                    Value::Blob(blotted(mentions, &text).into_bytes())
                }
                _ => continue,
            };
            let mut update = connection.prepare_cached(&format!(
                "UPDATE OR IGNORE {table} SET {column} = ?2 WHERE {name} = ?1"
            ))?;
            if update.execute(params![key, blotted])? == 0 {
                // Another row has the same id by now, and ids are of one row each.
                let id = format!("{table}-{key}");
                update.execute(params![key, id])?;
            }
        }
        Ok(())
    }
}

/// The text without the person: blotted out where it stands, value by value where that would
/// leave broken JSON or what is escaped, and all of it where nothing else helps.
fn blotted(mentions: &Mentions, text: &str) -> String {
    let plain = mentions.blotted(text);
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    let parsed = parse(text).filter(|value| value.is_object() || value.is_array());
    let stays_json = parsed.is_none() || parse(&plain).is_some();
    if stays_json && !mentions.is_in(&plain) {
        return plain;
    }
    let Some(mut value) = parsed else {
        return "*".to_owned();
    };
    blot_value(mentions, &mut value);
    let written = value.to_string();
    if mentions.is_in(&written) {
        "{}".to_owned()
    } else {
        written
    }
}

/// The texts that are keys and name the person, of a table with few rows and no key of its own.
pub(super) fn keys_of(
    table: &'static str,
    column: &'static str,
    connection: &Connection,
    mentions: &Mentions,
) -> rusqlite::Result<Vec<String>> {
    let mut names: Vec<String> = connection
        .prepare(&format!("SELECT DISTINCT {column} FROM {table}"))?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    names.retain(|name| mentions.is_in(name));
    Ok(names)
}

/// Removes what was ignored under these names.
pub(super) fn forget_ignored(connection: &Connection, names: &[String]) -> rusqlite::Result<()> {
    let mut delete = connection.prepare_cached("DELETE FROM ignored WHERE what = ?1")?;
    names.iter().try_for_each(|name| {
        delete.execute([name])?;
        Ok(())
    })
}

/// Blots the person out of these keys of alerts that are still to be sent.
pub(super) fn blot_alerts(
    connection: &Connection,
    mentions: &Mentions,
    keys: &[String],
) -> rusqlite::Result<()> {
    // Where another row has what is left of a key, this one is forgotten.
    let mut update = connection
        .prepare_cached("UPDATE OR REPLACE alert SET error_key = ?2 WHERE error_key = ?1")?;
    keys.iter().try_for_each(|key| {
        update.execute([key, &blotted(mentions, key)])?;
        Ok(())
    })
}

fn blot_value(mentions: &Mentions, value: &mut serde_json::Value) {
    use serde_json::Value as Json;
    match value {
        Json::Array(items) => items.iter_mut().for_each(|item| blot_value(mentions, item)),
        Json::Object(fields) => {
            let named = std::mem::take(fields);
            for (name, mut value) in named {
                blot_value(mentions, &mut value);
                fields.insert(blot_text(mentions, &name), value);
            }
        }
        Json::String(text) => *text = blot_text(mentions, text),
        Json::Number(number) if mentions.is_in(&number.to_string()) => *value = Json::Null,
        _ => {}
    }
}

fn blot_text(mentions: &Mentions, text: &str) -> String {
    let plain = mentions.blotted(text);
    if mentions.is_in(&plain) {
        "*".to_owned()
    } else {
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_stays_json_and_the_rest_of_it_as_it_was() {
        let mentions = Mentions::new(&["385990001122".to_owned()].into());
        let check = |text: &str, expected: &str| assert_eq!(blotted(&mentions, text), expected);
        check("to +385 99 000 1122!", "to +***************!");
        check(
            r#"{"a":"385990001122","b":1}"#,
            r#"{"a":"************","b":1}"#,
        );
        check(r#"{"a":385990001122,"b":1}"#, r#"{"a":null,"b":1}"#);
        check(
            r#"{"b":2,"a":"\u0033\u00385990001122"}"#,
            r#"{"a":"************","b":2}"#,
        );
        check(r"38599\u0030\u0030\u00301122", "*");
        check("385990001122", "************");
        check("[385,990001122]", "{}");
        check(r#"{"a":"1385990001122"}"#, r#"{"a":"1385990001122"}"#);
    }
}
