//! `tickrelay message register`: what was sent, from a file or a pipe.

use std::io::Read;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;

use super::super::{Exit, Settings, Terminal, ask};
use crate::admin::{Answer, Fault, Request, items, json};
use crate::model::Status;
use crate::store::Registered;

#[derive(Debug, Args)]
pub(in crate::cli) struct Register {
    /// A file of one message a line, or of a JSON object or array of them [default: stdin]
    file: Option<PathBuf>,
    /// The file is a send of this source in the provider's own words: {"request": …, "response": …},
    /// with `http_status` where it was refused
    #[arg(long, value_name = "SOURCE")]
    sent_by: Option<String>,
    /// Answer with a JSON array, one element for each message
    #[arg(long)]
    json: bool,
}

/// One element of `--json`.
#[derive(Serialize)]
struct RegisterLine {
    #[serde(rename = "msId")]
    ms_id: Option<String>,
    status: Option<Status>,
    result: Option<Registered>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    errors: Vec<Fault>,
}

impl Register {
    pub(super) fn run(
        self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<Exit> {
        let bytes = self.read()?;
        let request = match self.sent_by {
            Some(source) => {
                let exchange = json::read(&bytes).whole();
                exchange.map(|exchange| Request::RegisterExchange { source, exchange })
            }
            // One object may stand on many lines; many objects stand on one each.
            None => items::read(&bytes, usize::MAX)
                .or_else(|_| items::read_lines(&bytes, usize::MAX))
                .map(|(messages, _)| Request::Register { messages })
                .map_err(|fault| vec![fault]),
        };
        let request = match request {
            Ok(request) => request,
            Err(faults) => {
                let sentences: Vec<String> = faults.iter().map(sentence).collect();
                return terminal.refuse(sentences.join("\n"));
            }
        };
        let receipts = match ask::perform_now(settings, request, terminal)? {
            Some(Answer::Registered(receipts)) => receipts,
            Some(other) => return Err(ask::unexpected(&other)),
            None => return Ok(Exit::Refused),
        };
        let refused = receipts.iter().filter(|receipt| receipt.outcome.is_err());
        let (count, refused) = (receipts.len(), refused.count());
        for (index, receipt) in receipts.iter().enumerate() {
            for fault in receipt.outcome.as_ref().err().into_iter().flatten() {
                writeln!(terminal.talk, "message {}: {}", index + 1, sentence(fault))?;
            }
            if let Some(note) = receipt.note() {
                writeln!(terminal.talk, "message {}: {note}", index + 1)?;
            }
        }
        if self.json {
            let shown: Vec<RegisterLine> = receipts
                .into_iter()
                .map(|receipt| RegisterLine {
                    note: receipt.note(),
                    ms_id: receipt.provider_message_id,
                    status: receipt.status,
                    result: receipt.outcome.as_ref().ok().copied(),
                    errors: receipt.outcome.err().unwrap_or_default(),
                })
                .collect();
            terminal.json(&shown)?;
        } else {
            writeln!(
                terminal.talk,
                "{} registered, {refused} refused",
                count - refused
            )?;
        }
        Ok(if refused > 0 {
            Exit::Refused
        } else {
            Exit::Done
        })
    }

    fn read(&self) -> anyhow::Result<Vec<u8>> {
        if let Some(file) = &self.file {
            return std::fs::read(file).with_context(|| format!("cannot read {}", file.display()));
        }
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut bytes);
        read.context("cannot read stdin")?;
        Ok(bytes)
    }
}

fn sentence(fault: &Fault) -> String {
    match fault.field.as_str() {
        "" => fault.detail.clone(),
        field => format!("{field}: {}", fault.detail),
    }
}
