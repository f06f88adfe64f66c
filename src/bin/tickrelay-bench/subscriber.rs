//! The subscriber's role: takes forwards on `/0`, `/1`, … and writes down what came when; on
//! `/hang` it takes the request and never answers.
//!
//! A minimal HTTP/1.1 server of our own, so that the processor time goes to what is measured.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use tickrelay::clock::monotonic_us;
use tickrelay::model::Status;
use tickrelay::simulate::{Head, Message};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_blocking, spawn_local};

use super::player::{Entry, key, write_log};
use super::process;

/// What it can be asked.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// How many forwards of that run have come.
    Count(u32),
    /// Write down those that came since the last time.
    Log(PathBuf),
}

/// Its first word: the port it listens on.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Listening {
    pub(super) port: u16,
}

#[derive(Debug, Default)]
struct Taken {
    /// By the run, which is the upper end of a key.
    counts: HashMap<u64, u64>,
    entries: Vec<Entry>,
}

impl Taken {
    fn take(&mut self, entry: Entry) {
        *self.counts.entry(entry.key >> 48).or_default() += 1;
        self.entries.push(entry);
    }
}

pub(super) fn act() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        process::answer(&Listening {
            port: listener.local_addr()?.port(),
        })?;
        let taken = Rc::new(RefCell::new(Taken::default()));
        spawn_local(accept(listener, Rc::clone(&taken)));
        while let Some(order) = spawn_blocking(process::order::<Order>).await?? {
            let answer = match order {
                Order::Count(run) => {
                    let taken = taken.borrow();
                    taken.counts.get(&u64::from(run)).copied()
                }
                Order::Log(path) => {
                    let entries = std::mem::take(&mut taken.borrow_mut().entries);
                    write_log(&path, &entries)?;
                    Some(entries.len() as u64)
                }
            };
            process::answer(&answer.unwrap_or_default())?;
        }
        Ok(())
    })
}

async fn accept(listener: TcpListener, taken: Rc<RefCell<Taken>>) {
    // When nothing can be accepted any more, the parent sees that nothing comes.
    while let Ok((stream, _)) = listener.accept().await {
        let taken = Rc::clone(&taken);
        spawn_local(async move {
            // A connection that breaks is the sender's business.
            let _ = serve(stream, &taken).await;
        });
    }
}

async fn serve(mut stream: TcpStream, taken: &RefCell<Taken>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut bytes = Vec::with_capacity(4096);
    loop {
        let head = loop {
            if let Some(head) = Head::read(&bytes)
                && bytes.len() >= head.bytes + head.content_length
            {
                break head;
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
        };
        let at_us = monotonic_us();
        let whole = head.bytes + head.content_length;
        let path = path(&bytes);
        if path == "hang" {
            bytes.clear();
            continue;
        }
        let entry = Entry {
            key: read_key(&bytes[head.bytes..whole]),
            subscriber: path.parse().unwrap_or_default(),
            at_us,
        };
        taken.borrow_mut().take(entry);
        bytes.drain(..whole);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .await?;
    }
}

/// The request's path without its first slash.
fn path(request: &[u8]) -> &str {
    let line = request.split(|byte| *byte == b'\r').next();
    let path = line.and_then(|line| std::str::from_utf8(line).ok()?.split(' ').nth(1));
    path.unwrap_or_default().trim_start_matches('/')
}

/// Which report a payload tells of; 0 when it is none of ours.
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
        .and_then(|payload| Some(key(Message::of_id(payload.ms_id)?, payload.status)))
        .unwrap_or_default()
}
