//! The control socket beside the store is removed while the service runs.

use std::os::unix::fs::PermissionsExt as _;

use crate::support::service::Home;
use crate::support::until;

#[actix_web::test]
async fn a_socket_that_nobody_answers_any_more_is_replaced() {
    let home = Home::new();
    let service = home.start();
    let socket = home.file("tickrelay.db.sock");
    let away = home.file("away.sock");
    let made = || std::fs::symlink_metadata(&socket).and_then(|found| found.modified());
    let first = made().unwrap();
    std::fs::rename(&socket, &away).unwrap();
    until("there is a socket again", || socket.exists()).await;
    // The first one comes back, as with its folder, and its listener is gone.
    std::fs::rename(&away, &socket).unwrap();
    // A connection proves nothing: the first listener may take it and be gone.
    until("it is replaced", || made().is_ok_and(|now| now != first)).await;
    service.subscribe("crm", "http://127.0.0.1:9/");
    service.stop();
}

#[actix_web::test]
async fn a_control_socket_that_is_removed_is_made_again_for_its_owner_alone() {
    let home = Home::new();
    let service = home.start();
    let socket = home.file("tickrelay.db.sock");
    std::fs::remove_file(&socket).unwrap();
    until("there is a socket again", || socket.exists()).await;
    service.subscribe("crm", "http://127.0.0.1:9/");
    let mode = socket.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    service.stop();
    assert!(!socket.exists());
}
