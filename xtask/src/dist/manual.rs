//! Man pages and completions, made of what the binary says of itself.

use super::files;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// The completions: the shell, and the file below `share` that it looks for.
const SHELLS: [(&str, &str); 3] = [
    ("bash", "bash-completion/completions/stepwright"),
    ("zsh", "zsh/vendor-completions/_stepwright"),
    ("fish", "fish/vendor_completions.d/stepwright.fish"),
];

/// Writes them below `share`.
pub(super) fn write(binary: &Path, share: &Path, version: &str, date: &str) -> Result<(), String> {
    let date = day(date)?;
    for (shell, file) in SHELLS {
        files::write(&share.join(file), said(binary, &["completions", shell])?)?;
    }
    let help = said(binary, &["--help"])?;
    let commands = commands(&help);
    if commands.len() < 10 {
        return Err(format!("{} names few commands:\n{help}", binary.display()));
    }
    let mut names = vec!["stepwright".to_owned()];
    for command in &commands {
        names.push(format!("stepwright-{command}"));
    }
    for (index, name) in names.iter().enumerate() {
        let text = match index.checked_sub(1) {
            None => help.clone(),
            Some(of) => said(binary, &[&commands[of], "--help"])?,
        };
        let others = if index == 0 { &names[1..] } else { &names[..1] };
        let page = page(name, &text, (version, &date), others);
        files::write(&share.join("man/man1").join(format!("{name}.1")), page)?;
    }
    Ok(())
}

/// What the binary prints.
fn said(binary: &Path, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(binary);
    command.args(arguments).env("COLUMNS", "100").env_remove("CLICOLOR_FORCE");
    let output = command.output().map_err(|error| format!("{}: {error}", binary.display()))?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{} {}: {error}", binary.display(), arguments.join(" ")));
    }
    String::from_utf8(output.stdout).map_err(|error| error.to_string())
}

/// The commands that a help lists.
fn commands(help: &str) -> Vec<String> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| !line.is_empty());
    let names = listed.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    names.filter(|name| !name.is_empty() && *name != "help").map(str::to_owned).collect()
}

/// The page of a command: clap's help in the language of `man`.
fn page(name: &str, help: &str, (version, date): (&str, &str), others: &[String]) -> String {
    let first = help.lines().next().unwrap_or_default().trim_end_matches('.');
    let mut page = format!(
        ".TH {} 1 \"{date}\" \"Stepwright {version}\" \"Stepwright\"\n.SH NAME\n{} \\- {}\n",
        escaped(&name.to_uppercase()),
        escaped(name),
        escaped(first),
    );
    let (usage, description): (Vec<&str>, Vec<&str>) = {
        let before = help.lines().take_while(|line| !is_heading(line));
        before.partition(|line| line.starts_with("Usage: "))
    };
    page.push_str(".SH SYNOPSIS\n");
    for line in &usage {
        writeln!(page, "{}", escaped(&line["Usage: ".len()..])).expect("text grows");
    }
    page.push_str(".SH DESCRIPTION\n");
    paragraphs(&mut page, &description);
    let mut lines = help.lines().skip_while(|line| !is_heading(line)).peekable();
    while let Some(heading) = lines.next() {
        let title = heading.trim_end_matches(':').to_uppercase();
        writeln!(page, ".SH {}", escaped(&title)).expect("text grows");
        let mut body = Vec::new();
        while let Some(line) = lines.next_if(|line| !is_heading(line)) {
            body.push(line);
        }
        if ["OPTIONS", "ARGUMENTS", "COMMANDS"].contains(&title.as_str()) {
            list(&mut page, &body);
        } else {
            page.push_str(".nf\n");
            for line in body {
                writeln!(page, "{}", escaped(line)).expect("text grows");
            }
            page.push_str(".fi\n");
        }
    }
    let others: Vec<String> = others.iter().map(|other| format!("{}(1)", escaped(other))).collect();
    writeln!(page, ".SH SEE ALSO\n{}", others.join(",\n")).expect("text grows");
    page
}

/// A heading is a word at the start of a line with a colon at its end.
fn is_heading(line: &str) -> bool {
    line.ends_with(':')
        && line.starts_with(|first: char| first.is_ascii_uppercase())
        && !line.contains(' ')
}

/// The day of a moment in seconds since 1970, as `2026-11-30`.
fn day(seconds: &str) -> Result<String, String> {
    let moment = format!("--date=@{seconds}");
    let output = Command::new("date").args(["--utc", &moment, "+%F"]).output();
    let output = output.map_err(|error| format!("date: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Paragraphs, which blank lines divide. The first one follows a heading.
fn paragraphs(page: &mut String, lines: &[&str]) {
    let text = lines.join("\n");
    let each = text.split("\n\n").map(str::trim).filter(|one| !one.is_empty());
    for (at, paragraph) in each.enumerate() {
        let joined = paragraph.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        let macro_before = if at > 0 { ".PP\n" } else { "" };
        writeln!(page, "{macro_before}{}", escaped(&joined)).expect("text grows");
    }
}

/// Terms, indented by at most six columns, and what is said of each below or beside it.
fn list(page: &mut String, lines: &[&str]) {
    for line in lines {
        let text = line.trim();
        let indent = line.len() - line.trim_start().len();
        if text.is_empty() {
            continue;
        }
        if indent <= 6 {
            // Beside the term, after two spaces, may stand what is said of it.
            let (term, said) = text.split_once("  ").unwrap_or((text, ""));
            writeln!(page, ".TP\n.B {}", escaped(term)).expect("text grows");
            if !said.is_empty() {
                writeln!(page, "{}", escaped(said.trim())).expect("text grows");
            }
        } else if text.starts_with("- ") || text == "Possible values:" {
            writeln!(page, ".br\n{}", escaped(text)).expect("text grows");
        } else {
            writeln!(page, "{}", escaped(text)).expect("text grows");
        }
    }
}

/// Text in which `man` finds no commands.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}
