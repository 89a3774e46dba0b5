use crate::args::{Check, Output};
use crate::input;
use crate::report::{self, Failure};
use std::process::ExitCode;
use stepwright_json::Json;
use stepwright_source::{Diagnostic, Severity};

/// `stepwright check`: exit code 2 if there is an error, 1 if a warning is denied.
pub(crate) fn check(arguments: &Check) -> Result<ExitCode, Failure> {
    let (mut errors, mut warnings, mut machines) = (0usize, 0usize, 0usize);
    let mut lines: Vec<Json> = Vec::new();
    for path in &arguments.files {
        let loaded = input::load(path, &arguments.load)?;
        let mut complaints: Vec<(String, String, Diagnostic)> = loaded
            .complaints
            .iter()
            .map(|found| (found.file.clone(), found.text.to_string(), found.diagnostic.clone()))
            .collect();
        let wanted = arguments.load.state_machine.as_deref();
        for named in &loaded.definitions {
            let is_wanted = wanted.is_none_or(|wanted| {
                [named.name.as_deref(), named.logical_id.as_deref()].contains(&Some(wanted))
            });
            if !is_wanted {
                continue;
            }
            machines += 1;
            let express = arguments.express || named.express;
            let text = named.definition.text.to_string();
            for diagnostic in crate::commands::run::diagnostics(&named.definition, express) {
                complaints.push((named.file.clone(), text.clone(), diagnostic));
            }
        }
        for (file, text, diagnostic) in &complaints {
            match diagnostic.severity {
                Severity::Error => errors += 1,
                Severity::Warning => warnings += 1,
                Severity::Note => {}
            }
            match arguments.format {
                Output::Json => lines.push(report::to_json(file, text, diagnostic)),
                Output::Text => {
                    anstream::println!("{}\n", report::render(file, text, diagnostic));
                }
            }
        }
    }
    match arguments.format {
        Output::Json => report::print_json(&Json::from(lines)),
        Output::Text => {
            let many = |count: usize, what: &str| {
                format!("{count} {what}{}", if count == 1 { "" } else { "s" })
            };
            anstream::println!(
                "{} checked: {}, {}",
                many(machines, "state machine"),
                many(errors, "error"),
                many(warnings, "warning")
            );
        }
    }
    Ok(ExitCode::from(if errors > 0 {
        2
    } else {
        u8::from(arguments.deny_warnings && warnings > 0)
    }))
}
