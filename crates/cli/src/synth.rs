use crate::args::Synth;
use crate::input;
use crate::report::{self, Failure};
use std::process::ExitCode;
use stepwright_constructs::template_from_definition;

/// `stepwright synth`
pub(crate) fn synth(arguments: &Synth) -> Result<ExitCode, Failure> {
    let named = input::pick(&arguments.file, &arguments.load)?;
    let definition = crate::policy::definition(&named)?;
    let name = match (&arguments.id, &named.logical_id) {
        (Some(id), _) | (None, Some(id)) => id.clone(),
        (None, None) => logical_id(&arguments.file.to_string_lossy()),
    };
    let (template, notes) = template_from_definition(&name, &definition)
        .map_err(|misuses| Failure::new(misuses.to_string()))?;
    crate::policy::tell(&notes);
    report::print_json(&template.to_json());
    Ok(ExitCode::SUCCESS)
}

/// The logical id that a file's name makes: `order-flow.asl.json` makes `OrderFlow`.
fn logical_id(path: &str) -> String {
    let file = path.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = file.split('.').next().unwrap_or_default();
    let words = stem.split(|letter: char| !letter.is_ascii_alphanumeric());
    let id: String = words
        .filter_map(|word| {
            let first = word.get(..1)?.to_ascii_uppercase();
            Some(first + word.get(1..).unwrap_or_default())
        })
        .collect();
    if id.is_empty() { "StateMachine".to_owned() } else { id }
}

#[cfg(test)]
mod tests {
    use super::logical_id;

    #[test]
    fn files_make_logical_ids() {
        assert_eq!(logical_id("flows/order-flow.asl.json"), "OrderFlow");
        assert_eq!(logical_id("-"), "StateMachine");
        assert_eq!(logical_id("bestellung.yaml"), "Bestellung");
    }
}
