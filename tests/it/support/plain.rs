//! The HTTP library alone, in a process of its own: what the service's bounds are compared with.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The HTTP library alone, in a process of its own, as the benchmark's floor has it.
pub(crate) struct Plain(pub(crate) Child);

/// Set for the process that is to be the plain server.
const PLAIN_SERVER: &str = "TICKRELAY_CI_PLAIN_SERVER";
/// What it writes before its port.
const PORT: &str = "plain server on port ";

impl Plain {
    pub(crate) fn start() -> (Self, SocketAddr) {
        Self::launch(Command::new(std::env::current_exe().unwrap()))
    }

    /// Starts what `command` is, this very binary, as the plain server.
    pub(crate) fn launch(mut command: Command) -> (Self, SocketAddr) {
        let mut child = command
            .args(["support::plain::a_plain_server", "--exact", "--nocapture"])
            .env(PLAIN_SERVER, "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.as_mut().unwrap());
        let port = said
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.split_once(PORT)?.1.parse().ok())
            .unwrap();
        (Self(child), SocketAddr::from(([127, 0, 0, 1], port)))
    }
}

/// No test but a role: what [`Plain`] starts, and nothing otherwise.
#[actix_web::test]
async fn a_plain_server() {
    use actix_web::web::{self, Bytes, PayloadConfig};
    use actix_web::{App, HttpResponse, HttpServer};
    if std::env::var_os(PLAIN_SERVER).is_none() {
        return;
    }
    let server = HttpServer::new(|| {
        App::new()
            .app_data(PayloadConfig::new(16 << 20))
            .default_service(web::to(async |_body: Bytes| HttpResponse::Ok().finish()))
    })
    .workers(2)
    // It gives a slow head all the time that a busy machine needs to fill its memory.
    .client_request_timeout(Duration::ZERO)
    .bind("127.0.0.1:0")
    .unwrap();
    let mut out = std::io::stdout().lock();
    writeln!(out, "{PORT}{}", server.addrs()[0].port()).unwrap();
    drop(out);
    server.run().await.unwrap();
}

impl Drop for Plain {
    fn drop(&mut self) {
        // Both fail when it is gone already, which is as well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
