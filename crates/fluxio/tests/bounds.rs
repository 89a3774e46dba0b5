//! Texts that are meant to break the compiler.

use std::fmt::Write;
use stepwright_fluxio::{Mode, compile};

const MODES: [Mode; 2] = [Mode::Documented, Mode::Compat];

/// The first complaint about a text.
fn complaint(text: &str, mode: Mode) -> String {
    match compile(text, mode) {
        Err(errors) => errors[0].message.clone(),
        Ok(project) => project.errors().next().expect("it is refused").message.clone(),
    }
}

#[test]
fn deep_texts_are_refused() {
    let deep = [
        format!("def main(data):\n    data['a'] = {}1\n", "-".repeat(50_000)),
        format!("def main(data):\n    data['a'] = 1{}\n", "+1".repeat(50_000)),
        format!("def main(data):\n    data['a'] = {}{}\n", "[".repeat(50_000), "]".repeat(50_000)),
        format!("def main(data):\n    data['a'] = {}b\n", "a if b else ".repeat(15_000)),
        format!("def main(data):\n    data['a']{} = 1\n", ".a".repeat(50_000)),
        format!(
            "def main(data):\n    if data['a'] == 1:\n        pass\n{}",
            "    elif data['a'] == 2:\n        pass\n".repeat(6_000)
        ),
    ];
    for text in &deep {
        for mode in MODES {
            let said = complaint(text, mode);
            assert!(said.contains("nested more than 500 levels"), "{said}: {}", &text[..60]);
        }
    }
}

#[test]
fn functions_that_double_are_refused() {
    let mut text = String::from("def f0(data):\n    wait(seconds=1)\n\n");
    for n in 1..30 {
        let before = n - 1;
        let _ = write!(text, "def f{n}(data):\n    parallel(f{before}, f{before})\n\n");
    }
    for mode in MODES {
        let said = complaint(&text, mode);
        assert!(said.contains("more than 10,000 states"), "{said}");
    }
}

#[test]
fn functions_within_functions_are_refused_when_too_many() {
    let mut text = String::from("def f0(data):\n    wait(seconds=1)\n\n");
    for n in 1..60 {
        let before = n - 1;
        let _ = write!(text, "def f{n}(data):\n    parallel(f{before})\n\n");
    }
    for mode in MODES {
        let said = complaint(&text, mode);
        assert!(said.contains("more than 32 state machines"), "{said}");
    }
}

#[test]
fn large_texts_are_refused() {
    let text = "# ".repeat(200_000);
    for mode in MODES {
        let said = complaint(&text, mode);
        assert!(said.contains("larger than 256 KiB"), "{said}");
    }
}

#[test]
fn line_ends_are_read_as_python_reads_them() {
    let unix = "class A(Task):\n    async def run(event, context):\n        return 1\n\n\
                def main(data):\n    data['a'] = A()\n    data['b'] = '''x\ny'''\n";
    let windows = unix.replace('\n', "\r\n");
    for mode in MODES {
        let mut unix = compile(unix, mode).expect("it compiles");
        let mut other = compile(&windows, mode).expect("it compiles");
        // Places refer to the text as it was given.
        unix.places.clear();
        let places = std::mem::take(&mut other.places);
        assert_eq!(unix, other);
        for name in ["A", "main"] {
            assert_eq!(&windows[places[name].range()], name);
        }
    }
    let wrong = "def main(data):\r\n    wait(seconds=1)\r\n    nothing()\r\n";
    let errors = compile(wrong, Mode::Documented).expect_err("`nothing` is unknown");
    let span = errors[0].span.expect("it has a place");
    assert!(wrong[span.start as usize..].starts_with("nothing"), "{span:?}");
}

#[test]
fn the_original_reads_the_python_of_its_day() {
    let text = "type A = int\n\ndef main(data):\n    wait(seconds=1)\n";
    let said = complaint(text, Mode::Compat);
    assert!(said.contains("this is not Python"), "{said}");
}
