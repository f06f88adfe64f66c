//! Receives what tickrelay sends, with the crates `actix-web`, `base64`, `hmac`, `sha2` and
//! `serde_json`:
//!
//! ```sh
//! WEBHOOK_SECRET=whsec_… cargo run --example verify 3000
//! ```
//!
//! Prints one line for each payload, once. Answers 401 to what is not from tickrelay.

#![allow(clippy::print_stdout, reason = "it prints what it gets")]
#![allow(clippy::disallowed_methods, reason = "it is a program of its own")]

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use actix_web::http::header::HeaderMap;
use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// How far the sender's clock and ours may be apart; what is older may be a replay.
const TOLERANCE_S: u64 = 5 * 60;

/// Whether `body`, as it came, was sent by who knows the secret, just now.
fn verify(secret: &str, headers: &HeaderMap, body: &[u8]) -> bool {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let header = |name| header(name).unwrap_or_default();
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_secs());
    let Ok(sent) = timestamp.parse::<u64>() else {
        return false;
    };
    if now.abs_diff(sent) > TOLERANCE_S {
        return false;
    }
    let key = STANDARD.decode(secret.trim_start_matches("whsec_"));
    let Ok(Ok(mut mac)) = key.map(|key| Hmac::<Sha256>::new_from_slice(&key)) else {
        return false;
    };
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    // While a secret is rotated there are two signatures: ours is one of them.
    header("webhook-signature").split(' ').any(|signature| {
        let given = signature.strip_prefix("v1,").map(|it| STANDARD.decode(it));
        // Compares in constant time.
        matches!(given, Some(Ok(given)) if mac.clone().verify_slice(&given).is_ok())
    })
}

struct Receiver {
    secret: String,
    /// Yours is a table with a unique key, written in the transaction that acts on the payload.
    seen: Mutex<HashSet<String>>,
}

async fn receive(shared: Data<Receiver>, request: HttpRequest, body: Bytes) -> HttpResponse {
    if !verify(&shared.secret, request.headers(), &body) {
        return HttpResponse::Unauthorized().body("not signed with our secret, or too old\n");
    }
    let id = request.headers().get("webhook-id");
    let id = String::from_utf8_lossy(id.map_or(b"", |id| id.as_bytes())).into_owned();
    let Ok(payload) = serde_json::from_slice::<serde_json::Value>(&body) else {
        return HttpResponse::BadRequest().finish();
    };
    let mut seen = shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
    if seen.insert(id) {
        println!("{payload}");
    }
    // What was seen before is a yes too, or it would be sent again and again.
    HttpResponse::NoContent().finish()
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let secret = std::env::var("WEBHOOK_SECRET");
    let secret = secret.map_err(|_| std::io::Error::other("set WEBHOOK_SECRET to whsec_…"))?;
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok());
    let receiver = Data::new(Receiver {
        secret,
        seen: Mutex::default(),
    });
    let app = move || {
        App::new()
            .app_data(receiver.clone())
            .default_service(web::to(receive))
    };
    let server = HttpServer::new(app).workers(1);
    let server = server.bind(("127.0.0.1", port.unwrap_or(3000)))?;
    for address in server.addrs() {
        println!("listening on http://{address}");
    }
    server.run().await
}
