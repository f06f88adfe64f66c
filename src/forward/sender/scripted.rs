//! A subscriber on loopback that follows a script; for tests.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What the subscriber does with every request on every connection.
#[derive(Debug, Clone)]
pub(crate) enum Script {
    /// Answers with these bytes and keeps the connection.
    Answer(String),
    /// Answers with these bytes to whatever comes first, request or not.
    Blurt(String),
    /// Answers with these bytes, then with one more twenty times a second, for ever.
    Drip(String),
    /// Answers 200 with a body of this many bytes.
    Flood(usize),
    /// Reads and says nothing.
    Hang,
    /// Closes after the request.
    Close,
    /// Resets the connection after the request.
    Reset,
}

/// A subscriber on loopback, until it is dropped.
pub(crate) struct ScriptedSubscriber {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// How many connections it has taken.
    pub(crate) accepted: Arc<AtomicUsize>,
    /// The requests it has read, head and body.
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl ScriptedSubscriber {
    /// Listens on a free port of 127.0.0.1.
    pub(crate) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn({
            let (accepted, requests) = (accepted.clone(), requests.clone());
            async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    accepted.fetch_add(1, Ordering::SeqCst);
                    // The client may go away at any point of the script.
                    tokio::spawn(play(stream, script.clone(), requests.clone()));
                }
            }
        });
        Self {
            address,
            accepted,
            requests,
            task,
        }
    }

    /// A URL of it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }
}

impl Drop for ScriptedSubscriber {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Plays the script to one connection; `None` when the client is gone or the script is over.
async fn play(
    mut stream: TcpStream,
    script: Script,
    requests: Arc<Mutex<Vec<String>>>,
) -> Option<()> {
    if let Script::Blurt(text) = &script {
        stream.read_u8().await.ok()?;
        return stream.write_all(text.as_bytes()).await.ok();
    }
    loop {
        let request = read_request(&mut stream).await?;
        requests.lock().unwrap().push(request);
        match &script {
            Script::Answer(text) | Script::Blurt(text) => {
                stream.write_all(text.as_bytes()).await.ok()?;
            }
            Script::Drip(text) => {
                stream.write_all(text.as_bytes()).await.ok()?;
                loop {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    stream.write_all(b"x").await.ok()?;
                }
            }
            Script::Flood(length) => {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
                stream.write_all(head.as_bytes()).await.ok()?;
                let chunk = vec![b'x'; 65_536];
                for _ in 0..length / chunk.len() {
                    stream.write_all(&chunk).await.ok()?;
                }
            }
            Script::Hang => std::future::pending().await,
            Script::Close => return None,
            Script::Reset => {
                stream.set_zero_linger().unwrap();
                return None;
            }
        }
    }
}

/// One request, head and body; `None` when the client is gone.
pub(crate) async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.ok()?);
    }
    let mut head = String::from_utf8(bytes).ok()?;
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))?;
    let mut body = vec![0; length.parse().ok()?];
    stream.read_exact(&mut body).await.ok()?;
    head.push_str(std::str::from_utf8(&body).ok()?);
    Some(head)
}

/// A whole answer; each of `headers` ends with CR LF.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Script {
    let length = body.len();
    Script::Answer(format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    ))
}
