//! The toy provider, invented to show all that a provider has: it posts each report as a form, and
//! signs the URL it calls together with the form's parameters.

use secrecy::SecretString;

use super::authentication::{Algorithm, Content, Encoding, Signature, WebhookRequest};
use super::definition::{CredentialRules, Definition, ErrorCatalogue, OwnSignature, Samples};
use super::json::text;
use super::sample::Element;
use super::{Exchange, Hints, Item, ParseError, Parsed, Sent, SentAll, SentFault};
use crate::model::{
    About, AccountEvent, EventGroup, EventLine, EventWords, Kind, Registration, Report,
    ReportError, SendResult, Status,
};

/// What it says of a number, in our words.
static EVENTS: EventWords = EventWords {
    title: "The toy provider",
    unknown: "Look into the toy's console for what it means.",
    lines: &[EventLine::new(
        EventGroup::Number,
        &["slowed"],
        "number.quality_dropped",
        "was slowed by the toy provider",
        "Send less until the toy's console shows it as restored.",
    )],
};

pub(super) const DEFINITION: Definition = Definition {
    name: "toy",
    title: "the toy provider",
    pull: None,
    ends_at_sent: false,
    credentials: CredentialRules {
        any_of: &["auth_token", "auth_tokens"],
        missing: "auth_tokens is missing: copy the token from the toy's console",
        misfits: &[(
            "hmac",
            "the toy's signature is known: give its key as auth_tokens",
        )],
        signs_with: &["x-toy-signature"],
        sets: &[],
        signature: Some(OwnSignature {
            settings: ["auth_token", "auth_tokens"],
            of: signature,
        }),
        handshake: false,
    },
    errors: &ErrorCatalogue {
        name: "toy",
        title: "The toy provider",
        toml: include_str!("toy/errors.toml"),
        refusals: None,
        causes: &[],
        vague: &[],
    },
    events: &EVENTS,
    read,
    send_receipt,
    samples: Samples {
        settings: "auth_tokens = [\"{secret}\"]",
        proof: "signed together with the URL",
        sender: None,
        everyday: &["delivered", "failed"],
        reports_queued: true,
        frequent: &["toy:21"],
        history: None,
        not_failures: &[],
        content_type: "application/x-www-form-urlencoded",
        batch: 1,
        write,
        id: |key, _| format!("TM{key:016x}"),
        key: |id| u64::from_str_radix(id.strip_prefix("TM")?, 16).ok(),
    },
    starter: None,
};

/// `X-Toy-Signature`: HMAC-SHA1 of the URL and the sorted parameters, in base64.
fn signature(auth_tokens: Vec<SecretString>) -> Signature {
    Signature {
        header: "X-Toy-Signature".to_owned(),
        algorithm: Algorithm::Sha1,
        encoding: Encoding::Base64,
        prefix: None,
        secrets: auth_tokens,
        timestamp_header: None,
        content: Content::Request(url_and_parameters),
    }
}

fn url_and_parameters(request: WebhookRequest<'_>) -> Vec<u8> {
    let mut parameters: Vec<_> = url::form_urlencoded::parse(request.body).collect();
    parameters.sort();
    let mut content = request.url.to_owned();
    for (name, value) in parameters {
        content.extend([name, value]);
    }
    content.into_bytes()
}

/// Reads `id=TM01&state=delivered&to=%2B34600000001`, one form a report, or `number=%2B34910000000&event=slowed`,
/// an account event.
fn read(body: &str, _: &Hints) -> Result<Parsed, ParseError> {
    let value = |name: &str| {
        let mut parameters = url::form_urlencoded::parse(body.as_bytes());
        let found = parameters.find(|(known, _)| known == name);
        found.map(|(_, value)| value.into_owned())
    };
    if let (Some(number), Some(event)) = (value("number"), value("event")) {
        let words = EVENTS.of(EventGroup::Number, event);
        let event = AccountEvent::new("number", About::Number, Some(number), &words);
        let items = vec![Item::Account(Box::new(event))];
        return Ok(Parsed { items });
    }
    let (Some(id), Some(state)) = (value("id"), value("state")) else {
        return Err(ParseError::Shape(
            "a form with neither id and state nor number and event",
        ));
    };
    let mut report = Report::new(Kind::Status, state.as_str(), Some(id), body.as_bytes());
    report.status = match state.as_str() {
        "accepted" => Some(Status::Queued),
        "sent" => Some(Status::Sent),
        "delivered" => Some(Status::Delivered),
        "read" => Some(Status::Read),
        "failed" => Some(Status::Failed),
        _ => None,
    };
    report.time.text = value("at");
    report.time.ms = value("at").and_then(|at| at.parse().ok());
    report.recipient = value("to");
    report.sender = value("from");
    if report.status == Some(Status::Failed) {
        let code: Option<i64> = value("reason").and_then(|reason| reason.parse().ok());
        report.errors.push(ReportError {
            key: code.map_or_else(|| "toy:unknown".to_owned(), |code| format!("toy:{code}")),
            code,
            title: None,
            details: None,
            href: None,
            permanent: None,
        });
    }
    let items = vec![Item::Report(Box::new(report))];
    Ok(Parsed { items })
}

/// Writes what [`read`] reads.
fn write(body: &mut String, sender: &str, elements: &[Element]) {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for element in elements {
        let state = match element.status {
            Status::Queued => "accepted".to_owned(),
            status => status.to_string(),
        };
        form.append_pair("id", &element.id)
            .append_pair("state", &state)
            .append_pair("to", &element.recipient)
            .append_pair("from", sender)
            .append_pair("at", &element.at_ms.to_string());
        if let Some(code) = element.error.and_then(|error| error.code) {
            form.append_pair("reason", &code.to_string());
        }
    }
    *body += &form.finish();
}

/// Reads `{"to": …}` and its answer `{"id": …}`.
fn send_receipt(exchange: Exchange<'_>, _: &Hints) -> Result<SentAll, SentFault> {
    let recipient = text(exchange.request, "to");
    if recipient.is_none() {
        return Err(SentFault::new(
            "/request/to",
            "a send has its recipient in to",
        ));
    }
    let id = text(exchange.response, "id");
    let result = if exchange.is_refused(id.is_some()) {
        exchange.refused("toy", Vec::new())
    } else {
        SendResult::accepted()
    };
    let registration = Registration {
        recipient,
        ..Registration::default()
    };
    Ok(vec![Ok(Sent {
        id,
        registration,
        result,
    })])
}
