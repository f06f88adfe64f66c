//! What came of a simulation, in words or as JSON.

use serde_json::json;

use super::Simulate;
use crate::cli::Terminal;
use crate::play::load::{LoadSummary, SendRate};

impl Simulate {
    /// Reports a second, over the time that they should have taken if they took less: the last
    /// one leaves before its second is over.
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    fn reports_per_s(&self, summary: &LoadSummary) -> f64 {
        let planned = match self.send_rate() {
            SendRate::Rate(webhooks_per_s) => {
                let whole = self.duration.as_secs_f64();
                whole.min(summary.sent() as f64 / webhooks_per_s)
            }
            SendRate::AnswerByAnswer => 0.0,
        };
        let seconds = summary.elapsed.as_secs_f64().max(planned).max(0.001);
        summary.reports as f64 / seconds
    }

    pub(super) fn print(
        &self,
        summary: &LoadSummary,
        seed: u64,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<()> {
        let seconds = summary.elapsed.as_secs_f64().max(0.001);
        let reports_per_s = self.reports_per_s(summary);
        let latency = &summary.latency_us;
        if self.json {
            let answer = json!({
                "seed": seed,
                "sent": summary.sent(),
                "accepted": summary.accepted,
                "reports": summary.reports,
                "reports_per_s": reports_per_s,
                "refused": summary.refused,
                "broken": summary.broken,
                "elapsed_s": seconds,
                "ack_us": {
                    "p50": latency.value_at_quantile(0.5),
                    "p99": latency.value_at_quantile(0.99),
                    "p99_9": latency.value_at_quantile(0.999),
                    "max": latency.max(),
                },
            });
            writeln!(terminal.data, "{answer:#}")?;
            return Ok(());
        }
        let out = &mut *terminal.data;
        writeln!(
            out,
            "sent      {} webhooks in {seconds:.1} s",
            summary.sent()
        )?;
        writeln!(
            out,
            "accepted  {} webhooks, {} reports ({reports_per_s:.digits$} reports/s)",
            summary.accepted,
            summary.reports,
            digits = usize::from(reports_per_s < 10.0),
        )?;
        for (status, count) in &summary.refused {
            writeln!(out, "refused   {count} with {status}{}", meaning(*status))?;
        }
        for (kind, count) in &summary.broken {
            writeln!(out, "broken    {count}: {kind}")?;
        }
        if latency.is_empty() {
            return Ok(());
        }
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        let ms = |us: u64| us as f64 / 1000.0;
        writeln!(
            out,
            "answered  p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, at most {:.2} ms",
            ms(latency.value_at_quantile(0.5)),
            ms(latency.value_at_quantile(0.99)),
            ms(latency.value_at_quantile(0.999)),
            ms(latency.max())
        )?;
        Ok(())
    }
}

/// What a refusal says about the two configurations or the service.
const fn meaning(status: u16) -> &'static str {
    match status {
        401 => ": the service has another secret for that source than this configuration",
        404 => ": the service has no source of that name, or the URL has a path too many",
        503 => ": the service could not store it",
        _ => "",
    }
}
