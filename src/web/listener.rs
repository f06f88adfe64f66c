//! From a listening socket to the handlers: as the HTTP library's own server has it, but for
//! the meter that each connection is read through.

use std::future::ready;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::time::Duration;

use actix_http::{HttpService, Protocol};
use actix_server::Server;
use actix_service::{ServiceFactoryExt, fn_service, map_config};
use actix_web::App;
use actix_web::dev::{AppConfig, Service};
use actix_web::rt::net::TcpStream;
use actix_web::web::Data;

use super::connection::{BudgetedConnection, ConnectionLimit, Handled, SharedBytes};
use super::{Web, routes};
use crate::files::{Budget, CONNECTIONS};

/// How long a closing connection is waited for.
const DISCONNECT: Duration = Duration::from_secs(1);

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
    let builder = Server::build()
        .workers(threads)
        .max_concurrent_connections((connections + budget.closing).div_ceil(threads.max(1)))
        .shutdown_timeout(grace.as_secs().max(1))
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    let share = SharedBytes::default();
    let builder = builder.listen("http", listener, move || {
        let connection_limit = Rc::new(ConnectionLimit::new(
            share.clone(),
            connections / threads.max(1),
        ));
        let stopping = stopping.clone();
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
            .configure(routes(shared.clone()));
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .client_disconnect_timeout(DISCONNECT)
            .on_connect_ext(|connection: &BudgetedConnection, data| {
                data.insert(connection.budget());
            })
            .finish(map_config(app, |()| AppConfig::default()));
        fn_service(move |io: TcpStream| {
            let peer = io.peer_addr().ok();
            ready(Ok((connection_limit.budget(io), Protocol::Http1, peer)))
        })
        .and_then(http)
    })?;
    Ok(builder.run())
}
