//! The API in a command's own process, where no service runs: the same application, on a socket in a
//! private folder.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use anyhow::Context as _;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{sender_config, shared, store_options};
use crate::admin::Operations;
use crate::clock::Clock;
use crate::config::Config;
use crate::duties::replay::Replaying;
use crate::duties::supervisor::Supervisor;
use crate::forward::sender::Sender;
use crate::metrics::Metrics;
use crate::store::{Options, Store};
use crate::web::ApiSocket;

/// How long an answer may take that is under way at the end.
const GRACE: Duration = Duration::from_secs(1);

/// How long the store may be in use before the command looks for a service again.
const OWNER_PATIENCE: Duration = Duration::from_millis(100);

/// The longest path of the folder for temporary files, in bytes: a socket's path has 107 at most,
/// and `/tickrelay-XXXXXX/api.sock` is a part of it.
const FOLDER_LIMIT: usize = 80;

/// How the store is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// On read-only connections, also beside a process that owns it.
    Read,
    /// As its owner, who holds the lock.
    Own,
    /// As its owner, and replays under way go on meanwhile.
    Replay,
}

/// The API of a store that no service runs on.
pub struct OwnApi {
    folder: TempDir,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    operations: Operations,
    store: Store,
}

impl OwnApi {
    /// Opens the store and answers from now on.
    ///
    /// # Errors
    /// When the store cannot be opened so, or no socket can be made.
    pub fn open(config: Config, rights: Rights) -> anyhow::Result<Self> {
        // What can fail without the store comes before it is opened.
        let temporary = std::env::temp_dir();
        let made = || {
            format!(
                "cannot make the API's socket in {}: set TMPDIR to a folder that can be written, \
                 with a path of {FOLDER_LIMIT} bytes at most",
                temporary.display()
            )
        };
        let folder = tempfile::Builder::new()
            .prefix("tickrelay-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(&temporary)
            .with_context(made)?;
        let socket = ApiSocket::bind(&socket_in(folder.path())).with_context(made)?;
        let sender = Arc::new(Sender::new(&sender_config(&config))?);
        let (clock, metrics) = (Clock::system(), Arc::new(Metrics::new()));
        let options = Options {
            owner_patience: OWNER_PATIENCE,
            ..store_options(&config)
        };
        let store = match rights {
            Rights::Read => Store::read_only(&options, clock.clone())?,
            Rights::Own | Rights::Replay => {
                Store::open(&options, clock.clone(), Arc::clone(&metrics))?
            }
        };
        let operations = Operations::new(&config, store.clone(), sender, clock.clone());
        let web = shared(
            config,
            operations.clone(),
            (store.clone(), clock.clone()),
            metrics,
        );
        let (stop, stopped) = watch::channel(false);
        let socket = socket.serve(Data::new(web), GRACE, stopped.clone());
        let mut tasks = vec![socket.with_context(made)?];
        if rights == Rights::Replay {
            let duties = Supervisor::new(store.clone(), clock).with(Replaying::new(store.clone()));
            tasks.push(tokio::spawn(duties.run(stopped)));
        }
        Ok(Self {
            folder,
            stop,
            tasks,
            operations,
            store,
        })
    }

    /// Where it answers.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        socket_in(self.folder.path())
    }

    /// Ends what was begun and gives the store up.
    ///
    /// # Errors
    /// When not all that was acknowledged is left in the store's files.
    pub async fn close(self) -> anyhow::Result<()> {
        self.stop.send_replace(true);
        for task in self.tasks {
            // A task that panicked has nothing left to end.
            let _ = task.await;
        }
        self.operations.finished().await;
        self.store
            .close()
            .await
            .context("what was done may be lost")
    }
}

fn socket_in(folder: &Path) -> PathBuf {
    folder.join("api.sock")
}
