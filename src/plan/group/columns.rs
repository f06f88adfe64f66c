//! Columns of a report that hold several values, as text: the same in every engine.

use serde::Serialize;

use super::writes::ReportRow;
use crate::model::{SubscriberKey, Word as _};

/// A subscriber whose filter skips a report. A group makes many: a map for each would cost more than its bytes.
#[derive(Serialize)]
struct SkippedSubscriber {
    reason: &'static str,
    subscriber_id: SubscriberKey,
}

impl ReportRow<'_> {
    /// Every error as JSON, where there is more than the one that has columns.
    pub(crate) fn all_errors(&self) -> Option<String> {
        let errors = &self.report.errors;
        if errors.len() < 2 {
            return None;
        }
        let errors: Vec<_> = errors
            .iter()
            .map(|error| {
                serde_json::json!({
                    "error_key": error.key,
                    "code": error.code,
                    "title": error.title,
                    "details": error.details,
                })
            })
            .collect();
        serde_json::to_string(&errors).ok()
    }

    /// Which subscribers' filters skip it, as JSON; `change` holds the other reasons.
    pub(crate) fn skipped_by_filters(&self) -> Option<String> {
        let skipped: Vec<_> = self
            .skipped
            .iter()
            .filter(|(_, reason)| !reason.is_of_change())
            .map(|(subscriber_id, reason)| SkippedSubscriber {
                reason: reason.as_str(),
                subscriber_id: *subscriber_id,
            })
            .collect();
        if skipped.is_empty() {
            return None;
        }
        serde_json::to_string(&skipped).ok()
    }

    /// What was odd about it, as a list of words.
    pub(crate) fn oddities(&self) -> Option<String> {
        let oddities = &self.report.oddities;
        (!oddities.is_empty()).then(|| oddities.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Kind, Report, ReportEffect, ReportError, SkipReason};
    use crate::plan::group::writes::NotedReport;

    fn error(key: &str) -> ReportError {
        ReportError {
            key: key.to_owned(),
            code: None,
            title: None,
            details: None,
            href: None,
            permanent: None,
        }
    }

    fn row(report: Report, skipped: &[(i64, SkipReason)]) -> ReportRow<'static> {
        let skipped = skipped.iter();
        let skipped = skipped.map(|(id, reason)| (SubscriberKey::of(*id), *reason));
        ReportRow {
            message: 0,
            webhook: None,
            identity: 1,
            received_ms: 0,
            report: NotedReport::Made(Box::new(report)),
            change: ReportEffect::New,
            skipped: skipped.collect(),
            repeats: None,
            is_forgotten: false,
        }
    }

    #[test]
    fn a_column_of_several_values_says_no_more_than_the_others_do_not() {
        let mut report = Report::new(Kind::Status, "failed", Some("a".to_owned()), b"{}");
        report.errors = vec![error("meta:1")];
        let plain = row(report.clone(), &[(4, SkipReason::Superseded)]);
        let columns = [
            plain.all_errors(),
            plain.skipped_by_filters(),
            plain.oddities(),
        ];
        assert_eq!(columns, [None, None, None]);
        report.errors.push(error("meta:2"));
        report.oddities = vec!["time-unusable", "status-conflict"];
        let skipped = [(4, SkipReason::Superseded), (5, SkipReason::Type)];
        let full = row(report, &skipped);
        let errors = "[{\"code\":null,\"details\":null,\"error_key\":\"meta:1\",\"title\":null},\
             {\"code\":null,\"details\":null,\"error_key\":\"meta:2\",\"title\":null}]";
        assert_eq!(full.all_errors().as_deref(), Some(errors));
        let skipped = "[{\"reason\":\"type\",\"subscriber_id\":5}]";
        assert_eq!(full.skipped_by_filters().as_deref(), Some(skipped));
        let oddities = "time-unusable, status-conflict";
        assert_eq!(full.oddities().as_deref(), Some(oddities));
    }
}
