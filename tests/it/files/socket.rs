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
    std::fs::rename(&socket, &away).unwrap();
    until("there is a socket again", || socket.exists()).await;
    // The first one comes back, as with its folder, and its listener is gone.
    std::fs::rename(&away, &socket).unwrap();
    until("somebody answers", || {
        std::os::unix::net::UnixStream::connect(&socket).is_ok()
    })
    .await;
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
