//! Which service a command is connected to: the one at `--url`, the one at the socket, or its own.

use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use rustls::RootCertStore;
use tokio::runtime::Runtime;
use url::{Host, Url};

use super::{Client, PATIENCE, Purpose, SOCKET_HOST};
use crate::cli::{Settings, serve};
use crate::config::Config;
use crate::forward::sender;
use crate::server::{OwnApi, Rights};
use crate::store::Error;
use crate::web::api::version::{VERSION, VERSION_HEADER};
use crate::web::socket_path;

/// How long a command waits while the store is in use and no service answers: one that starts, or
/// stops, has the store without its socket, and so has another command.
const HANDOVER: Duration = Duration::from_secs(5);
/// How soon it looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl Client {
    pub(super) fn open(settings: &Settings, purpose: Purpose) -> anyhow::Result<Self> {
        let runtime = serve::runtime()?;
        if let Some(url) = settings.url()? {
            let token = settings.token()?;
            anyhow::ensure!(
                token.is_none() || is_private(&url),
                "the token would be sent in clear to {url}: write https:// after --url"
            );
            let http = builder(token.as_deref())?;
            let http = http.tls_backend_preconfigured(sender::tls(None)?);
            return Ok(Self {
                runtime,
                http: http.build()?,
                base: url,
                own: None,
            });
        }
        // A variable may be left from other work, and its token makes no operator of a request.
        anyhow::ensure!(
            settings.token.is_none(),
            "--token is for a service at --url: leave it out here, where the socket needs none"
        );
        let config = match purpose {
            Purpose::FirstToken => settings.load()?.config,
            Purpose::Read | Purpose::Change | Purpose::Replay => settings.with_store_here()?,
        };
        let service = socket_path(&config.store.engine())?;
        let (socket, own) = reach(&runtime, service, &config, purpose)?;
        Ok(Self {
            runtime,
            // No certificate is needed over a socket.
            http: builder(None)?
                .tls_backend_preconfigured(sender::tls_with(RootCertStore::empty())?)
                .unix_socket(socket)
                .build()?,
            base: Url::parse(SOCKET_HOST)?,
            own,
        })
    }
}

/// The socket of the service, or, where none runs, that of the API in this process.
fn reach(
    runtime: &Runtime,
    service: PathBuf,
    config: &Config,
    purpose: Purpose,
) -> anyhow::Result<(PathBuf, Option<OwnApi>)> {
    let began = Instant::now();
    loop {
        if is_answered(&service)? {
            return Ok((service, None));
        }
        match own(runtime, config.clone(), purpose) {
            Ok(own) => return Ok((own.socket(), Some(own))),
            Err(error) if is_in_use(&error) && began.elapsed() < HANDOVER => sleep(LOOK_AGAIN),
            Err(error) => return Err(error),
        }
    }
}

/// Whether another process has the store.
fn is_in_use(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(Error::Locked(_)))
}

/// Whether no other machine can read what is sent there.
fn is_private(url: &Url) -> bool {
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    is_loopback || url.scheme() == "https"
}

/// What every request has.
fn builder(token: Option<&str>) -> anyhow::Result<reqwest::ClientBuilder> {
    let mut head = HeaderMap::new();
    head.insert(VERSION_HEADER, HeaderValue::from_static(VERSION));
    if let Some(token) = token {
        let bearer = HeaderValue::try_from(format!("Bearer {token}"));
        let mut bearer = bearer.context("the token cannot stand in a header")?;
        bearer.set_sensitive(true);
        head.insert(AUTHORIZATION, bearer);
    }
    Ok(reqwest::Client::builder()
        .default_headers(head)
        .http1_only()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE))
}

/// Whether a service answers at that socket; not where there is none, or a process that died left it.
fn is_answered(socket: &Path) -> anyhow::Result<bool> {
    match UnixStream::connect(socket) {
        Ok(_) => Ok(true),
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::ConnectionRefused
            ) =>
        {
            Ok(false)
        }
        Err(error) => {
            let attempted = format!("cannot ask the service at {}", socket.display());
            Err(anyhow::Error::from(error).context(attempted))
        }
    }
}

/// The API in this process.
fn own(runtime: &Runtime, config: Config, purpose: Purpose) -> anyhow::Result<OwnApi> {
    let rights = match purpose {
        Purpose::Read => Rights::Read,
        Purpose::Change | Purpose::FirstToken => Rights::Own,
        Purpose::Replay => Rights::Replay,
    };
    runtime.block_on(async { OwnApi::open(config, rights) })
}
