//! The image of a container, in the layout of the OCI: written file by file, so that no daemon is needed.
//!
//! It has no shell: the binary, certificates, a user, and nothing that could be written but what is mounted.

use super::{Release, files};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use stepwright_json::{Json, Object, json};

/// The user that it runs as, who owns nothing but `/data`.
const USER: &str = "65532";

/// Where Debian keeps the certificates of authorities.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

pub(super) fn make(release: &Release) -> Result<PathBuf, String> {
    let root = release.work.join("image");
    files::copy(&release.binary, &root.join("usr/bin/stepwright"), 0o755)?;
    files::write(
        &root.join("etc/passwd"),
        format!(
            "root:x:0:0:root:/root:/sbin/nologin\nstepwright:x:{USER}:{USER}::/data:/sbin/nologin\n"
        ),
    )?;
    files::write(&root.join("etc/group"), format!("root:x:0:\nstepwright:x:{USER}:\n"))?;
    if Path::new(AUTHORITIES).is_file() {
        files::copy(Path::new(AUTHORITIES), &root.join(&AUTHORITIES[1..]), 0o644)?;
    } else {
        println!("{AUTHORITIES} is not there: the image has no certificates of authorities");
    }
    for folder in ["etc/stepwright", "tmp", "data"] {
        fs::create_dir_all(root.join(folder)).map_err(|error| error.to_string())?;
    }
    files::set_mode(&root.join("tmp"), 0o1777)?;
    files::set_mode(&root.join("data"), 0o700)?;
    if release.platform.glibc.is_some() {
        copy_libraries(&release.binary, &root)?;
    }

    let tar = release.work.join("layer.tar");
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(&root).map_err(|error| error.to_string())?.flatten() {
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    names.retain(|name| name != "data");
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    files::tar(&root, &names, &release.date, &tar)?;
    // The folder for data belongs to the user.
    crate::run(
        Command::new("tar")
            .args(["--owner", USER, "--group", USER, "--numeric-owner", "--format=gnu"])
            .arg(format!("--mtime=@{}", release.date))
            .arg("--directory")
            .arg(&root)
            .args(["--append", "--file"])
            .arg(&tar)
            .arg("data"),
    )?;
    let contents = fs::read(&tar).map_err(|error| error.to_string())?;
    let layer = files::gzip(&tar, release.level)?;
    let layer = fs::read(layer).map_err(|error| error.to_string())?;

    let layout = release.work.join("oci");
    let blobs = layout.join("blobs/sha256");
    let kept = |kind: &str, bytes: &[u8]| {
        let sum = files::sha256(bytes);
        files::write(&blobs.join(&sum), bytes)?;
        let mut described = Object::new();
        described.insert("mediaType", format!("application/vnd.oci.image.{kind}").into());
        described.insert("digest", format!("sha256:{sum}").into());
        described.insert("size", bytes.len().into());
        Ok::<_, String>(described)
    };
    let layer = kept("layer.v1.tar+gzip", &layer)?;
    let (version, diff) =
        (release.version.as_str(), format!("sha256:{}", files::sha256(&contents)));
    let config = json!({
        "architecture": (release.platform.debian),
        "os": "linux",
        "config": {
            "User": (format!("{USER}:{USER}")),
            "Entrypoint": ["/usr/bin/stepwright"],
            "Cmd": ["serve", "--data", "/data", "--listen", "0.0.0.0:8083"],
            "WorkingDir": "/etc/stepwright",
            "ExposedPorts": {"8083/tcp": {}},
            "Volumes": {"/data": {}},
            "StopSignal": "SIGTERM",
            "Labels": {
                "org.opencontainers.image.title": "stepwright",
                "org.opencontainers.image.version": (version),
                "org.opencontainers.image.licenses": "MIT OR Apache-2.0",
                "org.opencontainers.image.source": "https://github.com/stepwright/stepwright"
            }
        },
        "rootfs": {"type": "layers", "diff_ids": [(diff)]}
    });
    let config = kept("config.v1+json", config.to_string().as_bytes())?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": (config),
        "layers": [(layer)]
    });
    let mut manifest = kept("manifest.v1+json", manifest.to_string().as_bytes())?;
    manifest.insert("platform", json!({"architecture": (release.platform.debian), "os": "linux"}));
    manifest.insert("annotations", json!({"org.opencontainers.image.ref.name": (version)}));
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [(manifest)]
    });
    write(&layout.join("index.json"), &index)?;
    write(&layout.join("oci-layout"), &json!({"imageLayoutVersion": "1.0.0"}))?;
    let name = format!("stepwright-{version}-{}.oci.tar", release.platform.name());
    let image = release.out.join(name);
    files::tar(&layout, &["blobs", "index.json", "oci-layout"], &release.date, &image)?;
    Ok(image)
}

fn write(path: &Path, json: &Json) -> Result<(), String> {
    files::write(path, json.to_string())
}

/// A binary that is linked when it starts gets the libraries of this system that it names, and their loader.
fn copy_libraries(binary: &Path, root: &Path) -> Result<(), String> {
    let output = Command::new("ldd").arg(binary).output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout);
    let paths: BTreeSet<&str> =
        said.split_whitespace().filter(|word| word.starts_with('/')).collect();
    if paths.is_empty() {
        return Err(format!("`ldd` names no library of {}", binary.display()));
    }
    for path in paths {
        files::copy(Path::new(path), &root.join(&path[1..]), 0o755)?;
    }
    Ok(())
}
