//! HTTP clients of the tests: over TCP, and over the socket of a service.

use std::path::Path;

pub(crate) fn client() -> reqwest::Client {
    client_builder().build().unwrap()
}

/// A client of the API over that socket.
pub(crate) fn client_over(socket: &Path) -> reqwest::Client {
    client_builder().unix_socket(socket).build().unwrap()
}

pub(crate) fn client_builder() -> reqwest::ClientBuilder {
    // The service installs the TLS provider too; whoever is first wins.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy()
}
