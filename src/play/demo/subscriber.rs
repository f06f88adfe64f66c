//! A subscriber on loopback: all that a program which receives payloads has to do.
//!
//! It checks the Standard Webhooks signature with code of its own, so that the demo does not
//! take the service's word for it, and answers 204. The invented subscribers of history listen here too,
//! each at a path of its own.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::play::http::Connection;

/// Something that was posted to the subscriber.
#[derive(Debug)]
pub(super) struct Received {
    /// `webhook-id`: the same on every attempt, so that repeats can be dropped.
    pub(super) id: Uuid,
    /// Whether the demo's own subscriber received it, and not one of history.
    pub(super) is_own: bool,
    /// Whether the signature is that of the subscriber's secret.
    pub(super) verified: bool,
    /// The body.
    pub(super) payload: Vec<u8>,
}

/// The running subscriber; what is in flight is cut off when it is dropped.
pub(super) struct DemoSubscriber {
    /// What it receives, in the order of arrival.
    pub(super) received: UnboundedReceiver<Received>,
    _accepting: JoinSet<()>,
}

impl DemoSubscriber {
    /// Starts it on `listener` with the secrets that `subscriber add` shows, `whsec_…`: its own, and those
    /// of others by the paths at which they listen.
    pub(super) fn start(
        listener: TcpListener,
        own: &str,
        others: &[(&'static str, String)],
    ) -> anyhow::Result<Self> {
        let others = others.iter().map(|(name, secret)| {
            let path = format!("/{name}");
            Ok((path, key_of(secret)?))
        });
        let keys = Arc::new(SubscriberKeys {
            own: key_of(own)?,
            others: others.collect::<anyhow::Result<_>>()?,
        });
        let (sender, received) = unbounded_channel();
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&keys), sender.clone()));
            }
        });
        Ok(Self {
            received,
            _accepting: accepting,
        })
    }
}

/// What the signatures are checked with.
struct SubscriberKeys {
    own: Vec<u8>,
    /// By the paths of their URLs.
    others: HashMap<String, Vec<u8>>,
}

fn key_of(secret: &str) -> anyhow::Result<Vec<u8>> {
    let key = secret.strip_prefix("whsec_").unwrap_or(secret);
    STANDARD.decode(key).context("the secret is no base64")
}

/// Takes what comes over a connection until it ends.
async fn serve(
    stream: TcpStream,
    keys: Arc<SubscriberKeys>,
    received: UnboundedSender<Received>,
) -> std::io::Result<()> {
    let mut connection = Connection::new(stream)?;
    while let Some(request) = connection.next().await? {
        let header = |name| {
            let value = request.headers.get(name);
            value.and_then(|value| std::str::from_utf8(value).ok())
        };
        let status = if let Some(id) = header("webhook-id") {
            let timestamp = header("webhook-timestamp").unwrap_or_default();
            let signatures = header("webhook-signature").unwrap_or_default();
            let other = keys.others.get(request.path);
            let key = other.unwrap_or(&keys.own);
            let verified = is_signed(key, id, timestamp, request.body, signatures);
            // The receiver is gone while the demo is ending.
            let _ = received.send(Received {
                id: id.parse().unwrap_or_default(),
                is_own: other.is_none(),
                verified,
                payload: request.body.to_vec(),
            });
            if verified { 204 } else { 401 }
        } else {
            400
        };
        connection.answer(status).await?;
    }
    Ok(())
}

/// Whether one of the `v1,<base64>` in `signatures` is the HMAC-SHA256 of `id.timestamp.body`.
///
/// A real subscriber also refuses a timestamp that is minutes old.
fn is_signed(key: &[u8], id: &str, timestamp: &str, body: &[u8], signatures: &str) -> bool {
    signatures.split(' ').any(|signature| {
        let claimed = signature.strip_prefix("v1,").unwrap_or_default();
        let (Ok(claimed), Ok(mut mac)) = (
            STANDARD.decode(claimed),
            Hmac::<Sha256>::new_from_slice(key),
        ) else {
            return false;
        };
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        mac.verify_slice(&claimed).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forward::envelope::sign;
    use crate::model::SigningSecret;

    #[test]
    fn only_what_was_signed_with_its_secret_is_believed() {
        let secret = SigningSecret::generate();
        let key = STANDARD
            .decode(secret.expose().trim_start_matches("whsec_"))
            .unwrap();
        let other = SigningSecret::generate();
        let cases = [
            (sign(std::slice::from_ref(&secret), "a", 7, b"{}"), true),
            (sign(&[other.clone(), secret.clone()], "a", 7, b"{}"), true),
            (sign(std::slice::from_ref(&secret), "b", 7, b"{}"), false),
            (sign(std::slice::from_ref(&secret), "a", 8, b"{}"), false),
            (sign(std::slice::from_ref(&secret), "a", 7, b"[]"), false),
            (sign(&[other], "a", 7, b"{}"), false),
            (String::new(), false),
        ];
        for (signatures, expected) in cases {
            let found = is_signed(&key, "a", "7", b"{}", &signatures);
            assert_eq!(found, expected, "{signatures}");
        }
    }
}
