//! Configurations of Terraform: a definition that is written as a text is read, what HCL computes
//! is not.

use crate::assembled::Assembled;
use stepwright_source::{Diagnostic, Span};

/// Whether a file is a configuration of Terraform, by its name.
pub(crate) fn is_terraform(file: &str) -> bool {
    let ending = file.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    matches!(ending.as_deref(), Some("tf" | "hcl" | "tofu"))
}

/// The name of each state machine whose definition is a text, with that text; and what is to be
/// said about the others.
pub(crate) fn definitions(text: &str) -> (Vec<(String, Assembled)>, Vec<Diagnostic>) {
    let mut found = Vec::new();
    let mut complaints = Vec::new();
    let mut machine: Option<(String, Span)> = None;
    let mut heredoc: Option<Heredoc> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let bare = line.trim();
        if let Some(open) = &mut heredoc {
            if bare == open.end {
                if let (true, Some((name, _))) = (open.is_definition, &machine) {
                    found.push((name.clone(), std::mem::take(&mut open.text)));
                }
                if open.is_definition {
                    machine = None;
                }
                heredoc = None;
            } else {
                open.text.push_verbatim(line, start);
            }
            continue;
        }
        if let Some(name) = resource(bare) {
            complaints.extend(machine.take().map(|(_, span)| not_read(span)));
            machine = Some((name, Span::new(start, start + line.trim_end().len())));
        } else if bare.starts_with("resource ") {
            complaints.extend(machine.take().map(|(_, span)| not_read(span)));
        }
        if let Some(end) = heredoc_end(bare) {
            let is_definition = machine.is_some() && bare.starts_with("definition");
            heredoc = Some(Heredoc { end, is_definition, text: Assembled::default() });
        }
    }
    complaints.extend(machine.map(|(_, span)| not_read(span)));
    if found.is_empty() && complaints.is_empty() {
        let message = "The file holds no `aws_sfn_state_machine`";
        complaints.push(Diagnostic::error("no-state-machine", message).span(Span::new(0, 0)));
    }
    (found, complaints)
}

/// A text over several lines that is being read.
struct Heredoc {
    end: String,
    is_definition: bool,
    text: Assembled,
}

/// The name in `resource "aws_sfn_state_machine" "orders" {`.
fn resource(line: &str) -> Option<String> {
    let rest = line.strip_prefix("resource")?.trim_start();
    let name = rest.strip_prefix("\"aws_sfn_state_machine\"")?.trim_start();
    Some(name.strip_prefix('"')?.split('"').next()?.to_owned())
}

/// The word that ends the text which begins at the end of this line: `definition = <<-EOF`.
fn heredoc_end(line: &str) -> Option<String> {
    let (before, word) = line.rsplit_once("<<")?;
    let word = word.trim_start_matches('-').trim();
    let is_word = !word.is_empty() && word.chars().all(|one| one.is_alphanumeric() || one == '_');
    (is_word && before.trim_end().ends_with(['=', '(', ',', '['])).then(|| word.to_owned())
}

fn not_read(span: Span) -> Diagnostic {
    let message = "The definition is written in HCL, Terraform's language, which is not read here";
    Diagnostic::error("terraform", message).span(span).help(
        "put it into a file of its own (`definition = templatefile(\"flow.asl.json\", {…})`) and \
         check that, or check what `terraform show -json` says the definition is",
    )
}
