//! How a command changes something: through the service that runs, else by itself.

use std::sync::Arc;

use anyhow::Context as _;
use indicatif::ProgressBar;

use super::done::{Intent, done};
use super::{Settings, Terminal, serve};
use crate::access::Caller;
use crate::admin::{Answer, Failure, Operations, Progress, Request};
use crate::clock::Clock;
use crate::control;
use crate::duties::replay::Replaying;
use crate::forward::sender::Sender;
use crate::metrics::Metrics;
use crate::server;
use crate::store::Store;

/// Sends a request to the service that owns the store. When none runs, opens the store and carries
/// the request out.
///
/// # Errors
/// When the configuration, the store or the service cannot be used.
pub(super) fn perform(
    settings: &Settings,
    request: Request,
    mut on_progress: impl FnMut(Progress),
) -> anyhow::Result<Result<Answer, Failure>> {
    // The first token is wanted before there is a service.
    let config = match request {
        Request::CreateToken(_) => settings.load()?.config,
        _ => settings.with_store()?,
    };
    if let Some(answer) = control::ask(&config.store.path, &request, &mut on_progress)? {
        return Ok(answer);
    }
    serve::runtime()?.block_on(async {
        let clock = Clock::system();
        let metrics = Arc::new(Metrics::new());
        let store = Store::open(&server::store_options(&config), clock.clone(), metrics)?;
        let sender = Arc::new(Sender::new(&server::sender_config(&config))?);
        let operations = Operations::new(&config, store.clone(), sender, clock);
        let caller = Caller::cli();
        let (progress, mut reports) = tokio::sync::mpsc::unbounded_channel();
        let mut work = std::pin::pin!(operations.perform(&caller, request, &progress));
        let answer = loop {
            tokio::select! {
                answer = &mut work => break answer,
                Some(report) = reports.recv() => on_progress(report),
            }
        };
        if let Ok(Answer::Replay(replay)) = &answer {
            // No other process goes on with it; what finds no room waits for the service.
            let replaying = Replaying {
                store: store.clone(),
            };
            replaying.go_on().await.with_context(|| {
                let id = replay.uid;
                format!("the replay {id} was begun, and goes on when the service runs")
            })?;
        }
        store.close().await.context("what was done may be lost")?;
        Ok(answer)
    })
}

/// As [`perform`], for what is done at once: what was refused is said and gives `None`.
///
/// # Errors
/// As [`perform`], and when it is broken.
pub(super) fn perform_now(
    settings: &Settings,
    request: Request,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Option<Answer>> {
    let intent = Intent::of(&request);
    say_refusal(intent, perform(settings, request, |_| ())?, terminal)
}

/// As [`perform_now`], for long work: shows how far it has come where stderr is a terminal.
///
/// # Errors
/// As [`perform_now`].
pub(super) fn perform_with_bar(
    settings: &Settings,
    request: Request,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Option<Answer>> {
    let intent = Intent::of(&request);
    let bar = ProgressBar::new(0);
    let outcome = perform(settings, request, |Progress { done, total }| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    say_refusal(intent, outcome?, terminal)
}

/// Notes what was done before any of it is shown, and says what was refused.
fn say_refusal(
    intent: Intent,
    outcome: Result<Answer, Failure>,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Option<Answer>> {
    match outcome {
        Ok(answer) => {
            terminal.done = done(intent, &answer);
            Ok(Some(answer))
        }
        Err(broken @ (Failure::Broken(_) | Failure::Busy(_))) => Err(broken.into()),
        Err(refused) => {
            terminal.refuse(refused)?;
            Ok(None)
        }
    }
}

/// The answer does not belong to the request: the service is of another version.
pub(super) fn unexpected(answer: &Answer) -> anyhow::Error {
    let _ = answer;
    anyhow::anyhow!(
        "the service is of another version and answered something else: restart it, so that both are one"
    )
}
