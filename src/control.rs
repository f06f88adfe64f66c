//! The local socket, by which the CLI requests changes of a running service.
//!
//! One JSON line in, any number of progress lines out, one answer last. The socket stands
//! beside the store with mode 0600: who may open the store may ask.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::access::Caller;
use crate::admin::{Answer, Failure, Operations, Progress, Request};

/// A line of the socket, from the service.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SocketLine {
    Progress(Progress),
    Answer(Box<Answer>),
    Failure(Failure),
}

/// How often the service looks whether its socket is still there.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The longest path a socket may have, in bytes: the kernel's limit without its closing NUL.
const PATH_LIMIT: usize = 107;

/// Where the socket of the store at `store` stands: beside it, `.sock` after its whole name.
///
/// # Errors
/// When that is longer than the path of a socket may be.
pub fn socket_path(store: &Path) -> anyhow::Result<PathBuf> {
    let mut path = crate::store::resolve(store).into_os_string();
    path.push(".cli.sock");
    anyhow::ensure!(
        path.len() <= PATH_LIMIT,
        "the control socket beside the store would have a path of {} bytes, {PATH_LIMIT} at most \
         are possible: choose a shorter path in store.url",
        path.len()
    );
    Ok(path.into())
}

/// Removes the socket of a process that died; the instance lock says that no process uses it.
fn remove_stale(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path),
        Ok(_) => Err(std::io::Error::other("there is a file that is no socket")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes the socket, for its owner alone.
fn bind(path: &Path) -> std::io::Result<UnixListener> {
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Which file the socket is.
fn inode(path: &Path) -> Option<u64> {
    std::fs::symlink_metadata(path)
        .ok()
        .map(|found| found.ino())
}

/// Makes the socket again where another program removed it, or where one stands that no process
/// answers: a folder that was away may bring back the one before. What else stands there belongs
/// to another program.
async fn bind_if_gone(path: &Path, own: Option<u64>) -> Option<UnixListener> {
    use std::io::ErrorKind;
    use std::os::unix::fs::FileTypeExt as _;
    match std::fs::symlink_metadata(path) {
        Ok(found) if Some(found.ino()) == own => return None,
        Ok(found) if found.file_type().is_socket() => {
            let answer = UnixStream::connect(path).await;
            if !answer.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused) {
                return None;
            }
            std::fs::remove_file(path).ok()?;
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        _ => return None,
    }
    let listener = bind(path).ok()?;
    tracing::warn!(socket = %path.display(), "control.bound_again: the socket was gone");
    Some(listener)
}

/// Answers the socket until `stop` turns true.
///
/// # Errors
/// When the socket cannot be made.
pub fn serve(
    path: &Path,
    operations: Operations,
    mut stop: watch::Receiver<bool>,
) -> anyhow::Result<JoinHandle<()>> {
    let attempted = || format!("cannot make the control socket {}", path.display());
    remove_stale(path).with_context(attempted)?;
    let mut listener = bind(path).with_context(attempted)?;
    let path = path.to_path_buf();
    let mut own = inode(&path);
    Ok(tokio::spawn(async move {
        let mut looks = tokio::time::interval(LOOK_EVERY);
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
                    continue;
                }
                _ = looks.tick() => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
            if let Some(again) = bind_if_gone(&path, own).await {
                listener = again;
                own = inode(&path);
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
    // Who may open the socket may open the store.
    let caller = Caller::cli();
    let (progress, mut reports) = mpsc::unbounded_channel();
    // It is done even if the client goes away.
    let mut work = operations.perform_apart(caller, request, progress, None);
    let outcome = loop {
        tokio::select! {
            outcome = &mut work => break outcome,
            Some(report) = reports.recv() => send(&mut write, &SocketLine::Progress(report)).await?,
        }
    };
    let line = match outcome.context("the work broke off")? {
        Ok(answer) => SocketLine::Answer(Box::new(answer)),
        Err(failure) => SocketLine::Failure(failure),
    };
    send(&mut write, &line).await
}

async fn send(write: &mut (impl AsyncWriteExt + Unpin), line: &SocketLine) -> anyhow::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    Ok(write.write_all(&text).await?)
}

/// Sends a request to the service that owns the store at `store`; `None` when none runs there.
///
/// # Errors
/// When the service breaks off before it answered.
pub fn ask(
    store: &Path,
    request: &Request,
    mut on_progress: impl FnMut(Progress),
) -> anyhow::Result<Option<Result<Answer, Failure>>> {
    let path = socket_path(store)?;
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
                .with_context(|| format!("cannot reach the service at {}", path.display()));
        }
    };
    // A reprocess reports its progress all along; silence is a service that hangs.
    stream.set_read_timeout(Some(Duration::from_mins(2)))?;
    let mut text = serde_json::to_vec(request)?;
    text.push(b'\n');
    stream.write_all(&text)?;
    for line in BufReader::new(stream).lines() {
        let line = line.context(
            "the service did not answer in time: the request may be done; check before you try again",
        )?;
        match serde_json::from_str(&line).context("the service is of another version")? {
            SocketLine::Progress(progress) => on_progress(progress),
            SocketLine::Answer(answer) => return Ok(Some(Ok(*answer))),
            SocketLine::Failure(failure) => return Ok(Some(Err(failure))),
        }
    }
    anyhow::bail!(
        "the service ended before it answered: the request may be done; check before you try again"
    )
}
