//! What can be set for a subscriber: over the API, on the command line and in the table alike.

use serde_json::json;

use crate::support::cli::Folder;

#[actix_web::test]
async fn an_update_changes_what_is_given_and_leaves_the_rest() {
    let folder = Folder::new();
    let url = "http://127.0.0.1:9/a";
    folder
        .done(&[
            "subscriber",
            "add",
            "--name",
            "crm",
            "--url",
            url,
            "--status",
            "failed",
            "--source",
            "cloud",
            "--phone-format",
            "digits",
        ])
        .await;
    let update = async |flags: &[&str]| {
        let verb = ["subscriber", "update", "crm", "--json"];
        folder.run(&[&verb, flags].concat()).await
    };
    let before = folder
        .run(&["subscriber", "show", "crm", "--json"])
        .await
        .json();
    let after = update(&["--timestamp-format", "epoch_millis"]).await.json();
    assert_eq!(after["options"]["timestamp_format"], "epoch_millis");
    assert_eq!(after["options"]["phone_format"], "digits");
    for same in ["url", "filter", "concurrency", "id", "created_at_ms"] {
        assert_eq!(after[same], before[same], "{same}");
    }
    let after = update(&["--status", "read", "--url", "http://127.0.0.1:9/b"]).await;
    let after = after.json();
    assert_eq!(after["filter"], json!({"rules": [{"statuses": ["read"]}]}));
    assert_eq!(after["url"], "http://127.0.0.1:9/b");
    assert_eq!(after["options"]["timestamp_format"], "epoch_millis");
    let after = update(&["--everything"]).await.json();
    assert_eq!(after["filter"], json!({}));
    let refused = update(&["--url", "ftp://elsewhere"]).await;
    assert_eq!(refused.exit, 1, "{refused:?}");
    assert_eq!(update(&["--everything", "--status", "read"]).await.exit, 2);
}
