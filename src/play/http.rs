//! HTTP/1.1 as small as it gets, both ends of it, without TLS: what a provider posts, and what a
//! subscriber reads.
//!
//! `httparse` reads the heads. A whole client takes twice the processor time (hyper 14 µs an
//! exchange, this 7 µs, 256 connections on loopback), and takes it from the service that a load
//! measures on the same machine.

use std::fmt::Write as _;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use httparse::{EMPTY_HEADER, Status};
use secrecy::ExposeSecret;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Url;

use crate::config::Source;
use crate::providers::authentication::{RequestHeaders, WebhookRequest};

/// How long one exchange may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The longest message that is read.
const LONGEST: usize = 2 << 20;

/// A source of a running service as its provider knows it: where to post, and with which secrets.
#[derive(Debug)]
pub(super) struct SourceAddress {
    pub(super) source: Source,
    host: String,
    path: String,
    /// What stands before the path where the provider calls it.
    public_url: String,
}

impl SourceAddress {
    /// The source of that service; a path of `service` is put before `/webhooks`. A provider that
    /// signs the URL calls it at `public_url`.
    pub(super) fn new(source: &Source, service: &Url, public_url: Option<&str>) -> Self {
        let mut url = service.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["webhooks", &source.name]);
            path.extend(source.url_token().map(ExposeSecret::expose_secret));
        }
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or(80);
        Self {
            source: source.clone(),
            host: format!("{host}:{port}"),
            path: url.path().to_owned(),
            public_url: public_url.unwrap_or_default().to_owned(),
        }
    }

    /// The headers that prove the body, posted with that query at that time (seconds since 1970 UTC).
    pub(super) fn proof(&self, query: &str, body: &[u8], now_s: i64) -> Vec<(String, String)> {
        let url = format!("{}{}{query}", self.public_url, self.path);
        let unproved = WebhookRequest::post(&url, body);
        self.source.authentication.prove(unproved, now_s).headers
    }

    /// The whole request, signed at that time (seconds since 1970 UTC). `query` begins with its
    /// question mark, and each of `headers` ends with CR LF.
    pub(super) fn request(&self, query: &str, headers: &str, body: &[u8], now_s: i64) -> Vec<u8> {
        let (host, path, version) = (&self.host, &self.path, env!("CARGO_PKG_VERSION"));
        let mut head = String::with_capacity(512 + body.len());
        // Writing to a string cannot fail, here and below.
        let _ = write!(
            head,
            "POST {path}{query} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: tickrelay-play/{version}\r\n\
             Content-Length: {}\r\n{headers}",
            body.len(),
        );
        for (name, value) in self.proof(query, body, now_s) {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        head.push_str("\r\n");
        let mut request = head.into_bytes();
        request.extend_from_slice(body);
        request
    }
}

/// A provider's connection; opens itself, and again when it broke.
#[derive(Debug)]
pub(super) struct ProviderClient {
    address: SocketAddr,
    open: Option<Connection>,
}

impl ProviderClient {
    pub(super) const fn new(address: SocketAddr) -> Self {
        let open = None;
        Self { address, open }
    }

    /// Sends a whole request; returns the answer's status.
    ///
    /// # Errors
    /// When there is no connection, or no answer in HTTP within 30 s.
    pub(super) async fn exchange(&mut self, request: &[u8]) -> io::Result<u16> {
        let mut connection = match self.open.take().filter(Connection::is_open) {
            Some(connection) => connection,
            None => Connection::new(TcpStream::connect(self.address).await?)?,
        };
        let exchange = async {
            connection.stream.write_all(request).await?;
            let answer = connection.next().await?;
            let answer = answer.ok_or_else(|| io::Error::from(ErrorKind::UnexpectedEof))?;
            let end = answer.headers.get("connection").unwrap_or_default();
            io::Result::Ok((answer.status, end.eq_ignore_ascii_case(b"close")))
        };
        let late = |_| io::Error::from(ErrorKind::TimedOut);
        let exchange = tokio::time::timeout(TIMEOUT, exchange).await;
        let (status, ends) = exchange.map_err(late).flatten()?;
        self.open = (!ends).then_some(connection);
        Ok(status)
    }
}

/// One end of a connection: reads the requests of a client or the answers of a server.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    bytes: Vec<u8>,
    /// How many of the bytes belong to the message that was read last.
    read: usize,
}

/// A request or an answer, read whole.
#[derive(Debug)]
pub struct Incoming<'a> {
    /// An answer's status; 0 of a request.
    pub status: u16,
    /// A request's path with its first slash and its query; empty of an answer.
    pub path: &'a str,
    /// The headers.
    pub headers: RequestHeaders<'a>,
    /// The body; what comes in chunks is not understood and counts as empty.
    pub body: &'a [u8],
    length: usize,
}

