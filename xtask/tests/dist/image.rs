//! The image: read by another's program, and run as a runtime would, by a user who may write nothing.

use super::debian::is_root;
use super::{done, file, is_the_order, made, quickstart, version};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Command;
use stepwright_json::Json;

#[test]
fn the_image_runs_read_only_as_nobody() {
    let made = made("oci");
    let folder = tempfile::tempdir().expect("a directory can be made");
    let layout = folder.path().join("layout");
    fs::create_dir(&layout).expect("a directory can be made");
    let image = file(made.path(), ".oci.tar");
    done(Command::new("tar").arg("-xf").arg(&image).arg("-C").arg(&layout));
    let bundle = folder.path().join("bundle");
    let has_umoci = Command::new("umoci").arg("--version").output().is_ok();
    if !has_umoci || !is_root() {
        println!("umoci is not there, or only root can unpack: the image is only made");
        return;
    }
    let of = format!("{}:{}", layout.display(), version());
    done(Command::new("umoci").args(["unpack", "--image", &of]).arg(&bundle));
    let config = fs::read(bundle.join("config.json")).expect("it is there");
    let config = stepwright_json::parse_bytes(&config).expect("it is JSON");
    let process = config.get("process").expect("it says what is run");
    let user = process.get("user").and_then(|user| user.get("uid")).and_then(Json::as_i64);
    assert_eq!(user, Some(65532));
    let arguments = process.get("args").and_then(Json::as_array).expect("a list");
    let arguments: Vec<&str> = arguments.iter().filter_map(Json::as_str).collect();
    assert_eq!(arguments[..2], ["/usr/bin/stepwright", "serve"]);

    let root = bundle.join("rootfs");
    for shell in ["bin/sh", "usr/bin/sh", "bin/busybox"] {
        assert!(!root.join(shell).exists(), "{shell}");
    }
    quickstart(&root);
    // A file system of its own that is read-only, but for /data, as with --read-only and a volume.
    let within = |arguments: &str| {
        let script = format!(
            "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && \
             mount -t tmpfs -o mode=0700,uid=65532,gid=65532 data \"$0/data\" && \
             exec chroot --userspec=65532:65532 \"$0\" {arguments}"
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &script]).arg(&root);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command
    };
    let run = "/usr/bin/stepwright run /quickstart/order.asl.yaml --virtual-time";
    is_the_order(&done(&mut within(run)));
    let graph = "/usr/bin/stepwright graph /quickstart/order.asl.yaml -o /etc/stepwright/order.svg";
    let output = within(graph).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("Read-only file system"), "{said}");
    // As it is, it would serve everybody, and says what is missing; on this machine it serves.
    let refused = within(&arguments.join(" ")).output().expect("it runs");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("[[credentials]]"), "{said}");
    let serve = "/usr/bin/stepwright serve --data /data --listen 127.0.0.1:0";
    let mut command = within(serve);
    let mut serving = command.stdout(std::process::Stdio::piped()).spawn().expect("it starts");
    let mut first = String::new();
    let mut out = BufReader::new(serving.stdout.take().expect("it is piped"));
    out.read_line(&mut first).expect("it says so");
    assert!(first.contains("in /data"), "{first}");
    done(Command::new("kill").args(["-TERM", &serving.id().to_string()]));
    let mut rest = String::new();
    out.read_to_string(&mut rest).expect("it is text");
    assert!(rest.contains("Stopped"), "{rest}");
    assert!(serving.wait().expect("it ends").success());
}
