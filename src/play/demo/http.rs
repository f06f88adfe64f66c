//! A provider's end of the wire: one POST over a plain connection.
//!
//! Written out because the crate's HTTP client belongs to [`crate::forward::sender`], which
//! guards what subscribers may be; a webhook is no more than these bytes.

use std::fmt::Write as _;
use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The service answers or refuses within 3 s.
const PATIENCE: Duration = Duration::from_secs(10);

/// Posts `body` and returns the status of the answer.
///
/// # Errors
/// When there is no connection, or no answer in time that is HTTP.
pub(super) async fn post(
    to: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> std::io::Result<u16> {
    let mut head = format!("POST {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n");
    let length = body.len().to_string();
    for (name, value) in headers.iter().chain(&[("Content-Length", length.as_str())]) {
        // Writing to a String cannot fail.
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head.push_str("\r\n");
    tokio::time::timeout(PATIENCE, async {
        let mut stream = TcpStream::connect(to).await?;
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        status(&answer).ok_or_else(|| Error::new(ErrorKind::InvalidData, "the answer is no HTTP"))
    })
    .await
    .map_err(|_| Error::new(ErrorKind::TimedOut, "no answer in time"))?
}

/// The number in `HTTP/1.1 200 OK`.
fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| *byte == b'\r').next()?;
    let line = std::str::from_utf8(line).ok()?;
    line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::status;

    #[test]
    fn the_status_is_read_from_the_first_line() {
        let cases: [(&[u8], Option<u16>); 4] = [
            (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", Some(200)),
            (b"HTTP/1.1 503\r\n\r\n", Some(503)),
            (b"HTTP/1.1 20", None),
            (b"", None),
        ];
        for (answer, expected) in cases {
            assert_eq!(status(answer), expected);
        }
    }
}
