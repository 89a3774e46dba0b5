//! The package for Debian, in a Debian that has nothing else.

use super::{done, file, is_the_order, made, root, target, version};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Whether this test may be root in another root. Says why not.
pub(super) fn is_root() -> bool {
    let user = done(Command::new("id").arg("-u"));
    if user.trim() != "0" {
        println!("only root can try a package in another root");
    }
    user.trim() == "0"
}

/// A command in the other root.
fn within(clean: &Path, user: &str) -> Command {
    let mut command = Command::new("chroot");
    command.arg("--userspec").arg(format!("{user}:")).arg(clean);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LANG", "C.UTF-8");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// What the system of packages and the files of a root have to say of it.
fn state(clean: &Path) -> Vec<String> {
    let mut find = within(clean, "root");
    find.args([
        "find", "/", "-xdev", "-not", "-path", "/var/*", "-not", "-path", "/run/*", "-not",
        "-path", "/etc/*-",
    ]);
    let files = done(&mut find);
    let mut lines: Vec<String> = files.lines().map(str::to_owned).collect();
    lines.extend(done(within(clean, "root").args(["getent", "passwd"])).lines().map(str::to_owned));
    lines.sort();
    lines
}

#[test]
fn the_package_is_installed_serves_and_is_removed() {
    if !is_root() {
        return;
    }
    let tar = target().join("clean-root.tar");
    if !tar.is_file() {
        println!(
            "there is no clean Debian in {}: `cargo xtask clean-root` makes one",
            tar.display()
        );
        return;
    }
    let made = made("deb");
    let folder = tempfile::tempdir().expect("a directory can be made");
    let clean = folder.path().join("root");
    fs::create_dir(&clean).expect("a directory can be made");
    done(Command::new("tar").arg("-xf").arg(&tar).arg("-C").arg(&clean));
    // Devices are not in the tarball; scripts write to this one.
    fs::write(clean.join("dev/null"), "").expect("it can be written");
    let before = state(&clean);

    fs::copy(file(made.path(), ".deb"), clean.join("stepwright.deb")).expect("it can be copied");
    let dpkg = |arguments: &[&str]| done(within(&clean, "root").arg("dpkg").args(arguments));
    dpkg(&["--install", "/stepwright.deb"]);
    assert!(done(within(&clean, "root").args(["dpkg", "--verify", "stepwright"])).is_empty());
    let said = done(within(&clean, "nobody").args(["stepwright", "--version"]));
    assert_eq!(said.trim(), format!("stepwright {}", version()));
    let order = "/usr/share/doc/stepwright/examples/quickstart/order.asl.yaml";
    let mut run = within(&clean, "nobody");
    is_the_order(&done(run.args(["stepwright", "run", order, "--virtual-time"])));

    // The service's own line, as its own user.
    let unit = fs::read_to_string(clean.join("usr/lib/systemd/system/stepwright.service"));
    let unit = unit.expect("it is there");
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("it is said");
    assert!(unit.contains("User=stepwright"), "{unit}");
    let mut serve = within(&clean, "stepwright");
    // Another server may have the usual port.
    serve.args(line.split(' ')).args(["--listen", "127.0.0.1:0"]);
    let mut serving = serve.stdout(std::process::Stdio::piped()).spawn().expect("it starts");
    let mut first = String::new();
    let mut out = BufReader::new(serving.stdout.take().expect("it is piped"));
    out.read_line(&mut first).expect("it says so");
    assert!(first.contains("in /var/lib/stepwright"), "{first}");
    let mode = done(within(&clean, "root").args(["stat", "-c", "%U %a", "/var/lib/stepwright"]));
    assert_eq!(mode.trim(), "stepwright 700");
    assert!(clean.join("var/lib/stepwright/stepwright.db").is_file());
    done(Command::new("kill").args(["-TERM", &serving.id().to_string()]));
    let began = Instant::now();
    out.read_to_string(&mut first).expect("it is text");
    assert!(serving.wait().expect("it ends").success(), "{first}");
    assert!(began.elapsed() < Duration::from_secs(12), "it takes long to end");

    // The configuration is the administrator's: it is secret, and an upgrade leaves it as it is.
    let configuration = "/etc/stepwright/stepwright.toml";
    let mode = done(within(&clean, "root").args(["stat", "-c", "%U %G %a", configuration]));
    assert_eq!(mode.trim(), "root stepwright 640");
    let file = clean.join(&configuration[1..]);
    let text = fs::read_to_string(&file).expect("it is there") + "# changed\n";
    fs::write(&file, &text).expect("it can be written");
    dpkg(&["--force-confold", "--install", "/stepwright.deb"]);
    assert_eq!(fs::read_to_string(&file).expect("it is there"), text);

    // Removed, it leaves what is not its own to delete; purged, nothing.
    dpkg(&["--remove", "stepwright"]);
    assert!(!clean.join("usr/bin/stepwright").exists());
    assert!(clean.join("var/lib/stepwright/stepwright.db").is_file() && file.is_file());
    dpkg(&["--purge", "stepwright"]);
    fs::remove_file(clean.join("stepwright.deb")).expect("it is there");
    assert!(!clean.join("var/lib/stepwright").exists());
    let after = state(&clean);
    let left: Vec<&String> = after.iter().filter(|line| !before.contains(line)).collect();
    assert_eq!(left, Vec::<&String>::new());
}

#[test]
fn the_service_is_hardened() {
    let unit = root().join("packaging/debian/stepwright.service");
    let known = Command::new("systemd-analyze").arg("--version").output();
    if !known.is_ok_and(|output| output.status.success()) {
        println!("systemd-analyze is not there");
        return;
    }
    // 10 is no protection at all, 2 and less is what systemd calls OK for a service of the network.
    let mut asked = Command::new("systemd-analyze");
    asked.args(["security", "--offline=true", "--threshold=20", "--no-pager"]).arg(&unit);
    let said = done(&mut asked);
    assert!(said.contains("Overall exposure level"), "{said}");
}
