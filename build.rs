//! Compiles what sets the allocator up.

/// Runs before `main`; the library does not choose an allocator's settings for others.
const MALLOC: &str = "src/malloc.c";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={MALLOC}");
    for object in cc::Build::new().file(MALLOC).compile_intermediates() {
        println!("cargo::rustc-link-arg-bin=tickrelay={}", object.display());
    }
}
