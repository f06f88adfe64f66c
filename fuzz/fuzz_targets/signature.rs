//! A signature header, a line feed, a body: only the right signature is believed, and it
//! always is.

#![no_main]

use hmac::{Hmac, Mac};
use libfuzzer_sys::fuzz_target;
use secrecy::SecretString;
use sha2::Sha256;
use tickrelay::providers::authentication::{
    Algorithm, Authentication, Content, Encoding, RequestHeaders, Method, WebhookRequest, Signature,
};

const SECRET: &str = "fuzz-app-secret";

fn headers(signature: &[u8]) -> RequestHeaders {
    [("X-Hub-Signature-256", signature), ("X-Timestamp", b"1760000000")]
        .into_iter()
        .collect()
}

fn secrets() -> Vec<SecretString> {
    vec![SecretString::from(SECRET)]
}

fn signed_by(signature: Signature) -> Authentication {
    Authentication {
        methods: vec![Method::Signature(signature)],
    }
}

fuzz_target!(|data: &[u8]| {
    let at = data.iter().position(|byte| *byte == b'\n');
    let (claimed, body) = data.split_at(at.unwrap_or(data.len()));
    let body = body.get(1..).unwrap_or_default();

    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length will do");
    mac.update(body);
    let right = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    let hub = signed_by(Signature::hub_sha256(secrets()));
    let (genuine, given) = (headers(right.as_bytes()), headers(claimed));
    let with = |headers| WebhookRequest {
        headers,
        ..WebhookRequest::post("/webhooks/acme", body)
    };
    assert!(hub.check_body(with(&genuine)).is_ok());
    let believed = hub.check_body(with(&given)).is_ok();
    let same = claimed.trim_ascii().eq_ignore_ascii_case(right.as_bytes());
    assert!(!believed || same, "a wrong signature is believed");

    for algorithm in [Algorithm::Md5, Algorithm::Sha1, Algorithm::Sha512] {
        for encoding in [Encoding::Hex, Encoding::Base64] {
            let other = signed_by(Signature {
                header: "X-Hub-Signature-256".to_owned(),
                algorithm,
                encoding,
                prefix: None,
                secrets: secrets(),
                timestamp_header: Some("X-Timestamp".to_owned()),
                content: Content::Body,
            });
            let whole = other.check_body(with(&given));
            // The head alone refuses nothing that the whole believes.
            assert!(whole.is_err() || other.check_head(with(&given)).is_ok());
        }
    }
});
