//! A provider under load: numbered webhooks over many connections at once, and which of
//! them were answered. What was not answered is delivered again, as providers do.

use std::collections::{BTreeSet, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{APP_SECRET, cloud, hub_signature};

/// The statuses that a webhook may report of its message, in the order of events.
const STATUSES: [&str; 3] = ["sent", "delivered", "read"];

/// The message that webhook `number` is about; ordered as the numbers are.
pub(crate) fn message_id(number: usize) -> String {
    format!("wamid.{number:09}")
}

/// The number of the webhook that is about this message.
pub(crate) fn number(message_id: &str) -> usize {
    message_id.strip_prefix("wamid.").unwrap().parse().unwrap()
}

/// The one to three statuses in webhook `number`; no other webhook reports them.
pub(crate) fn statuses(number: usize) -> &'static [&'static str] {
    &STATUSES[..=number % STATUSES.len()]
}

/// The body of webhook `number`.
pub(crate) fn body(number: usize) -> String {
    let id = message_id(number);
    let statuses = statuses(number).iter();
    let statuses: Vec<_> = statuses
        .map(|word| cloud::status(&id, word, 1_760_000_000))
        .collect();
    cloud::webhook(&statuses)
}

/// The whole request of webhook `number`, correctly signed.
pub(crate) fn request(number: usize) -> String {
    String::from_utf8(signed(body(number).as_bytes(), "")).unwrap()
}

/// A whole request of the Cloud API, correctly signed; each of `headers` ends with CR LF.
pub(crate) fn signed(body: &[u8], headers: &str) -> Vec<u8> {
    let head = format!(
        "POST /webhooks/cloud HTTP/1.1\r\nHost: relay\r\nContent-Type: application/json\r\n{headers}\
         X-Hub-Signature-256: {}\r\nContent-Length: {}\r\n\r\n",
        hub_signature(APP_SECRET, body),
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// All webhooks ever delivered; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct TrafficGenerator {
    books: Arc<Mutex<Books>>,
}

#[derive(Default)]
struct Books {
    /// The next number that was never sent.
    next: usize,
    /// Numbers to be delivered again before any new one.
    again: BTreeSet<usize>,
    /// Whether new ones are sent at all.
    ended: bool,
    /// Written in full on a connection that is open, not answered yet.
    in_flight: HashSet<usize>,
    /// Numbers that were begun and never answered 200.
    unanswered: BTreeSet<usize>,
    /// Numbers that were answered otherwise since the connections were opened: a machine that is
    /// busy takes too long to store them.
    refused: BTreeSet<usize>,
    /// How many were written in full, and answered 200, since the connections were opened.
    sent: usize,
    answered: usize,
}

impl TrafficGenerator {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    /// Opens `connections` to `address`; each sends one webhook after another until it is cut,
    /// those that were not answered so far first.
    pub(crate) fn flow(&self, address: SocketAddr, connections: usize) -> JoinSet<()> {
        {
            let mut books = self.books();
            let Books {
                again, unanswered, ..
            } = &mut *books;
            again.clone_from(unanswered);
            books.in_flight.clear();
            books.refused.clear();
            (books.sent, books.answered) = (0, 0);
        }
        let mut clients = JoinSet::new();
        for _ in 0..connections {
            let traffic = self.clone();
            clients.spawn(async move {
                // A cut connection is what this is about.
                let _ = traffic.deliver(address).await;
            });
        }
        clients
    }

    /// From here on nothing new is sent, only what was not answered.
    pub(crate) fn end(&self) {
        self.books().ended = true;
    }

    async fn deliver(&self, address: SocketAddr) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(address).await?;
        while let Some(number) = self.begin() {
            stream.write_all(request(number).as_bytes()).await?;
            self.written(number);
            if !answered_200(&mut stream).await? {
                self.books().refused.insert(number);
                break;
            }
            self.answered(number);
        }
        Ok(())
    }

    fn begin(&self) -> Option<usize> {
        let mut books = self.books();
        if let Some(number) = books.again.pop_first() {
            return Some(number);
        }
        if books.ended {
            return None;
        }
        let number = books.next;
        books.next += 1;
        books.unanswered.insert(number);
        Some(number)
    }

    fn written(&self, number: usize) {
        let mut books = self.books();
        books.sent += 1;
        books.in_flight.insert(number);
    }

    fn answered(&self, number: usize) {
        let mut books = self.books();
        books.answered += 1;
        books.in_flight.remove(&number);
        books.unanswered.remove(&number);
    }

    /// How many were written in full since the connections were opened.
    pub(crate) fn sent(&self) -> usize {
        self.books().sent
    }

    /// How many were answered 200 since the connections were opened.
    pub(crate) fn answered_count(&self) -> usize {
        self.books().answered
    }

    /// Those written in full and not answered yet.
    pub(crate) fn in_flight(&self) -> HashSet<usize> {
        self.books().in_flight.clone()
    }

    /// How many were written in full and are not answered yet.
    pub(crate) fn in_flight_count(&self) -> usize {
        self.books().in_flight.len()
    }

    /// Those begun and never answered 200.
    pub(crate) fn unanswered(&self) -> BTreeSet<usize> {
        self.books().unanswered.clone()
    }

    /// Those answered otherwise since the connections were opened.
    pub(crate) fn refused(&self) -> BTreeSet<usize> {
        self.books().refused.clone()
    }

    /// One more than the highest number begun.
    pub(crate) fn begun(&self) -> usize {
        self.books().next
    }
}

/// Posts webhooks one after the other over one connection; each must be taken. Returns the
/// connection's own port.
pub(crate) async fn post_each(
    address: SocketAddr,
    numbers: impl IntoIterator<Item = usize>,
) -> u16 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    for number in numbers {
        stream.write_all(request(number).as_bytes()).await.unwrap();
        assert!(answered_200(&mut stream).await.unwrap(), "webhook {number}");
    }
    stream.local_addr().unwrap().port()
}

/// Reads one answer without a body; `false` when it is another than 200.
pub(crate) async fn answered_200(stream: &mut TcpStream) -> std::io::Result<bool> {
    let mut answer = Vec::with_capacity(256);
    while !answer.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if answer.len() > 12 && !answer.starts_with(b"HTTP/1.1 200 ") {
            return Ok(false);
        }
    }
    Ok(true)
}
