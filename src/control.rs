//! The local socket: how the CLI asks a running service to change something.
//!
//! One JSON line in, any number of progress lines out, one answer last. The socket stands
//! beside the store with mode 0600: who may open the store may ask.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::operations::{Answer, Failure, Operations, Progress, Request};

/// A line of the socket, from the service.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    Progress(Progress),
    Answer(Box<Answer>),
    Failure(Failure),
}

/// Where the socket of the store at `store` stands.
#[must_use]
pub fn socket_path(store: &Path) -> PathBuf {
    store.with_extension("sock")
}

/// Answers the socket until `stop` turns true.
///
/// # Errors
/// When the socket cannot be made; a stale one of a process that died is replaced, since
/// the instance lock is ours.
pub fn serve(
    path: &Path,
    operations: Operations,
    mut stop: watch::Receiver<bool>,
) -> anyhow::Result<JoinHandle<()>> {
    let attempted = || format!("cannot make the control socket {}", path.display());
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(attempted);
        }
        _ => {}
    }
    let listener = UnixListener::bind(path).with_context(attempted)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .with_context(attempted)?;
    let path = path.to_path_buf();
    Ok(tokio::spawn(async move {
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    if let Ok((stream, _)) = accepted {
                        let operations = operations.clone();
                        tokio::spawn(async move {
                            if let Err(error) = answer(stream, &operations).await {
                                tracing::warn!(%error, "control.failed");
                            }
                        });
                    }
                }
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        // One that cannot be removed is replaced by the next start.
        let _ = std::fs::remove_file(path);
    }))
}

async fn answer(stream: UnixStream, operations: &Operations) -> anyhow::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = tokio::io::BufReader::new(read).lines();
    let Some(line) = lines.next_line().await? else {
        return Ok(());
    };
    let request: Request = serde_json::from_str(&line).context("unreadable request")?;
    let (progress, mut reports) = mpsc::unbounded_channel();
    let mut work = std::pin::pin!(operations.perform(request, &progress));
    let outcome = loop {
        tokio::select! {
            outcome = &mut work => break outcome,
            Some(report) = reports.recv() => send(&mut write, &Line::Progress(report)).await?,
        }
    };
    let line = match outcome {
        Ok(answer) => Line::Answer(Box::new(answer)),
        Err(failure) => Line::Failure(failure),
    };
    send(&mut write, &line).await
}

async fn send(write: &mut (impl AsyncWriteExt + Unpin), line: &Line) -> anyhow::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    Ok(write.write_all(&text).await?)
}

/// Asks the service that owns the store at `store`; `None` when none runs there.
///
/// # Errors
/// When the service breaks off before it answered.
pub fn ask(
    store: &Path,
    request: &Request,
    mut on_progress: impl FnMut(Progress),
) -> anyhow::Result<Option<Result<Answer, Failure>>> {
    let path = socket_path(store);
    let mut stream = match BlockingStream::connect(&path) {
        Ok(stream) => stream,
        // No socket, or one left behind by a process that died.
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(None);
        }
        Err(error) => {
            return Err(error)
                .with_context(|| format!("cannot ask the service at {}", path.display()));
        }
    };
    // A reprocess reports its progress all along; silence is a service that hangs.
    stream.set_read_timeout(Some(Duration::from_mins(2)))?;
    let mut text = serde_json::to_vec(request)?;
    text.push(b'\n');
    stream.write_all(&text)?;
    for line in BufReader::new(stream).lines() {
        let line = line.context("the service did not answer in time")?;
        match serde_json::from_str(&line).context("the service is of another version")? {
            Line::Progress(progress) => on_progress(progress),
            Line::Answer(answer) => return Ok(Some(Ok(*answer))),
            Line::Failure(failure) => return Ok(Some(Err(failure))),
        }
    }
    anyhow::bail!("the service ended before it answered")
}
