//! The Unix socket beside the store, on which the API answers its operator.
//!
//! Its file has mode 0600 before its name appears: who may open the store may ask.

use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::Data;
use rustix::fs::{Mode, fchmod};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Web;
use super::listener::serve_socket;
use crate::store::EngineOptions;

/// How often the service looks whether its socket is still there.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;
/// The longest path a socket may have, in bytes: the kernel's limit without its closing NUL.
const PATH_LIMIT: usize = 107;

/// The path of a socket is longer than the system allows.
#[derive(Debug, thiserror::Error)]
#[error(
    "the socket beside the store would have a path of {0} bytes, {PATH_LIMIT} at most are \
     possible: choose a shorter path in store.url"
)]
pub struct SocketPathTooLong(usize);

/// Where the socket of that store's service stands.
///
/// # Errors
/// When that is longer than the path of a socket may be.
pub fn socket_path(store: &EngineOptions) -> Result<PathBuf, SocketPathTooLong> {
    let path = store.socket();
    let bytes = path.as_os_str().len();
    if bytes > PATH_LIMIT {
        return Err(SocketPathTooLong(bytes));
    }
    Ok(path)
}

/// What is said of another file at the socket's path.
const NO_SOCKET: &str = "another file, which is no socket, is there: move it away, or choose another \
     path for the store, which the socket is named after";

/// A socket that listens, and the file that leads to it. The file goes when this is dropped.
#[derive(Debug)]
pub struct ApiSocket {
    listener: UnixListener,
    file: SocketFile,
}

/// Which file a socket is, whatever stands at its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SocketId {
    device: u64,
    inode: u64,
}

impl SocketId {
    fn new(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

/// The file that leads to a socket. It is removed when this is dropped, and no other file is.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    id: SocketId,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let found = std::fs::symlink_metadata(&self.path);
        if found.is_ok_and(|found| SocketId::new(&found) == self.id) {
            // One that cannot be removed is replaced by the next start.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl ApiSocket {
    /// Binds the socket in place of one that a dead process left: the store's lock says that no
    /// service answers it.
    ///
    /// # Errors
    /// When another file stands at the path, or the socket cannot be made.
    pub fn bind(path: &Path) -> io::Result<Self> {
        let (listener, id) = bind(path)?;
        let path = path.to_path_buf();
        Ok(Self {
            listener,
            file: SocketFile { path, id },
        })
    }

    /// Answers the API on it until `stop` turns true; what is in flight then has `grace`. The socket is
    /// bound again when another program removed it.
    ///
    /// # Errors
    /// When it cannot be listened on.
    pub fn serve(
        self,
        shared: Data<Web>,
        grace: Duration,
        mut stop: watch::Receiver<bool>,
    ) -> io::Result<JoinHandle<()>> {
        let Self { listener, mut file } = self;
        let mut handle = answer(listener, &shared, grace)?;
        Ok(tokio::spawn(async move {
            let mut looks = tokio::time::interval(LOOK_EVERY);
            loop {
                tokio::select! {
                    _ = looks.tick() => {}
                    _ = stop.wait_for(|stop| *stop) => break,
                }
                let Some((again, id)) = bind_if_gone(&file) else {
                    continue;
                };
                if let Ok(next) = answer(again, &shared, grace) {
                    // Requests that came by the former one are answered.
                    tokio::spawn(std::mem::replace(&mut handle, next).stop(true));
                    file.id = id;
                }
            }
            // First the name, so that no command connects to what answers no more. No other file can
            // have the inode either while the socket is open.
            drop(file);
            handle.stop(true).await;
        }))
    }
}

/// Binds the socket under a name of its own, and gives it its path when it listens.
fn bind(path: &Path) -> io::Result<(UnixListener, SocketId)> {
    if path.as_os_str().len() > PATH_LIMIT {
        // The name of its own may be shorter, and no client could connect by the path.
        return Err(ErrorKind::InvalidInput.into());
    }
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::other(NO_SOCKET));
        }
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let unnamed = beside(path);
    if is_socket(&unnamed) {
        // A process died between binding it and giving it its name.
        std::fs::remove_file(&unnamed)?;
    }
    let bound = listen(&unnamed).and_then(|listener| {
        let id = SocketId::new(&std::fs::symlink_metadata(&unnamed)?);
        std::fs::rename(&unnamed, path)?;
        Ok((listener, id))
    });
    bound.inspect_err(|_| {
        let _ = std::fs::remove_file(&unnamed);
    })
}

/// Begins to answer on a thread of its own.
fn answer(listener: UnixListener, shared: &Data<Web>, grace: Duration) -> io::Result<ServerHandle> {
    let server = serve_socket(listener, grace, shared.clone())?;
    let handle = server.handle();
    tokio::spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "socket.failed");
        }
    });
    Ok(handle)
}

/// A name for the socket until it is ready; no longer than `.sock` after the shortest name of a store.
fn beside(path: &Path) -> PathBuf {
    path.with_file_name(format!(".{:x}", std::process::id() & 0xFFFF))
}

fn is_socket(path: &Path) -> bool {
    let found = std::fs::symlink_metadata(path);
    found.is_ok_and(|found| found.file_type().is_socket())
}

/// A socket that listens, of mode 0600 from its first moment.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    // Linux gives the file the socket's own mode.
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    // Other systems do not; no client can connect before it listens.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

/// Binds the socket again where another program removed it, or where one stands that does not
/// answer: a folder that was away may bring back the one before. Any other file stays.
fn bind_if_gone(own: &SocketFile) -> Option<(UnixListener, SocketId)> {
    let path = own.path.as_path();
    match std::fs::symlink_metadata(path) {
        Ok(found) if SocketId::new(&found) == own.id => return None,
        Ok(found) if found.file_type().is_socket() => {
            let connected = UnixStream::connect(path);
            if !connected.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused) {
                return None;
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        _ => return None,
    }
    let again = bind(path).ok()?;
    tracing::warn!(socket = %path.display(), "socket.bound_again: the socket was gone");
    Some(again)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn the_name_never_leads_to_a_socket_that_others_may_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db.sock");
        let is_over = AtomicBool::new(false);
        let mut modes = Vec::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    // Dropped, it removes its file.
                    drop(ApiSocket::bind(&path).unwrap());
                }
            });
            while modes.len() < 200 {
                if let Ok(found) = std::fs::symlink_metadata(&path) {
                    modes.push(found.permissions().mode() & 0o777);
                }
            }
            is_over.store(true, Ordering::Relaxed);
        });
        assert!(modes.iter().all(|mode| *mode == 0o600), "{modes:?}");
    }

    #[test]
    fn a_file_that_is_no_socket_is_refused_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db.sock");
        std::fs::write(&path, "mine").unwrap();
        let error = ApiSocket::bind(&path).unwrap_err();
        assert_eq!(error.to_string(), NO_SOCKET);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        // The control: a socket of a dead process is replaced.
        std::fs::remove_file(&path).unwrap();
        drop(UnixListener::bind(&path).unwrap());
        let again = ApiSocket::bind(&path).unwrap();
        assert!(UnixStream::connect(&path).is_ok());
        drop(again);
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_took_the_place_of_the_socket_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db.sock");
        let socket = ApiSocket::bind(&path).unwrap();
        let moved = folder.path().join("moved");
        std::fs::rename(&path, &moved).unwrap();
        std::fs::write(&path, "mine").unwrap();
        drop(socket);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    }
}
