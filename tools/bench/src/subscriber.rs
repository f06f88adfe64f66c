//! The subscriber's role: takes forwards on `/0`, `/1`, … and writes down what came when; on
//! `/hang` it takes the request and never answers.
//!
//! It reads requests with [`Connection`], so that the processor time goes to what is measured.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use tickrelay::clock::monotonic_us;
use tickrelay::model::Status;
use tickrelay::play::{Connection, InventedMessage};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet, LocalSet, spawn_blocking, spawn_local};

use super::player::{Entry, key, write_log};
use super::process;

/// What it can be asked.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// How many forwards of that run have come, each once.
    Count(u32),
    /// How many have come since the last log, of any run, repeats included.
    Arrivals,
    /// Write down those that came since the last time.
    Log(PathBuf),
    /// Be away: connections are cut, new ones refused.
    Leave,
    /// Be there again; answered with the time of it, µs of the machine's clock.
    Return,
}

/// Its first word: the port it listens on.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Listening {
    pub(super) port: u16,
}

/// The keys that stand in one word of [`Seen`], as bits of it.
const KEYS: u64 = 64;

/// Which keys have come to which subscriber. Keys count upwards, so that many share a word: no
/// forward waits for a large table to grow.
#[derive(Debug, Default)]
struct Seen(HashMap<(u64, u64), u64>);

impl Seen {
    /// Whether it is there for the first time.
    fn insert(&mut self, key: u64, subscriber: u64) -> bool {
        let word = self.0.entry((key / KEYS, subscriber)).or_default();
        let bit = 1 << (key % KEYS);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }
}

#[derive(Debug, Default)]
struct Taken {
    /// By the run, which is the upper end of a key.
    counts: HashMap<u64, u64>,
    seen: Seen,
    entries: Vec<Entry>,
}

impl Taken {
    fn take(&mut self, entry: Entry) {
        if self.seen.insert(entry.key, entry.subscriber) {
            *self.counts.entry(entry.key >> 48).or_default() += 1;
        }
        self.entries.push(entry);
    }
}

pub(super) fn act() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, async {
        let taken = Rc::new(RefCell::new(Taken::default()));
        let mut inbound = Inbound::open(TcpListener::bind("127.0.0.1:0").await?, &taken)?;
        process::answer(&Listening {
            port: inbound.port(),
        })?;
        while let Some(order) = spawn_blocking(process::order::<Order>).await?? {
            let answer = match order {
                Order::Count(run) => {
                    let taken = taken.borrow();
                    taken.counts.get(&u64::from(run)).copied()
                }
                Order::Arrivals => Some(taken.borrow().entries.len() as u64),
                Order::Log(path) => {
                    let entries = std::mem::take(&mut taken.borrow_mut().entries);
                    write_log(&path, &entries)?;
                    Some(entries.len() as u64)
                }
                Order::Leave => {
                    inbound = inbound.shut().await?;
                    None
                }
                Order::Return => {
                    inbound = inbound.open_again(&taken)?;
                    Some(monotonic_us())
                }
            };
            process::answer(&answer.unwrap_or_default())?;
        }
        Ok(())
    })
}

/// The socket that takes forwards.
enum Inbound {
    Open {
        address: SocketAddr,
        accepting: JoinHandle<()>,
    },
    /// The port stays ours, but nothing listens: connections are refused.
    Shut {
        address: SocketAddr,
        socket: TcpSocket,
    },
}

impl Inbound {
    fn open(listener: TcpListener, taken: &Rc<RefCell<Taken>>) -> io::Result<Self> {
        Ok(Self::Open {
            address: listener.local_addr()?,
            accepting: spawn_local(accept(listener, Rc::clone(taken))),
        })
    }

    const fn port(&self) -> u16 {
        match self {
            Self::Open { address, .. } | Self::Shut { address, .. } => address.port(),
        }
    }

    async fn shut(self) -> io::Result<Self> {
        let Self::Open { address, accepting } = self else {
            return Ok(self);
        };
        accepting.abort();
        // Its connections and its listener are gone when it has ended; being cut off is no
        // failure of it.
        let _ = accepting.await;
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(Self::Shut { address, socket })
    }

    fn open_again(self, taken: &Rc<RefCell<Taken>>) -> io::Result<Self> {
        match self {
            Self::Open { .. } => Ok(self),
            Self::Shut { socket, .. } => Self::open(socket.listen(1024)?, taken),
        }
    }
}

async fn accept(listener: TcpListener, taken: Rc<RefCell<Taken>>) {
    // They end with it.
    let mut connections = JoinSet::new();
    // When nothing can be accepted any more, the parent sees that nothing comes.
    while let Ok((stream, _)) = listener.accept().await {
        let taken = Rc::clone(&taken);
        connections.spawn_local(async move {
            // A connection that breaks is the sender's business.
            let _ = serve(stream, &taken).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, taken: &RefCell<Taken>) -> io::Result<()> {
    let mut connection = Connection::new(stream)?;
    while let Some(request) = connection.next().await? {
        let at_us = monotonic_us();
        let path = request.path.trim_start_matches('/');
        if path == "hang" {
            continue;
        }
        let entry = Entry {
            key: read_key(request.body),
            subscriber: path.parse().unwrap_or_default(),
            at_us,
        };
        taken.borrow_mut().take(entry);
        connection.answer(200).await?;
    }
    Ok(())
}

/// Which report a payload is of; 0 when it is none of ours.
fn read_key(payload: &[u8]) -> u64 {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Payload<'a> {
        #[serde(borrow)]
        ms_id: &'a str,
        #[serde(rename = "MessageStatus")]
        status: Status,
    }
    serde_json::from_slice::<Payload<'_>>(payload)
        .ok()
        .and_then(|payload| Some(key(InventedMessage::of_id(payload.ms_id)?, payload.status)))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[test]
    fn what_comes_again_is_written_down_and_not_counted() {
        let mut taken = Taken::default();
        for (run, number, subscriber) in [(1, 7, 0), (1, 8, 0), (1, 7, 0), (1, 7, 1), (2, 7, 0)] {
            taken.take(Entry {
                key: key(InventedMessage { run, number }, Status::Read),
                subscriber,
                at_us: 0,
            });
        }
        assert_eq!((taken.counts[&1], taken.counts[&2]), (3, 1));
        assert_eq!(taken.entries.len(), 5);
    }

    #[test]
    fn who_is_away_refuses_and_who_is_back_listens_at_the_same_port() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        LocalSet::new().block_on(&runtime, async {
            let taken = Rc::new(RefCell::new(Taken::default()));
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let inbound = Inbound::open(listener, &taken).unwrap();
            let port = inbound.port();
            let connect = || TcpStream::connect(("127.0.0.1", port));
            let mut before = connect().await.unwrap();
            let inbound = inbound.shut().await.unwrap();
            // The connection that was there ends, one way or the other.
            assert!(before.read_u8().await.is_err());
            let refused = connect().await.unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
            let inbound = inbound.open_again(&taken).unwrap();
            assert_eq!(inbound.port(), port);
            assert!(connect().await.is_ok());
        });
    }
}
