//! Compiles what sets the allocator up, and unpacks the files of Swagger UI that the API's page needs.

use std::env;
use std::error::Error;
use std::fs::File;
use std::io::{self, Cursor};
use std::path::PathBuf;

use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
use zip::ZipArchive;

/// Runs before `main`; the library does not choose an allocator's settings for others.
const MALLOC: &str = "src/malloc.c";

/// What `src/web/api/reference.rs` serves. The archive also has each of them for other ways of
/// embedding, and 7 MB of source maps.
const SWAGGER_UI: [&str; 3] = [
    "swagger-ui-bundle.js",
    "swagger-ui.css",
    "favicon-32x32.png",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={MALLOC}");
    for object in cc::Build::new().file(MALLOC).compile_intermediates() {
        println!("cargo::rustc-link-arg-bin=tickrelay={}", object.display());
    }
    unpack_swagger_ui()
}

#[expect(
    clippy::disallowed_methods,
    reason = "Cargo names the folder in the environment"
)]
fn unpack_swagger_ui() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut archive = ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED))?;
    for name in SWAGGER_UI {
        // The archive has one folder, named for its version.
        let path = archive
            .file_names()
            .find(|path| {
                path.split_once('/')
                    .is_some_and(|(_, rest)| rest == format!("dist/{name}"))
            })
            .map(str::to_owned)
            .ok_or_else(|| format!("the archive of Swagger UI has no dist/{name}"))?;
        io::copy(
            &mut archive.by_name(&path)?,
            &mut File::create(out.join(name))?,
        )?;
    }
    Ok(())
}
