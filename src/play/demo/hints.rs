//! What to try next, ready to be pasted: real ports, real paths, a valid signature.

use std::path::Path;

use anyhow::Context as _;

use super::harness::Harness;
use super::page::{Ink, Page};
use super::steps::Tally;
use crate::clock::Clock;
use crate::providers::Provider;

/// The message that [`WEBHOOK`] is about.
const MESSAGE: &str = "wamid.try-it-yourself";

/// A webhook as Meta sends it, for a message that no fixture knows; `NOW` is in seconds.
const WEBHOOK: &str = r#"{"object":"whatsapp_business_account","entry":[{"id":"330000000000001","changes":[
  {"field":"messages","value":{"messaging_product":"whatsapp",
    "metadata":{"display_phone_number":"34910000000","phone_number_id":"440000000000001"},
    "statuses":[{"id":"wamid.try-it-yourself","recipient_id":"34600000042",
      "status":"failed","timestamp":"NOW",
      "errors":[{"code":131026,"title":"Message undeliverable"}]}]}}]}]}
"#;

/// What can be tried while the service runs.
pub(super) fn while_it_runs(harness: &Harness, page: &mut Page<'_>) -> anyhow::Result<()> {
    let body = harness.configuration.with_file_name("webhook.json");
    let now_s = Clock::system().now_ms().div_euclid(1000);
    let webhook = WEBHOOK.replace("NOW", &now_s.to_string());
    std::fs::write(&body, &webhook).with_context(|| format!("cannot write {}", body.display()))?;
    let (header, proof) = harness
        .sources
        .proof(Provider::MetaCloud, webhook.as_bytes())?;
    let address = harness.address;
    let program = program();
    let configuration = shell(&harness.configuration);
    page.gap()?;
    page.line(&[(Ink::Bold, "It goes on running. In another terminal, try:")])?;
    entry(
        page,
        "A webhook, signed. Sent twice it is a duplicate; with the file changed it is refused.",
        &[
            &format!(
                "curl -i http://{address}/webhooks/{} \\",
                Provider::MetaCloud
            ),
            "  -H 'Content-Type: application/json' \\",
            &format!("  -H '{header}: {proof}' \\"),
            &format!("  --data-binary @{}", shell(&body)),
        ],
    )?;
    questions(harness, MESSAGE, page)?;
    entry(
        page,
        "Add a subscriber of your own; it takes effect at once.",
        &[
            &format!("{program} subscriber add --name mine --url http://127.0.0.1:9000/ \\"),
            &format!("  --config {configuration}"),
        ],
    )?;
    entry(
        page,
        &format!(
            "The management API, with the demo's own token; a page to try it on is \
             http://{address}/api/v1/docs"
        ),
        &[
            &format!("curl http://{address}/api/v1/subscribers \\"),
            &format!("  -H 'Authorization: Bearer {}'", harness.token),
        ],
    )?;
    entry(
        page,
        "Is it well, and what has it counted?",
        &[
            &format!("curl http://{address}/readyz"),
            &format!("curl http://{address}/metrics"),
        ],
    )?;
    page.gap()?;
    page.plain("Whatever arrives at the subscriber is shown here. Ctrl-C ends it.")?;
    Ok(())
}

/// What can be tried once the service has ended and its store was kept.
pub(super) fn with_the_store(
    harness: &Harness,
    tally: &Tally,
    page: &mut Page<'_>,
) -> anyhow::Result<()> {
    page.gap()?;
    page.line(&[(Ink::Bold, "The store was kept. Try:")])?;
    let message = tally.failed_message.as_deref().unwrap_or(MESSAGE);
    questions(harness, message, page)?;
    entry(
        page,
        "Run the service on it.",
        &[&format!(
            "{} serve --config {}",
            program(),
            shell(&harness.configuration)
        )],
    )
}

/// What can be tried once everything is gone.
pub(super) fn afterwards(page: &mut Page<'_>) -> anyhow::Result<()> {
    let program = program();
    page.gap()?;
    page.line(&[(Ink::Bold, "The store is gone again. Try:")])?;
    entry(
        page,
        "The same, but it goes on running for you to send webhooks and ask questions.",
        &[&format!("{program} demo")],
    )?;
    entry(
        page,
        "The same, and keep the store.",
        &[&format!("{program} demo --once --keep demo-store")],
    )?;
    entry(
        page,
        "What does an error mean?",
        &[&format!("{program} explain 131026")],
    )
}

/// What the store can be asked, with a service and without.
fn questions(harness: &Harness, message: &str, page: &mut Page<'_>) -> anyhow::Result<()> {
    let program = program();
    let configuration = shell(&harness.configuration);
    let store = shell(&harness.store);
    entry(
        page,
        "What happened to a message, and what does its error mean?",
        &[
            &format!("{program} message show '{message}' \\"),
            &format!("  --config {configuration}"),
            &format!("{program} explain 131026"),
        ],
    )?;
    entry(
        page,
        "The store is a file for your own questions, also while the service writes.",
        &[
            &format!("sqlite3 -readonly {store} \\"),
            "  'SELECT status, count(*) FROM v_messages GROUP BY status'",
            &format!("sqlite3 -readonly {store} \\"),
            "  \"SELECT at, event, status, outcome FROM v_timeline",
            &format!("   WHERE provider_message_id = '{message}'\""),
        ],
    )
}

/// What it is for, then the commands.
fn entry(page: &mut Page<'_>, what: &str, commands: &[&str]) -> anyhow::Result<()> {
    page.gap()?;
    page.line(&[(Ink::Dim, "  # "), (Ink::Dim, what)])?;
    for command in commands {
        page.plain(&format!("  {command}"))?;
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
