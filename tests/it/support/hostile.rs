//! Subscribers that behave as badly as a subscriber can, until the test lets them behave.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How a subscriber treats a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vice {
    /// Cuts the connection with a reset once it has the request.
    Resets,
    /// Answers one byte at a time and never ends.
    Drips,
    /// Sends it elsewhere, which is itself, for ever.
    Redirects,
    /// Answers 500 with a body of 100 MB.
    Floods,
    /// Takes the request and says nothing.
    Holds,
}

impl Vice {
    pub(crate) const ALL: [Self; 5] = [
        Self::Resets,
        Self::Drips,
        Self::Redirects,
        Self::Floods,
        Self::Holds,
    ];

    /// A name for the subscriber.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Resets => "resets",
            Self::Drips => "drips",
            Self::Redirects => "redirects",
            Self::Floods => "floods",
            Self::Holds => "holds",
        }
    }

    /// The code by which its failures are to be known.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Resets => "connect",
            Self::Drips | Self::Holds => "timeout",
            Self::Redirects => "redirect",
            Self::Floods => "http_5xx",
        }
    }
}

/// The running subscriber; cheap to clone.
#[derive(Clone)]
pub(crate) struct Hostile {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

struct Shared {
    vice: Vice,
    address: SocketAddr,
    behaves: AtomicBool,
    /// Requests that were treated badly.
    offended: AtomicUsize,
}

impl Hostile {
    pub(crate) async fn start(vice: Vice) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            vice,
            address,
            behaves: AtomicBool::new(false),
            offended: AtomicUsize::new(0),
        });
        let (url, serving) = (format!("http://{address}/status"), Arc::clone(&shared));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                tokio::spawn(async move {
                    // It may be cut off: that is what it asks for.
                    let _ = shared.treat(stream).await;
                });
            }
        });
        Self { url, shared }
    }

    /// From here on every request is answered 200.
    pub(crate) fn behave(&self) {
        self.shared.behaves.store(true, Ordering::SeqCst);
    }

    /// Requests that were treated badly.
    pub(crate) fn offended(&self) -> usize {
        self.shared.offended.load(Ordering::SeqCst)
    }
}

impl Shared {
    async fn treat(&self, mut stream: TcpStream) -> std::io::Result<()> {
        while read_request(&mut stream).await? {
            if self.behaves.load(Ordering::SeqCst) {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                    .await?;
                continue;
            }
            self.offended.fetch_add(1, Ordering::SeqCst);
            self.offend(&mut stream).await?;
            if self.vice == Vice::Resets {
                return stream.set_zero_linger();
            }
        }
        Ok(())
    }

    async fn offend(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        match self.vice {
            Vice::Resets => {}
            Vice::Redirects => {
                let elsewhere = format!(
                    "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://{}/status\r\n\
                     Content-Length: 0\r\n\r\n",
                    self.address
                );
                stream.write_all(elsewhere.as_bytes()).await?;
            }
            Vice::Floods => {
                let head =
                    b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 100000000\r\n\r\n";
                stream.write_all(head).await?;
                let megabyte = vec![b'x'; 1_000_000];
                for _ in 0..100 {
                    stream.write_all(&megabyte).await?;
                }
            }
            Vice::Drips => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nX-Endless: ").await?;
                loop {
                    stream.write_all(b"a").await?;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            Vice::Holds => while stream.read(&mut [0; 64]).await? > 0 {},
        }
        Ok(())
    }
}

/// Reads one request with its body; `false` when there is none any more.
async fn read_request(stream: &mut TcpStream) -> std::io::Result<bool> {
    let mut bytes = Vec::new();
    let mut expected = None;
    while expected.is_none_or(|length| bytes.len() < length) {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(false);
        }
        if expected.is_none()
            && let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n")
        {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .map_or(0, |length| length.trim().parse().unwrap());
            expected = Some(end + 4 + length);
        }
    }
    Ok(true)
}