impl Connection {
    /// Connection over an open stream.
    ///
    /// # Errors
    /// When it is closed already.
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            bytes: Vec::with_capacity(4096),
            read: 0,
        })
    }

    /// Whether the other side has not closed it meanwhile, as servers do with idle connections.
    fn is_open(&self) -> bool {
        let read = self.stream.try_read(&mut [0]);
        matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    /// The next message; `None` when the other side has none any more.
    ///
    /// # Errors
    /// When the connection breaks, or bytes come that are no HTTP.
    pub async fn next(&mut self) -> io::Result<Option<Incoming<'_>>> {
        self.bytes.drain(..std::mem::take(&mut self.read));
        while Incoming::read(&self.bytes)?.is_none() {
            if self.bytes.len() > LONGEST {
                return Err(ErrorKind::InvalidData.into());
            }
            match self.stream.read_buf(&mut self.bytes).await? {
                0 if self.bytes.is_empty() => return Ok(None),
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                _ => {}
            }
        }
        let message = Incoming::read(&self.bytes)?;
        self.read = message.as_ref().map_or(0, |message| message.length);
        Ok(message)
    }

    /// Answers the request that was read last, without a body.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn answer(&mut self, status: u16) -> io::Result<()> {
        // By its status alone 204 has no body.
        let length = ["Content-Length: 0\r\n", ""][usize::from(status == 204)];
        let answer = format!("HTTP/1.1 {status} \r\n{length}\r\n");
        self.stream.write_all(answer.as_bytes()).await
    }
}

impl<'a> Incoming<'a> {
    /// The message at the beginning of these bytes; `None` while it is not whole.
    fn read(bytes: &'a [u8]) -> io::Result<Option<Self>> {
        let mut headers = [EMPTY_HEADER; 64];
        let (head, status, path, headers) = if bytes.starts_with(b"HTTP/") {
            let mut answer = httparse::Response::new(&mut headers);
            let head = answer.parse(bytes);
            (head, answer.code, None, answer.headers)
        } else {
            let mut request = httparse::Request::new(&mut headers);
            let head = request.parse(bytes);
            (head, None, request.path, request.headers)
        };
        let invalid = |error| io::Error::new(ErrorKind::InvalidData, error);
        let Status::Complete(head) = head.map_err(invalid)? else {
            return Ok(None);
        };
        let headers: RequestHeaders = headers.iter().map(|it| (it.name, it.value)).collect();
        let length = headers.get("content-length").unwrap_or(b"0");
        let length = std::str::from_utf8(length)
            .ok()
            .and_then(|it| it.parse().ok());
        let length: usize = length.ok_or(ErrorKind::InvalidData)?;
        Ok(bytes[head..].get(..length).map(|body| Self {
            status: status.unwrap_or_default(),
            path: path.unwrap_or_default(),
            headers,
            body,
            length: head + length,
        }))
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn requests_in_pieces_are_answered_one_by_one_and_what_was_closed_is_opened() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = ProviderClient::new(listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let mut one = Connection::new(listener.accept().await.unwrap().0).unwrap();
            for (path, body, status) in [("/0", &b"abc"[..], 200), ("/1", b"", 204)] {
                let request = one.next().await.unwrap().unwrap();
                assert_eq!((request.path, request.body), (path, body));
                assert_eq!(request.headers.get("x-a"), Some(&b"b"[..]));
                one.answer(status).await.unwrap();
            }
            drop(one);
            for answer in [
                "HTTP/1.1 503 Busy\r\nConnection: close\r\n\r\n",
                "OK\r\n\r\n",
            ] {
                let mut other = Connection::new(listener.accept().await.unwrap().0).unwrap();
                assert!(other.next().await.unwrap().is_some());
                other.stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        // The second request begins with the first, and ends alone.
        let first = b"POST /0 HTTP/1.1\r\nContent-Length: 3\r\nX-A: b\r\n\r\nabcGET /1 HTT";
        assert_eq!(client.exchange(first).await.unwrap(), 200);
        assert_eq!(
            client.exchange(b"P/1.1\r\nX-A: b\r\n\r\n").await.unwrap(),
            204
        );
        client
            .open
            .as_ref()
            .unwrap()
            .stream
            .readable()
            .await
            .unwrap();
        let request = b"GET / HTTP/1.1\r\n\r\n";
        assert_eq!(client.exchange(request).await.unwrap(), 503);
        let error = client.exchange(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        server.await.unwrap();
    }
}
