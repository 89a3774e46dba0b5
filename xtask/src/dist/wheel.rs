//! The wheels: one that carries the binary, and the plugin of pytest that it asks for.

use super::{Release, files};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const ABOUT: &str = "Write, check, test and run AWS Step Functions state machines anywhere";

pub(super) fn make(release: &Release) -> Result<Vec<PathBuf>, String> {
    let plugin = format!("stepwright_pytest-{}-py3-none-any.whl", release.version);
    crate::packages::wheels(&release.out, &["pytest"])?;
    let plugin = release.out.join(plugin);
    if !plugin.is_file() {
        return Err(format!("pip made no {}", plugin.display()));
    }
    Ok(vec![binary(release)?, plugin])
}

/// The tags of systems on which the binary runs.
fn tags(release: &Release) -> String {
    let machine = release.platform.machine;
    match release.platform.glibc {
        None => format!("manylinux2014_{machine}.musllinux_1_1_{machine}"),
        Some(minor) => format!("manylinux_2_{minor}_{machine}"),
    }
}

/// Writes a wheel, which is a zip of its files, its description and their sums.
fn binary(release: &Release) -> Result<PathBuf, String> {
    let version = &release.version;
    let tags = tags(release);
    let path = release.out.join(format!("stepwright-{version}-py3-none-{tags}.whl"));
    let about = format!("stepwright-{version}.dist-info");
    let readme = files::read(&release.root.join("packaging/python.md"))?;
    let metadata = format!(
        "Metadata-Version: 2.1\nName: stepwright\nVersion: {version}\nSummary: {ABOUT}\n\
         License: MIT OR Apache-2.0\nRequires-Python: >=3.9\n\
         Requires-Dist: stepwright-pytest =={version}\n\
         Provides-Extra: pytest\n\
         Requires-Dist: stepwright-pytest[pytest] =={version} ; extra == 'pytest'\n\
         Description-Content-Type: text/markdown\n\n{readme}"
    );
    let mut wheel = format!("Wheel-Version: 1.0\nGenerator: xtask ({version})\n");
    wheel.push_str("Root-Is-Purelib: false\n");
    for tag in tags.split('.') {
        writeln!(wheel, "Tag: py3-none-{tag}").expect("text grows");
    }
    let program = fs::read(&release.binary).map_err(|error| error.to_string())?;
    let license = |name: &str| files::read(&release.root.join(name)).map(String::into_bytes);
    let contents = [
        (format!("stepwright-{version}.data/scripts/stepwright"), program, 0o755),
        (format!("{about}/METADATA"), metadata.into_bytes(), 0o644),
        (format!("{about}/WHEEL"), wheel.into_bytes(), 0o644),
        (format!("{about}/licenses/LICENSE-MIT"), license("LICENSE-MIT")?, 0o644),
        (format!("{about}/licenses/LICENSE-APACHE"), license("LICENSE-APACHE")?, 0o644),
    ];
    let mut record = String::new();
    for (name, bytes, _) in &contents {
        let sum = URL_SAFE_NO_PAD.encode(Sha256::digest(bytes));
        writeln!(record, "{name},sha256={sum},{}", bytes.len()).expect("text grows");
    }
    writeln!(record, "{about}/RECORD,,").expect("text grows");
    let all = contents.into_iter().chain([(format!("{about}/RECORD"), record.into_bytes(), 0o644)]);
    let written = File::create(&path).map_err(zip::result::ZipError::from).and_then(|file| {
        let mut zip = ZipWriter::new(file);
        for (name, bytes, mode) in all {
            let options = SimpleFileOptions::default()
                .compression_method(CompressionMethod::Deflated)
                .compression_level(Some(release.level.into()))
                .unix_permissions(mode);
            zip.start_file(name, options)?;
            zip.write_all(&bytes)?;
        }
        zip.finish()
    });
    written.map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}
