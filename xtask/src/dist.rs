//! What people install who have no Rust: `cargo xtask dist`, into `target/dist`.
//!
//! All forms carry one binary. Each is made here, by tools that every Debian has (`tar`, `dpkg-deb`), and needs
//! neither a daemon nor a registry.

mod debian;
mod files;
mod manual;
mod npm;
mod oci;
mod platform;
mod tarball;
mod wheel;

use crate::run;
use files::Tree;
use platform::Platform;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const FORMS: [&str; 5] = ["tarball", "wheel", "npm", "deb", "oci"];

/// What is being packed.
struct Release {
    /// The root of the repository.
    root: PathBuf,
    /// Where the packages go.
    out: PathBuf,
    /// A folder for what is on the way there.
    work: PathBuf,
    /// The binary, without symbols.
    binary: PathBuf,
    /// What it runs on.
    platform: Platform,
    /// The version of the workspace.
    version: String,
    /// How hard what is packed is pressed: from 1, which is quick, to 9.
    level: u8,
    /// What every file is dated, in seconds since 1970: the time of the commit.
    date: String,
}

/// The options of the recipe.
#[derive(Default)]
struct Options {
    binary: Option<PathBuf>,
    texts: Option<PathBuf>,
    out: Option<PathBuf>,
    target: Option<String>,
    is_quick: bool,
    forms: Vec<String>,
}

fn options(arguments: &[String]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value =
            || rest.next().cloned().ok_or_else(|| format!("`{argument}` needs a value"));
        match argument.as_str() {
            "--binary" => options.binary = Some(value()?.into()),
            "--texts" => options.texts = Some(value()?.into()),
            "--out" => options.out = Some(value()?.into()),
            "--target" => options.target = Some(value()?),
            "--quick" => options.is_quick = true,
            form if FORMS.contains(&form) => options.forms.push(form.to_owned()),
            other => {
                let forms = FORMS.join(", ");
                return Err(format!("`{other}` is no option of dist, nor a form ({forms})"));
            }
        }
    }
    Ok(options)
}

pub(crate) fn make(arguments: &[String]) -> Result<(), String> {
    let options = options(arguments)?;
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let root = root.canonicalize().map_err(|error| error.to_string())?;
    let built = match options.binary {
        Some(binary) => binary,
        None => build(&root, options.target.as_deref())?,
    };
    let out = options.out.unwrap_or_else(|| root.join("target/dist"));
    let work = out.join("work");
    fs::remove_dir_all(&work).ok();
    fs::create_dir_all(&work).map_err(|error| format!("{}: {error}", work.display()))?;
    let binary = work.join("stepwright");
    stripped(&built, &binary)?;
    let release = Release {
        platform: Platform::of(&binary)?,
        version: version(&root)?,
        level: if options.is_quick { 1 } else { 9 },
        date: date(&root),
        root,
        out,
        work,
        binary,
    };
    println!("stepwright {} for {}", release.version, release.platform.said());
    // Man pages and completions are what a binary says of itself; one for another machine cannot be asked.
    let texts = options.texts.unwrap_or_else(|| built.clone());
    let tree = Tree::staged(&release, &texts)?;
    let wants =
        |form: &str| options.forms.is_empty() || options.forms.iter().any(|one| one == form);
    let mut made = Vec::new();
    if wants("tarball") {
        made.push(tarball::make(&release, &tree)?);
    }
    if wants("wheel") {
        made.extend(wheel::make(&release)?);
    }
    if wants("npm") {
        made.extend(npm::make(&release)?);
    }
    if wants("deb") {
        made.push(debian::make(&release, &tree)?);
    }
    if wants("oci") {
        made.push(oci::make(&release)?);
    }
    files::write_sums(&release.out, &made)?;
    fs::remove_dir_all(&release.work).ok();
    for file in &made {
        let size = fs::metadata(file).map_or(0, |data| data.len());
        println!("{:>7.1} MB  {}", size as f64 / 1e6, file.display());
    }
    Ok(())
}

/// Builds the binary that is shipped: static where the target's library is there or can be had.
fn build(root: &Path, target: Option<&str>) -> Result<PathBuf, String> {
    let usual = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let target = target.map_or(usual, str::to_owned);
    let mut command = Command::new("cargo");
    command.current_dir(root).args(["build", "--profile", "dist", "--features", "parquet"]);
    let wanted = Command::new("rustup").args(["target", "add", &target]).output();
    let is_there = wanted.is_ok_and(|output| output.status.success());
    let folder = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    if !is_there {
        println!("the target {target} is not there: the binary will need this system's C library");
        run(&mut command)?;
        return Ok(folder.join("dist/stepwright"));
    }
    command.args(["--target", &target]);
    if target.ends_with("linux-musl") {
        // C of dependencies is compiled by the wrapper of musl-tools.
        let wrapper = format!("CC_{}", target.replace('-', "_"));
        if std::env::var_os(&wrapper).is_none() {
            crate::debian::provide("musl-gcc", "musl-tools");
            command.env(wrapper, "musl-gcc");
        }
    }
    run(&mut command)?;
    Ok(folder.join(&target).join("dist/stepwright"))
}

/// Copies a binary without its symbols and line tables, if `strip` knows it.
fn stripped(from: &Path, to: &Path) -> Result<(), String> {
    let done = Command::new("strip").arg("-o").arg(to).arg(from).output();
    if !done.is_ok_and(|output| output.status.success()) {
        fs::copy(from, to).map_err(|error| format!("{}: {error}", from.display()))?;
    }
    files::set_mode(to, 0o755)
}

/// The version of the workspace.
fn version(root: &Path) -> Result<String, String> {
    let text = files::read(&root.join("Cargo.toml"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("version = \""));
    let version = line.and_then(|rest| rest.split('"').next());
    version.map(str::to_owned).ok_or_else(|| "Cargo.toml names no version".to_owned())
}

/// The time of the last commit, so that the same commit makes the same packages.
fn date(root: &Path) -> String {
    let asked = Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(root).output();
    let said = asked.ok().and_then(|output| String::from_utf8(output.stdout).ok());
    said.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).unwrap_or_else(|| {
        // A tree without its history: all the same, always the same.
        "0".to_owned()
    })
}
