//! The page to read and try the API: Swagger UI, drawn from the document of this service.
//!
//! The build script takes Swagger UI's own files from its archive. Page and settings are ours.

use actix_web::HttpResponse;
use actix_web::http::header::{
    CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::web::Path;

use super::Reply;
use crate::web::problem::Problem;

/// What the page may load and do: its own files, and calls of this service. Its styles alone may
/// stand in its elements, which it writes as it draws. No other page may show it in a frame, where
/// a click on it could be stolen.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

/// A file that the build script put beside this crate's output.
macro_rules! built {
    ($name:literal) => {
        include_bytes!(concat!(env!("OUT_DIR"), "/", $name)).as_slice()
    };
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Each file of the page: its name, its type and its bytes.
const FILES: &[(&str, &str, &[u8])] = &[
    ("", HTML, include_bytes!("reference/index.html")),
    ("index.html", HTML, include_bytes!("reference/index.html")),
    (
        "swagger-initializer.js",
        SCRIPT,
        include_bytes!("reference/initializer.js"),
    ),
    (
        "swagger-ui-bundle.js",
        SCRIPT,
        built!("swagger-ui-bundle.js"),
    ),
    (
        "swagger-ui.css",
        "text/css; charset=utf-8",
        built!("swagger-ui.css"),
    ),
    (
        "favicon-32x32.png",
        "image/png",
        built!("favicon-32x32.png"),
    ),
];

/// One file of the page. It is public, as the document is: neither says anything of this store.
pub(super) async fn page(file: Path<String>) -> Reply {
    let (_, content_type, bytes) = FILES
        .iter()
        .find(|(name, ..)| *name == file.as_str())
        .ok_or_else(|| Problem::missing("such file of the page"))?;
    Ok(HttpResponse::Ok()
        .content_type(*content_type)
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((X_FRAME_OPTIONS, "DENY"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .body(*bytes))
}
