//! The package for Debian and what is made of it: the binary, a service that is hardened, its configuration.

use super::Release;
use super::files::{self, Tree};
use crate::run;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) fn make(release: &Release, tree: &Tree) -> Result<PathBuf, String> {
    let sources = release.root.join("packaging/debian");
    let root = release.work.join("deb");
    fs::create_dir_all(&root).map_err(|error| error.to_string())?;
    run(Command::new("cp").arg("-r").arg(&tree.folder).arg(root.join("usr")))?;
    let usr = root.join("usr");
    let unit = usr.join("lib/systemd/system/stepwright.service");
    files::copy(&sources.join("stepwright.service"), &unit, 0o644)?;
    let configuration = root.join("etc/stepwright/stepwright.toml");
    files::copy(&sources.join("stepwright.toml"), &configuration, 0o644)?;
    let doc = usr.join("share/doc/stepwright");
    for name in ["LICENSE-MIT", "LICENSE-APACHE"] {
        fs::remove_file(doc.join(name)).map_err(|error| error.to_string())?;
    }
    let mit = files::read(&release.root.join("LICENSE-MIT"))?;
    files::write(
        &doc.join("copyright"),
        format!("{}\n{mit}", files::read(&sources.join("copyright"))?),
    )?;
    let log = format!(
        "stepwright ({}) stable; urgency=medium\n\n  * See the folder `changes` of the repository.\n\n -- The Stepwright \
         developers <packages@stepwright.invalid>  {}\n",
        release.version,
        dated(&release.date)?,
    );
    let log_file = doc.join("changelog.gz");
    let plain = doc.join("changelog");
    files::write(&plain, log)?;
    run(Command::new("gzip").args(["-9n"]).arg(&plain))?;
    files::set_mode(&log_file, 0o644)?;
    for entry in fs::read_dir(usr.join("share/man/man1")).map_err(|error| error.to_string())? {
        let page = entry.map_err(|error| error.to_string())?.path();
        run(Command::new("gzip").args(["-9n"]).arg(page))?;
    }

    let control = root.join("DEBIAN");
    files::write(&control.join("control"), described(release, &root)?)?;
    files::write(&control.join("conffiles"), "/etc/stepwright/stepwright.toml\n")?;
    for name in ["postinst", "prerm", "postrm"] {
        files::copy(&sources.join(name), &control.join(name), 0o755)?;
    }
    let name = format!("stepwright_{}_{}.deb", release.version, release.platform.debian);
    let package = release.out.join(name);
    let form = if release.level == 1 { "-Zgzip" } else { "-Zxz" };
    run(Command::new("dpkg-deb")
        .args(["--root-owner-group", form, &format!("-z{}", release.level), "--build"])
        .args([&root, &package])
        .env("SOURCE_DATE_EPOCH", &release.date))?;
    Ok(package)
}

fn described(release: &Release, root: &Path) -> Result<String, String> {
    let size =
        Command::new("du").args(["-sk"]).arg(root).output().map_err(|error| error.to_string())?;
    let size = String::from_utf8_lossy(&size.stdout);
    let size = size.split_whitespace().next().unwrap_or("0");
    let needs = match release.platform.glibc {
        None => "adduser".to_owned(),
        Some(minor) => format!("adduser, libc6 (>= 2.{minor}), libgcc-s1"),
    };
    Ok(format!(
        "Package: stepwright\nVersion: {}\nArchitecture: {}\n\
         Maintainer: The Stepwright developers <packages@stepwright.invalid>\n\
         Installed-Size: {size}\nDepends: {needs}\nSection: devel\nPriority: optional\n\
         Homepage: https://github.com/stepwright/stepwright\n\
         Description: runs AWS Step Functions state machines anywhere\n \
         Writes, checks, tests and runs state machines in Amazon States Language, on a\n \
         durable engine with the API of AWS Step Functions. The service is installed\n \
         disabled: its configuration is /etc/stepwright/stepwright.toml.\n",
        release.version, release.platform.debian,
    ))
}

/// A moment as changelogs write it.
fn dated(seconds: &str) -> Result<String, String> {
    let mut command = Command::new("date");
    command.args(["--utc", "--rfc-email", "--date"]).arg(format!("@{seconds}"));
    let output = command.output().map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
