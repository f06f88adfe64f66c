//! What was stored reaches the subscriber: signed, in order, and once settled never again.

use crate::support::receiver::Receiver;
use crate::support::{TestApp, cloud_status, until, verify};

#[actix_web::test]
async fn a_status_is_stored_then_forwarded_signed() {
    let app = TestApp::boot().await;
    let receiver = Receiver::start();
    let secret = app.subscribe("crm", &receiver.url).await;
    assert_eq!(
        app.post("cloud", cloud_status("wamid.1", "sent", 1_760_000_000))
            .await,
        200
    );
    until("the payload arrives", || receiver.count() == 1).await;
    let request = &receiver.received()[0];
    assert_eq!(
        request.json(),
        serde_json::json!({
            "msId": "wamid.1",
            "message": "",
            "mobileNo": "+34600000001",
            "connectedWhatsAppNo": "+34910000000",
            "MessageStatus": "sent",
            "type": "Template-Message",
            "timestamp": "2025-10-09T08:53:20.000Z",
        })
    );
    assert!(verify(&secret, request));
    app.settled().await;
    let app = app.restart().await;
    assert_eq!(
        app.post("cloud", cloud_status("wamid.1", "sent", 1_760_000_000))
            .await,
        200
    );
    assert_eq!(
        app.post("cloud", cloud_status("wamid.1", "read", 1_760_000_009))
            .await,
        200
    );
    until("the next payload arrives", || receiver.count() == 2).await;
    assert_eq!(receiver.statuses(), ["sent", "read"]);
    assert_eq!(app.value::<i64>("SELECT sum(repeats) FROM report"), 1);
    app.stop().await;
}
