//! Webhooks that 360dialog signs for its partners.

use hmac::{Hmac, Mac};
use sha2::Sha256;
use tickrelay::clock::Clock;
use tickrelay::providers::Provider;
use tickrelay::providers::authentication::{Algorithm, Content, Encoding, Method, Signature};

use super::a_status;
use crate::support::answer::{HUB, check, post};
use crate::support::{TestApp, hub_signature, source};

#[actix_web::test]
async fn a_partner_of_360dialog_is_proved_by_its_signature() {
    let mut partner = source("other", Provider::Dialog360);
    partner.authentication.methods = vec![Method::Signature(Signature {
        header: "x-360dialog-signature".to_owned(),
        algorithm: Algorithm::Sha256,
        encoding: Encoding::Hex,
        prefix: None,
        secrets: vec!["platform-secret".into()],
        timestamp_header: None,
        content: Content::Body,
    })];
    let app = TestApp::boot_with(Clock::system(), |config| config.sources.push(partner)).await;
    let body = a_status();
    let mac = |secret: &str| {
        let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        hex::encode(mac.chain_update(body.as_bytes()).finalize().into_bytes())
    };
    let request = || post(&app, "other", body.clone());
    let header = "x-360dialog-signature";
    check(&app, request().header(header, mac("platform-secret")), 200).await;
    check(&app, request().header(header, mac("another-secret")), 401).await;
    check(&app, request(), 401).await;
    // Meta's own signature proves nothing here.
    let meta = hub_signature("platform-secret", body.as_bytes());
    check(&app, request().header(HUB, meta), 401).await;
}
