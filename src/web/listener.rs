//! From a listening socket to the handlers: as the HTTP library's own server has it, but for
//! the budget that each connection is read by.

use std::fmt::Debug;
use std::future::ready;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::rc::Rc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol};
use actix_server::{GracefulShutdownSignal, Server, ServerBuilder};
use actix_service::{ServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::App;
use actix_web::dev::{AppConfig, Service};
use actix_web::rt::net::{TcpStream, UnixStream};
use actix_web::web::{Data, ServiceConfig};
use tokio::io::{AsyncRead, AsyncWrite};

use super::connection::{BudgetedConnection, ConnectionLimit, Handled, SharedBytes};
use super::{Web, routes, socket_routes};
use crate::access::Peer;
use crate::files::{Budget, CONNECTIONS};

/// How long a closing connection is waited for.
const DISCONNECT: Duration = Duration::from_secs(1);
/// Connections over the socket at once: commands of one operator.
const SOCKET_CONNECTIONS: usize = 16;

/// Serves every URL; what is in flight at the end has `grace`. The process may have `open_files` files
/// open, or any number: so many connections there may be at once.
///
/// # Errors
/// When the socket cannot be listened on.
pub fn serve(
    listener: TcpListener,
    (threads, open_files): (usize, Option<u64>),
    grace: Duration,
    shared: Data<Web>,
) -> io::Result<Server> {
    let budget = Budget::of(open_files);
    let connections = budget.clients;
    if let Some(open_files) = open_files
        && connections < CONNECTIONS
    {
        tracing::warn!(
            open_files,
            connections,
            to_subscribers = budget.subscribers,
            "the process may open so few files that clients and subscribers get no more than these \
             connections at once: raise the hard limit, with ulimit -Hn 8192 or LimitNOFILE=8192 in \
             the systemd unit"
        );
    }
    let builder = server(threads, connections + budget.closing, grace);
    let stopping = builder.graceful_shutdown_signal();
    let share = SharedBytes::default();
    let builder = builder.listen("http", listener, move || {
        let limit = ConnectionLimit::new(share.clone(), connections / threads.max(1));
        let address = |io: &TcpStream| io.peer_addr().ok();
        let peer = (Peer::Network, address);
        connections_of(limit, peer, stopping.clone(), routes(shared.clone()))
    })?;
    Ok(builder.run())
}

/// Serves the API alone over a Unix socket; what is in flight at the end has `grace`.
///
/// # Errors
/// When the socket cannot be listened on.
pub(super) fn serve_socket(
    listener: UnixListener,
    grace: Duration,
    shared: Data<Web>,
) -> io::Result<Server> {
    let builder = server(1, 2 * SOCKET_CONNECTIONS, grace);
    let stopping = builder.graceful_shutdown_signal();
    let builder = builder.listen_uds("socket", listener, move || {
        let limit = ConnectionLimit::new(SharedBytes::default(), SOCKET_CONNECTIONS);
        let peer = (Peer::Socket, |_: &UnixStream| None);
        connections_of(limit, peer, stopping.clone(), socket_routes(shared.clone()))
    })?;
    Ok(builder.run())
}

fn server(threads: usize, connections: usize, grace: Duration) -> ServerBuilder {
    Server::build()
        .workers(threads)
        .max_concurrent_connections(connections.div_ceil(threads.max(1)))
        .shutdown_timeout(grace.as_secs().max(1))
        .disable_signals()
}

/// What handles the connections of one listener on one thread.
fn connections_of<Io>(
    limit: ConnectionLimit,
    (peer, address): (Peer, impl Fn(&Io) -> Option<SocketAddr> + Clone + 'static),
    stopping: GracefulShutdownSignal,
    routes: impl FnOnce(&mut ServiceConfig),
) -> impl ServiceFactory<Io, Config = (), Response = (), Error = DispatchError, InitError = ()>
where
    Io: AsyncRead + AsyncWrite + Unpin + Debug + 'static,
{
    let app = App::new()
        .wrap_fn(|mut request, service| {
            let handled =
                Handled::begin(&mut request).map(|handled| (handled, service.call(request)));
            async move {
                match handled {
                    Ok((handled, answered)) => handled.end(answered.await),
                    Err(over) => Err(over.hang_up().await),
                }
            }
        })
        .configure(routes);
    let http = HttpService::build()
        .graceful_shutdown_signal(move || {
            let stopping = stopping.clone();
            async move { stopping.notified().await }
        })
        .client_disconnect_timeout(DISCONNECT)
        .on_connect_ext(move |connection: &BudgetedConnection<Io>, data| {
            data.insert(connection.budget());
            data.insert(peer);
        })
        .finish(map_config(app, |()| AppConfig::default()));
    let limit = Rc::new(limit);
    fn_service(move |io: Io| {
        let address = address(&io);
        ready(Ok((limit.budget(io), Protocol::Http1, address)))
    })
    .and_then(http)
}
