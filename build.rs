//! Compiles what sets the allocator up, and tells the linker in which order the service's code is to
//! lie.
//!
//! What an idle service runs is a fifth of its code, spread over all of it. The system maps code in
//! runs of 64 KiB, so nearly everything became resident. `.cargo/link-order.txt` names the functions
//! that a start runs, then those of the usual work, and `.ci/link-order` writes it. A name that
//! is no longer there is passed over: the list can be old, and nothing but memory is lost by it.

#![allow(
    clippy::disallowed_methods,
    reason = "cargo tells a build script what it builds in the environment"
)]

use std::env;
use std::path::Path;
use std::process::Command;

/// The only target whose toolchain brings a linker that knows the option.
const TARGET: &str = "x86_64-unknown-linux-gnu";
const ORDER: &str = ".cargo/link-order.txt";
/// Runs before `main`; the library does not choose an allocator's settings for others.
const MALLOC: &str = "src/malloc.c";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={ORDER}");
    println!("cargo::rerun-if-changed={MALLOC}");
    for object in cc::Build::new().file(MALLOC).compile_intermediates() {
        println!("cargo::rustc-link-arg-bin=tickrelay={}", object.display());
    }
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    if !is("PROFILE", "release") || !is("TARGET", TARGET) || !links_with_lld() {
        return;
    }
    let folder = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    let order = Path::new(&folder).join(ORDER);
    for argument in [
        format!("-Wl,--symbol-ordering-file={}", order.display()),
        "-Wl,--no-warn-symbol-ordering".to_owned(),
    ] {
        println!("cargo::rustc-link-arg-bin=tickrelay={argument}");
    }
}

/// Whether the linker is the toolchain's own: others refuse the option.
fn links_with_lld() -> bool {
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    if env::var_os("RUSTC_LINKER").is_some() || flags.contains("link") {
        return false;
    }
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let answer = Command::new(rustc).args(["--print", "sysroot"]).output();
    let Ok(answer) = answer else { return false };
    let sysroot = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    let own = format!("{sysroot}/lib/rustlib/{TARGET}/bin/gcc-ld/ld.lld");
    Path::new(&own).exists()
}
