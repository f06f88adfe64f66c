//! Subscribers that never were: what each wants, since when it is there, and how it answers.
//!
//! One wants all and is there for the last day and a half alone: history has millions of reports, and
//! each forward costs about as much as its report. The others want little and are there from the start.

use std::ops::Range;

use super::dice::Dice;
use crate::model::{ErrorCode, Outcome, SubscriberKind};

const HOUR_MS: i64 = 3_600_000;

/// An invented subscriber.
#[derive(Debug)]
pub(crate) struct InventedSubscriber {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it receives.
    pub(crate) kind: SubscriberKind,
    /// The rules of its filter.
    pub(crate) rules: &'static [&'static str],
    /// How many hours before the end it is added; at the start where `None`.
    last_hours: Option<i64>,
    /// At which thousandth of history it goes down, and for how many hours.
    down: Option<(i64, i64)>,
    /// Of a thousand payloads it refuses so many, whenever they are sent.
    refused: u64,
    /// How long it takes to answer, in quantiles, ms.
    answering_ms: [i64; 6],
}

/// All of them.
pub(crate) static INVENTED: [InventedSubscriber; 5] = [
    InventedSubscriber {
        name: "crm",
        kind: SubscriberKind::Callback,
        rules: &[],
        last_hours: Some(36),
        down: Some((985, 1)),
        refused: 0,
        answering_ms: [6, 11, 16, 28, 60, 480],
    },
    InventedSubscriber {
        name: "tickets",
        kind: SubscriberKind::Callback,
        rules: &["*=failed"],
        last_hours: None,
        down: Some((740, 7)),
        refused: 0,
        answering_ms: [22, 40, 70, 130, 260, 2_100],
    },
    InventedSubscriber {
        name: "reporting",
        kind: SubscriberKind::Callback,
        rules: &["Template-Message=failed"],
        last_hours: None,
        down: None,
        refused: 2,
        answering_ms: [3, 5, 7, 9, 14, 90],
    },
    InventedSubscriber {
        name: "support-chat",
        kind: SubscriberKind::Chat,
        rules: &[],
        last_hours: None,
        down: None,
        refused: 0,
        answering_ms: [60, 90, 120, 180, 300, 1_200],
    },
    InventedSubscriber {
        name: "operators",
        kind: SubscriberKind::Events,
        rules: &[],
        last_hours: None,
        down: None,
        refused: 0,
        answering_ms: [30, 45, 60, 90, 140, 700],
    },
];

impl InventedSubscriber {
    /// When it is added, ms since 1970 UTC.
    pub(crate) fn begins_ms(&self, history: &Range<i64>) -> i64 {
        let hours = self.last_hours;
        let begins_ms = hours.map(|hours| history.end - hours * HOUR_MS);
        begins_ms.unwrap_or(history.start).max(history.start)
    }

    /// Whether it answers nothing but errors at that time (ms since 1970 UTC).
    pub(crate) fn is_down(&self, history: &Range<i64>, at_ms: i64) -> bool {
        self.down.is_some_and(|(permille, hours)| {
            let down_ms = history.start + (history.end - history.start) * permille / 1000;
            (down_ms..down_ms + hours * HOUR_MS).contains(&at_ms)
        })
    }

    /// How it answers at that time (ms since 1970 UTC) the forward of that key, after so many attempts.
    pub(crate) fn answer(
        &self,
        history: &Range<i64>,
        at_ms: i64,
        (forward, attempts): (i64, u32),
    ) -> Outcome {
        let forward = forward.unsigned_abs();
        let mut dice = Dice::of(forward, 10, attempts.into());
        let taken_ms = dice.along(&self.answering_ms);
        let refuses = Dice::of(0, 11, forward).permille(self.refused);
        let (status, words, excerpt) = if self.is_down(history, at_ms) {
            (503, "503 Service Unavailable", "upstream is not available")
        } else if refuses {
            (
                422,
                "422 Unprocessable Entity",
                r#"{"error":"unknown order"}"#,
            )
        } else if dice.permille(1) {
            (500, "500 Internal Server Error", "")
        } else {
            (204, "", "")
        };
        Outcome {
            http_status: Some(status),
            error: match status {
                204 => None,
                422 => Some(ErrorCode::Http4xx),
                _ => Some(ErrorCode::Http5xx),
            },
            detail: words.to_owned(),
            excerpt: excerpt.to_owned(),
            retry_at_ms: None,
            duration_ms: u32::try_from(taken_ms).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriber_answers_but_for_its_outage_and_refuses_what_it_always_refuses() {
        let history = 0..30 * 24 * HOUR_MS;
        let tickets = &INVENTED[1];
        let down_ms = history.end * 740 / 1000;
        for (at_ms, expected) in [
            (down_ms - 1, Some(204)),
            (down_ms, Some(503)),
            (down_ms + 7 * HOUR_MS, Some(204)),
        ] {
            let answer = tickets.answer(&history, at_ms, (3, 0));
            assert_eq!(answer.http_status, expected, "{at_ms}");
        }
        let reporting = &INVENTED[2];
        let answer = |forward, attempts| {
            let outcome = reporting.answer(&history, 0, (forward, attempts));
            outcome.http_status == Some(422)
        };
        let refused = (0..10_000).filter(|forward| answer(*forward, 0)).count();
        assert!((5..50).contains(&refused), "{refused}");
        assert!((0..10_000).all(|forward| answer(forward, 0) == answer(forward, 9)));
    }
}
