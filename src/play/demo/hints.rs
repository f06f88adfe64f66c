//! What to try next, ready to be pasted: real ports, real paths, a valid signature.

use std::path::Path;

use anyhow::Context as _;

use super::harness::Harness;
use super::page::{Ink, Transcript};
use super::steps::Tally;
use crate::catalogue;
use crate::clock::Clock;
use crate::model::Status;
use crate::play::bodies;
use crate::providers::Provider;
use crate::providers::sample::Element;

/// The message of the webhook to try, which no fixture knows.
const MESSAGE: &str = "wamid.try-it-yourself";

/// What can be tried while the service runs.
pub(super) fn while_it_runs(harness: &Harness, page: &mut Transcript<'_>) -> anyhow::Result<()> {
    let (signed, questions) = (signed_webhook(harness)?, questions(harness, MESSAGE));
    let (address, token) = (harness.address, &harness.token);
    let (program, configuration) = (program(), shell(&harness.configuration));
    let hints = format!(
        "# A webhook, signed. Sent twice it is a duplicate; with the file changed it is refused.\n\
         {signed}\n\
         {questions}\n\
         # Add a subscriber of your own; it takes effect at once.\n\
         {program} subscriber add --name mine --url http://127.0.0.1:9000/ \\\n\
         \x20 --config {configuration}\n\
         # The management API, with the demo's own token; a page to try it on is \
         http://{address}/api/v1/docs\n\
         curl http://{address}/api/v1/subscribers \\\n\
         \x20 -H 'Authorization: Bearer {token}'\n\
         # Is it well, and what has it counted?\n\
         curl http://{address}/readyz\n\
         curl http://{address}/metrics"
    );
    show(
        "It goes on running. In another terminal, try:",
        &hints,
        page,
    )?;
    page.gap()?;
    page.plain("Whatever arrives at the subscriber is shown here. Ctrl-C ends it.")?;
    Ok(())
}

/// What can be tried once the service has ended and its store was kept.
pub(super) fn with_the_store(
    harness: &Harness,
    tally: &Tally,
    page: &mut Transcript<'_>,
) -> anyhow::Result<()> {
    let questions = questions(harness, tally.failed_message.as_deref().unwrap_or(MESSAGE));
    let (program, configuration) = (program(), shell(&harness.configuration));
    let hints = format!(
        "{questions}\n\
         # Run the service on it. The demo's subscribers are paused: nothing listens at their port.\n\
         {program} serve --config {configuration}"
    );
    show("The store was kept. Try:", &hints, page)
}

/// What can be tried once everything is gone.
pub(super) fn afterwards(page: &mut Transcript<'_>) -> anyhow::Result<()> {
    let program = program();
    let hints = format!(
        "# The same, but it goes on running for you to send webhooks and ask questions.\n\
         {program} demo\n\
         # The same, and keep the store.\n\
         {program} demo --once --keep demo-store\n\
         # What does an error mean?\n\
         {program} explain 131026"
    );
    show("The store is gone again. Try:", &hints, page)
}

/// Commands that read the store, with a service and without.
fn questions(harness: &Harness, message: &str) -> String {
    let (configuration, store) = (shell(&harness.configuration), shell(&harness.store));
    let program = program();
    format!(
        "# What happened to a message, and what does its error mean?\n\
         {program} message show '{message}' \\\n\
         \x20 --config {configuration}\n\
         {program} explain 131026\n\
         # The store is a file for your own questions, also while the service writes.\n\
         sqlite3 -readonly {store} \\\n\
         \x20 'SELECT status, count(*) FROM v_messages GROUP BY status'\n\
         sqlite3 -readonly {store} \\\n\
         \x20 \"SELECT at, event, status, outcome FROM v_timeline\n\
         \x20  WHERE provider_message_id = '{message}'\""
    )
}

/// Writes a webhook about [`MESSAGE`] beside the configuration; returns the command that sends it.
fn signed_webhook(harness: &Harness) -> anyhow::Result<String> {
    let now_ms = Clock::system().now_ms();
    let provider = Provider::push().next().context("no provider sends")?;
    let reason = provider.definition().samples.frequent.first();
    let failed = Element {
        id: MESSAGE.to_owned(),
        recipient: "34600000042".to_owned(),
        group: None,
        status: Status::Failed,
        at_ms: now_ms,
        category: "utility",
        conversation: 0,
        broadcast: None,
        error: reason
            .and_then(|key| catalogue::find(key))
            .map(bodies::failure),
        details: "Made up by the demo.",
    };
    let body = bodies::write(provider, None, &[failed]);
    let file = harness.configuration.with_file_name("webhook.json");
    std::fs::write(&file, &body).with_context(|| format!("cannot write {}", file.display()))?;
    let endpoint = harness.endpoint(provider.as_str())?;
    let proof = endpoint.proof("", body.as_bytes(), now_ms.div_euclid(1000));
    let proof = proof
        .iter()
        .map(|(name, value)| format!("  -H '{name}: {value}' \\\n"));
    Ok(format!(
        "curl -i http://{}/webhooks/{provider} \\\n\
         \x20 -H 'Content-Type: application/json' \\\n\
         {}\
         \x20 --data-binary @{}",
        harness.address,
        proof.collect::<String>(),
        shell(&file)
    ))
}

/// A heading, then the commands, each after a line with `#` that says what it is for.
fn show(heading: &str, hints: &str, page: &mut Transcript<'_>) -> anyhow::Result<()> {
    page.gap()?;
    page.line(&[(Ink::Bold, heading)])?;
    for line in hints.lines() {
        let mut ink = Ink::Plain;
        if line.starts_with('#') {
            ink = Ink::Dim;
            page.gap()?;
        }
        page.line(&[(Ink::Plain, "  "), (ink, line)])?;
    }
    Ok(())
}

/// This program as it was called.
fn program() -> String {
    let called = std::env::args_os().next();
    called.map_or_else(
        || "tickrelay".to_owned(),
        |called| shell(Path::new(&called)),
    )
}

/// A path as a shell wants it.
fn shell(path: &Path) -> String {
    let text = path.display().to_string();
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@".contains(&byte);
    if text.bytes().all(safe) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_a_shell_would_break_is_quoted() {
        for (path, expected) in [
            ("/tmp/tickrelay-demo-a1", "/tmp/tickrelay-demo-a1"),
            ("/tmp/my files", "'/tmp/my files'"),
            ("it's", r"'it'\''s'"),
        ] {
            assert_eq!(shell(Path::new(path)), expected);
        }
    }
}
