//! Corner cases of the original that no project of the reference data contains.

use stepwright_fluxio::{Mode, compile};

#[test]
fn imports_count_in_the_key_of_a_choice() {
    let source = "def main(data):\n    if data[\"a\"] == 1:\n        import os.path as p\n        \
                  from . import q\n        return\n";
    let project = compile(source, Mode::Compat).expect("the original takes it");
    let definition = project.machines["main"].definition.as_ref().expect("there is one");
    let start = definition.get("StartAt").and_then(|name| name.as_str());
    assert_eq!(start, Some("Choice-40888f24776cf3663574654ad5868908"));
}

#[test]
fn a_bare_except_within_another_is_refused() {
    let source = "class A(Task):\n    async def run(event, context):\n        return\n\n\
                  def main(data):\n    try:\n        A()\n    except KeyError:\n        try:\n            \
                  A(key=\"again\")\n        except:\n            pass\n";
    assert!(compile(source, Mode::Documented).is_ok());
    let project = compile(source, Mode::Compat);
    let message = match project {
        Err(errors) => errors[0].message.clone(),
        Ok(project) => project.errors().next().expect("it is refused").message.clone(),
    };
    assert!(message.contains("within another"), "{message}");
}
