//! What must not be: a front that answers 200 at once and passes the webhook on later.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use super::traffic::answered_200;

/// Connections over which it passes on.
const CONNECTIONS: usize = 8;

/// The running front; dropping it forgets what it has not passed on, as a kill does.
pub(crate) struct Front {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Front {
    /// One that passes on to the service at `address`.
    pub(crate) fn start(address: SocketAddr) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let front = listener.local_addr().unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let (queue, waiting) = mpsc::unbounded_channel();
        let waiting = Arc::new(Mutex::new(waiting));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(acknowledge(stream, queue.clone()));
            }
        });
        for _ in 0..CONNECTIONS {
            let waiting = Arc::clone(&waiting);
            tasks.spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                loop {
                    let next = waiting.lock().await.recv().await;
                    let Some(request) = next else { return };
                    if stream.write_all(&request).await.is_err()
                        || !answered_200(&mut stream).await.unwrap_or(false)
                    {
                        return;
                    }
                }
            });
        }
        Self {
            address: front,
            _tasks: tasks,
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Answers each request of a connection and queues it in memory.
async fn acknowledge(mut stream: TcpStream, queue: mpsc::UnboundedSender<Vec<u8>>) {
    let mut bytes = Vec::new();
    while let Ok(1..) = stream.read_buf(&mut bytes).await {
        // A client sends the next request only after the answer to this one.
        if !is_whole(&bytes) {
            continue;
        }
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        if stream.write_all(answer).await.is_err() {
            return;
        }
        // There is no other subscriber when this fails: it is lost, as it should be.
        let _ = queue.send(std::mem::take(&mut bytes));
    }
}

/// Whether head and body of one request are there.
fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "));
    length.is_some_and(|length| length.parse() == Ok(body.len()))
}
