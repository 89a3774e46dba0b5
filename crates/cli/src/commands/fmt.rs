use crate::args::Fmt;
use crate::input;
use crate::report::Failure;
use std::process::ExitCode;

/// `stepwright fmt`: exit code 1 if `--check` finds something to change.
pub(crate) fn fmt(arguments: &Fmt) -> Result<ExitCode, Failure> {
    let mut changed = 0usize;
    for path in &arguments.files {
        if crate::project::is_project(path) {
            let what = format!("{} is a project: projects are not formatted", path.display());
            return Err(Failure::new(what).help("any formatter for Python does that"));
        }
        let text = input::read_text(path)?;
        let file = path.display().to_string();
        let printed = match stepwright_asl::print(&text, &file) {
            Ok(printed) => printed,
            Err(error @ stepwright_asl::PrintError::Json(_)) => {
                return Err(Failure::new(format!("{file}: {error}"))
                    .help(format!("`stepwright check {file}` says where")));
            }
            Err(why) => {
                anstream::eprintln!("{file}: {why}");
                continue;
            }
        };
        if printed == text {
            continue;
        }
        changed += 1;
        if arguments.check {
            anstream::println!("would change {file}");
            continue;
        }
        std::fs::write(path, printed)
            .map_err(|error| Failure::new(format!("cannot write {file}: {error}")))?;
        anstream::println!("formatted {file}");
    }
    Ok(ExitCode::from(u8::from(arguments.check && changed > 0)))
}
