//! One kept-alive HTTP/1.1 connection, as small as it gets.
//!
//! A full client would eat the processor time that is being measured: this one writes a
//! request that is ready and reads a status and a length. It speaks to a relay on the local
//! network without TLS and to nothing else.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long one exchange may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The longest answer that is read.
const LONGEST: usize = 1 << 20;

/// A connection that opens itself, and again when it broke.
#[derive(Debug)]
pub(super) struct Connection {
    address: SocketAddr,
    stream: Option<TcpStream>,
    answer: Vec<u8>,
}

impl Connection {
    pub(super) const fn new(address: SocketAddr) -> Self {
        Self {
            address,
            stream: None,
            answer: Vec::new(),
        }
    }

    /// Sends a whole request; returns the answer's status.
    pub(super) async fn exchange(&mut self, request: &[u8]) -> io::Result<u16> {
        let mut stream = if let Some(stream) = self.stream.take().filter(is_open) {
            stream
        } else {
            let stream = TcpStream::connect(self.address).await?;
            stream.set_nodelay(true)?;
            stream
        };
        let exchanged = exchange(&mut stream, request, &mut self.answer);
        let (status, reusable) = tokio::time::timeout(TIMEOUT, exchanged)
            .await
            .map_err(|_| io::Error::from(ErrorKind::TimedOut))??;
        self.stream = reusable.then_some(stream);
        Ok(status)
    }
}

/// Whether the other side has not closed it meanwhile, as servers do with what lies idle.
fn is_open(stream: &TcpStream) -> bool {
    matches!(stream.try_read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
}

async fn exchange(
    stream: &mut TcpStream,
    request: &[u8],
    answer: &mut Vec<u8>,
) -> io::Result<(u16, bool)> {
    stream.write_all(request).await?;
    answer.clear();
    loop {
        if stream.read_buf(answer).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if let Some(head) = Head::read(answer) {
            let whole = head.bytes + head.content_length;
            if whole > LONGEST {
                return Err(ErrorKind::InvalidData.into());
            }
            while answer.len() < whole {
                if stream.read_buf(answer).await? == 0 {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
            }
            let status = head.status.ok_or(ErrorKind::InvalidData)?;
            return Ok((status, !head.close));
        }
        if answer.len() > LONGEST {
            return Err(ErrorKind::InvalidData.into());
        }
    }
}

/// What has to be known of a request's or an answer's head to read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// An answer's status; `None` for a request.
    pub status: Option<u16>,
    /// The length of the head, its empty line included.
    pub bytes: usize,
    /// The length of the body; what is sent in chunks is not understood and counts as 0.
    pub content_length: usize,
    /// Whether the connection ends here.
    pub close: bool,
}

impl Head {
    /// Reads a head; `None` while it is not whole.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let mut lines = bytes[..end].split(|byte| *byte == b'\n');
        let first = lines.next()?.trim_ascii_end();
        let status = first
            .strip_prefix(b"HTTP/1.1 ")
            .and_then(|rest| std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok());
        let mut head = Self {
            status,
            bytes: end + 4,
            content_length: 0,
            close: false,
        };
        for line in lines {
            let Some(colon) = line.iter().position(|byte| *byte == b':') else {
                continue;
            };
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            if name.eq_ignore_ascii_case(b"content-length") {
                head.content_length = std::str::from_utf8(value).ok()?.parse().ok()?;
            } else if name.eq_ignore_ascii_case(b"connection") {
                head.close = value.eq_ignore_ascii_case(b"close");
            }
        }
        Some(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_when_it_is_whole() {
        let answer = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 12\r\nConnection: close\r\n\r\nabc";
        assert_eq!(Head::read(&answer[..40]), None);
        let head = Head::read(answer).unwrap();
        assert_eq!(
            (head.status, head.content_length, head.close),
            (Some(503), 12, true)
        );
        assert_eq!(&answer[head.bytes..], b"abc");
        let request = Head::read(b"POST / HTTP/1.1\r\ncontent-length:7\r\n\r\n").unwrap();
        assert_eq!((request.status, request.content_length), (None, 7));
    }
}
