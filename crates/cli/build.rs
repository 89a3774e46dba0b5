//! Has functions that are the same written once into the program, where the linker can do that.
//!
//! Generic code is compiled for each type, and much of it comes out alike. That is a thirtieth of the
//! binary. Rust does not promise that two functions have two addresses, so nothing depends on it.

use std::env::var;
use std::path::Path;
use std::process::Command;

/// A platform on which the compiler links with the linker that it brings.
const BRINGS_LINKER: &str = "x86_64-unknown-linux-gnu";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if is_wanted() && has_linker() {
        println!("cargo:rustc-link-arg-bins=-Wl,--icf=all");
    }
}

/// Whether this is a build without data for debuggers, which would name the wrong functions, and
/// nobody has chosen another linker.
fn is_wanted() -> bool {
    let is = |name: &str, value: &str| var(name).is_ok_and(|found| found == value);
    is("PROFILE", "release")
        && is("DEBUG", "false")
        && is("TARGET", BRINGS_LINKER)
        && is("HOST", BRINGS_LINKER)
        && var("RUSTC_LINKER").is_err()
        && var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default().is_empty()
}

/// Whether the compiler brings its linker: that of a distribution may not.
fn has_linker() -> bool {
    let compiler = var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let root = Command::new(compiler).args(["--print", "sysroot"]).output();
    root.is_ok_and(|root| {
        let root = String::from_utf8_lossy(&root.stdout).trim().to_owned();
        let linker = format!("lib/rustlib/{BRINGS_LINKER}/bin/gcc-ld/ld.lld");
        Path::new(&root).join(linker).exists()
    })
}
