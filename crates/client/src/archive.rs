//! An archive of executions, which is asked as if it were a server.

use crate::find::text;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use stepwright_json::{Json, Object, json};
use stepwright_store::{Keyring, open_file, table_lines};

/// The files of an archive, and where in them each execution is.
#[derive(Debug)]
pub(crate) struct Archived {
    path: PathBuf,
    keys: Option<Keyring>,
    executions: BTreeMap<String, Place>,
}

/// An execution in a file, and what lists show of it.
#[derive(Debug)]
struct Place {
    file: PathBuf,
    at: u64,
    listed: Json,
    machine: String,
    map_run: Option<String>,
    start: f64,
}

/// What a list shows of an execution.
const LISTED: [&str; 7] =
    ["executionArn", "stateMachineArn", "name", "status", "startDate", "stopDate", "mapRunArn"];

impl Archived {
    /// Finds the executions in a file of JSON lines or a table, or in all such files of a folder. Those that are encrypted
    /// are read with the keys in these files.
    pub(crate) fn open(path: &Path, keys: &[PathBuf]) -> Result<Self, String> {
        let keys = keys.iter().map(|file| {
            let shown = file.display();
            let bytes = fs::read(file).map_err(|error| format!("cannot read {shown}: {error}"))?;
            let key = Keyring::read_key(&bytes);
            key.ok_or_else(|| format!("{shown} holds no key, which has 64 hexadecimal digits"))
        });
        let keys = Keyring::new(keys.collect::<Result<Vec<_>, _>>()?);
        let mut files = Vec::new();
        collect(path, &mut files).map_err(|error| format!("{}: {error}", path.display()))?;
        if files.is_empty() {
            return Err(format!(
                "{} holds no archive: its files end in .jsonl, .parquet, .jsonl.sealed or .parquet.sealed",
                path.display()
            ));
        }
        // By their names, which begin with the moment: what is there twice, since it was redriven, is what it
        // became last.
        files.sort();
        let mut executions = BTreeMap::new();
        for file in files {
            read_places(&file, keys.as_ref(), &mut executions)
                .map_err(|error| format!("{}: {error}", file.display()))?;
        }
        Ok(Self { path: path.to_owned(), keys, executions })
    }

    /// Answers an operation of the API.
    pub(crate) fn call(&self, operation: &str, body: &Json) -> Result<Json, String> {
        let arn = text(body, "executionArn");
        let of_execution = |key: &str| {
            let place = self.executions.get(arn).ok_or_else(|| {
                format!("the archive {} has no execution {arn}", self.path.display())
            })?;
            let line = place
                .read(self.keys.as_ref())
                .map_err(|error| format!("{}: {error}", place.file.display()))?;
            line.get(key)
                .filter(|value| !value.is_null())
                .cloned()
                .ok_or_else(|| format!("the archive has no {key} of {arn}"))
        };
        match operation {
            "DescribeExecution" => of_execution("execution"),
            "DescribeStateMachineForExecution" => of_execution("machine"),
            "GetExecutionHistory" => of_execution("events").map(|events| json!({"events": events})),
            "ListStateMachines" => Ok(self.machines()),
            "ListExecutions" => Ok(self.list(body)),
            _ => Err(format!("an archive does not answer {operation}")),
        }
    }

    fn machines(&self) -> Json {
        let mut machines: BTreeMap<&str, f64> = BTreeMap::new();
        for place in self.executions.values() {
            let first = machines.entry(&place.machine).or_insert(place.start);
            *first = first.min(place.start);
        }
        let shown = machines.into_iter().map(|(arn, since)| {
            let name = arn.rsplit(':').next().unwrap_or_default();
            json!({
                "stateMachineArn": arn, "name": name, "type": "STANDARD", "creationDate": since
            })
        });
        let shown: Vec<Json> = shown.collect();
        json!({"stateMachines": shown})
    }

    /// The executions of a machine or of a map run, the most recently started first.
    fn list(&self, body: &Json) -> Json {
        let (machine, run) = (text(body, "stateMachineArn"), text(body, "mapRunArn"));
        let status = text(body, "statusFilter");
        let mut found: Vec<&Place> = self
            .executions
            .values()
            .filter(|place| match &place.map_run {
                Some(of) => of == run,
                None => run.is_empty() && place.machine == machine,
            })
            .filter(|place| status.is_empty() || text(&place.listed, "status") == status)
            .collect();
        found.sort_by(|one, other| other.start.total_cmp(&one.start));
        let shown: Vec<Json> = found.into_iter().map(|place| place.listed.clone()).collect();
        json!({"executions": shown})
    }
}

impl Place {
    fn read(&self, keys: Option<&Keyring>) -> std::io::Result<Json> {
        let mut file = File::open(&self.file)?;
        let mut line = Vec::new();
        if is_lines(&self.file) {
            file.seek(SeekFrom::Start(self.at))?;
            BufReader::new(file).read_until(b'\n', &mut line)?;
        } else {
            let mut file = BufReader::new(open(&self.file, file, keys)?);
            std::io::copy(&mut file.by_ref().take(self.at), &mut std::io::sink())?;
            file.read_until(b'\n', &mut line)?;
        }
        stepwright_json::parse_bytes(&line).map_err(std::io::Error::other)
    }
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if path.is_file() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        if path.is_dir() || is_lines(&path) || is_sealed(&path) || is_table(&path) {
            collect(&path, files)?;
        }
    }
    Ok(())
}

fn is_lines(file: &Path) -> bool {
    file.extension().is_some_and(|ending| ending == "jsonl")
}

fn is_sealed(file: &Path) -> bool {
    file.extension().is_some_and(|ending| ending == "sealed")
}

/// Whether a file, sealed or not, is a table.
fn is_table(file: &Path) -> bool {
    let clear = if is_sealed(file) { file.with_extension("") } else { file.to_owned() };
    clear.extension().is_some_and(|ending| ending == "parquet")
}

/// The lines of a file, whatever it is.
fn open(path: &Path, file: File, keys: Option<&Keyring>) -> std::io::Result<Box<dyn Read + Send>> {
    let opened: Box<dyn Read + Send> =
        if is_sealed(path) { open_file(file, keys)? } else { Box::new(file) };
    if is_table(path) { table_lines(opened) } else { Ok(opened) }
}

fn read_places(
    file: &Path,
    keys: Option<&Keyring>,
    executions: &mut BTreeMap<String, Place>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(open(file, File::open(file)?, keys)?);
    let (mut at, mut line) = (0, Vec::new());
    loop {
        line.clear();
        let length = reader.read_until(b'\n', &mut line)? as u64;
        if length == 0 {
            return Ok(());
        }
        if !line.trim_ascii().is_empty() {
            let json = stepwright_json::parse_bytes(&line).map_err(std::io::Error::other)?;
            let Some(execution) = json.get("execution") else {
                return Err(std::io::Error::other("a line holds no execution"));
            };
            let listed = LISTED.iter().filter_map(|key| Some((*key, execution.get(key)?.clone())));
            let place = Place {
                file: file.to_owned(),
                at,
                machine: text(execution, "stateMachineArn").to_owned(),
                map_run: execution.get("mapRunArn").and_then(Json::as_str).map(str::to_owned),
                start: execution.get("startDate").and_then(Json::as_f64).unwrap_or_default(),
                listed: listed.collect::<Object>().into(),
            };
            executions.insert(text(execution, "executionArn").to_owned(), place);
        }
        at += length;
    }
}
