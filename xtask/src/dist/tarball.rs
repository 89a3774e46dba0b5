//! The tarball: unpack it anywhere, and run `bin/stepwright`.

use super::Release;
use super::files::{self, Tree};
use std::fs;
use std::path::PathBuf;

pub(super) fn make(release: &Release, tree: &Tree) -> Result<PathBuf, String> {
    let name = format!("stepwright-{}-{}", release.version, release.platform.name());
    let folder = release.work.join(&name);
    fs::rename(&tree.folder, &folder).map_err(|error| error.to_string())?;
    let tar = release.out.join(format!("{name}.tar"));
    let packed = files::tar(&release.work, &[&name], &release.date, &tar);
    fs::rename(&folder, &tree.folder).map_err(|error| error.to_string())?;
    packed?;
    files::gzip(&tar, release.level)
}
