//! `stepwright init`: a state machine, its test and its function, to begin with.

use clap::{Args, ValueEnum};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use stepwright_terminal::report::Failure;

/// Make a project to begin with: a state machine, its test, and its function in the language of your
/// choice. Existing files are never replaced.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stepwright init orders
  stepwright init . --language node --name order")]
pub struct Init {
    /// The directory to make it in.
    pub folder: PathBuf,
    /// The language of the function; `none` for a flow whose task a mock answers.
    #[arg(long, short, value_enum, default_value_t)]
    pub language: Language,
    /// The name of the state machine [default: that of the directory].
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
}

/// What the function is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// A handler as on Lambda, in `functions/NAME.py`.
    #[default]
    Python,
    /// A handler as on Lambda, in `functions/NAME.mjs`.
    Node,
    /// A program of any language that reads JSON and writes JSON: a shell script, `functions/NAME.sh`.
    Command,
    /// No function: a mock answers the task.
    None,
}

const MACHINE: &str = include_str!("../templates/machine.asl.yaml");
const TEST: &str = include_str!("../templates/machine.test.yaml");
const INPUT: &str = include_str!("../templates/machine.input.json");
const MOCKS: &str = include_str!("../templates/machine.mocks.yaml");

impl Language {
    /// The file of the function with its text, and its section of `stepwright.toml`.
    fn function(self) -> Option<(&'static str, &'static str, &'static str)> {
        match self {
            Self::Python => Some((
                "functions/NAME.py",
                include_str!("../templates/function.py"),
                "runtime = \"python3.12\"\nhandler = \"NAME.handler\"\ncode = \"functions\"\n",
            )),
            Self::Node => Some((
                "functions/NAME.mjs",
                include_str!("../templates/function.mjs"),
                "runtime = \"nodejs20.x\"\nhandler = \"NAME.handler\"\ncode = \"functions\"\n",
            )),
            Self::Command => Some((
                "functions/NAME.sh",
                include_str!("../templates/function.sh"),
                "command = [\"sh\", \"functions/NAME.sh\"]\n",
            )),
            Self::None => None,
        }
    }
}

/// `stepwright init`: exit code 0, or a failure before anything is written.
pub fn init(arguments: &Init) -> Result<ExitCode, Failure> {
    let folder = &arguments.folder;
    let name = match &arguments.name {
        Some(name) => name.clone(),
        None => std::path::absolute(folder)
            .ok()
            .and_then(|path| Some(path.file_name()?.to_str()?.to_owned()))
            .unwrap_or_default(),
    };
    let is_usual = |text: char| text.is_ascii_alphanumeric() || "-_".contains(text);
    if name.is_empty() || name.len() > 64 || !name.chars().all(is_usual) {
        return Err(Failure::new(format!(
            "`{name}` is no name for a state machine and a function"
        ))
        .help("give one with --name: letters, digits, - and _"));
    }
    let mut files = vec![
        ("NAME.asl.yaml", MACHINE.to_owned()),
        ("NAME.test.yaml", TEST.to_owned()),
        ("NAME.input.json", INPUT.to_owned()),
    ];
    match arguments.language.function() {
        Some((file, text, section)) => {
            files.push((file, text.to_owned()));
            files.push(("stepwright.toml", format!("[functions.NAME]\n{section}")));
        }
        None => files.push(("NAME.mocks.yaml", MOCKS.to_owned())),
    }
    let files: Vec<(PathBuf, String)> = files
        .into_iter()
        .map(|(path, text)| (folder.join(path.replace("NAME", &name)), text.replace("NAME", &name)))
        .collect();
    if let Some((path, _)) = files.iter().find(|(path, _)| path.exists()) {
        return Err(Failure::new(format!("{} exists, and nothing is replaced", path.display()))
            .help("choose another directory, or another name with --name"));
    }
    for (path, text) in &files {
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(path, text))
            .map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))?;
        anstream::println!("{}", path.display());
    }
    let (machine, folder) = (in_shell(&files[0].0), in_shell(folder));
    anstream::println!("\nWhat to do now:");
    anstream::println!("  stepwright run {machine}     # runs it, with the input beside it");
    anstream::println!("  stepwright test {folder}     # tests it");
    // A server has no mocks.
    if arguments.language != Language::None {
        anstream::println!("  stepwright dev {machine}     # serves it to every AWS SDK");
    }
    Ok(ExitCode::SUCCESS)
}

/// A path as one writes it in a shell.
fn in_shell(path: &Path) -> String {
    let mut text = path.display().to_string();
    if text.starts_with('-') {
        text.insert_str(0, "./");
    }
    let is_plain = |text: char| text.is_alphanumeric() || "/._-+,:@%=".contains(text);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}
