//! Archives executions before they are forgotten: a line of JSON for each, with all that the API says of it, or
//! the rows of a table.

use crate::config::{ArchiveConfig, ArchiveFormat};
use crate::{Api, Settings};
use parking_lot::Mutex;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::sync::Arc;
use stepwright_engine::{Archive, Engine, LeftOut, ObjectStore, Upload};
use stepwright_json::{Json, json};
use stepwright_store::{
    ExecutionRow, FileSealer, Keyring, Pending, TableEvent, TableExecution, TableWriter,
};
use tokio::sync::mpsc;

/// Where executions are archived, and what they are encrypted with.
#[derive(Clone)]
pub(crate) struct Archiver {
    place: Place,
    format: ArchiveFormat,
    keys: Option<Keyring>,
}

#[derive(Clone)]
enum Place {
    Folder(PathBuf),
    Bucket { objects: Arc<dyn ObjectStore>, bucket: String, prefix: String },
}

/// Why `[archive]` cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// It does not say where.
    #[error(
        "`[archive]` names either a `folder` or a `bucket`, and a `prefix` only with the latter"
    )]
    Place,
    /// Nothing can be written in its folder.
    #[error("the `folder` of `[archive]` cannot be written to: {0}")]
    Folder(String),
    /// This build cannot write such files.
    #[error("`format = \"parquet\"` of `[archive]` is not supported: {0}")]
    Format(String),
}

impl Archiver {
    pub(crate) fn new(
        config: &ArchiveConfig,
        objects: &Arc<dyn ObjectStore>,
        keys: Option<Keyring>,
    ) -> Result<Self, ArchiveError> {
        Self::check_format(config)?;
        let place = match (&config.folder, &config.bucket, &config.prefix) {
            (Some(folder), None, None) => {
                // Better now than when the first execution is to be forgotten.
                let name = "is-writable".to_owned();
                let draft = Draft::make(folder.clone(), name).map_err(ArchiveError::Folder)?;
                draft.discard().map_err(ArchiveError::Folder)?;
                Place::Folder(folder.clone())
            }
            (None, Some(bucket), prefix) => Place::Bucket {
                objects: objects.clone(),
                bucket: bucket.clone(),
                prefix: prefix.clone().unwrap_or_default(),
            },
            _ => return Err(ArchiveError::Place),
        };
        Ok(Self { place, format: config.format, keys })
    }

    fn check_format(config: &ArchiveConfig) -> Result<(), ArchiveError> {
        match config.format {
            ArchiveFormat::Jsonl => Ok(()),
            ArchiveFormat::Parquet => TableWriter::check().map_err(ArchiveError::Format),
        }
    }

    /// Whether a configuration says where.
    pub(crate) fn check(config: &ArchiveConfig) -> Result<(), ArchiveError> {
        Self::check_format(config)?;
        match (&config.folder, &config.bucket, &config.prefix) {
            (Some(_), None, None) | (None, Some(_), _) => Ok(()),
            _ => Err(ArchiveError::Place),
        }
    }

    /// Begins a file or an object. May block.
    fn begin(&self, name: &str) -> Result<Box<dyn Upload>, String> {
        let format = match self.format {
            ArchiveFormat::Jsonl => "jsonl",
            ArchiveFormat::Parquet => "parquet",
        };
        let ending = if self.keys.is_some() { ".sealed" } else { "" };
        let ending = format!("{format}{ending}");
        let upload: Box<dyn Upload> = match &self.place {
            Place::Folder(folder) => {
                Box::new(Draft::make(folder.clone(), format!("{name}.{ending}"))?)
            }
            Place::Bucket { objects, bucket, prefix } => {
                objects.begin(bucket, &format!("{prefix}{name}.{ending}"))?
            }
        };
        Ok(match &self.keys {
            Some(keys) => Box::new(Encrypted { upload, keys: keys.clone(), sealer: None }),
            None => upload,
        })
    }
}

impl Archive for Archiver {
    fn keep(
        &self,
        engine: &Engine,
        name: &str,
        executions: Vec<ExecutionRow>,
    ) -> Pending<Result<LeftOut, String>> {
        let (archiver, name) = (self.clone(), name.to_owned());
        let api = Api::new(engine.clone(), Settings::default());
        Box::pin(async move {
            let (mut rows, mut left_out) = (executions, LeftOut::new());
            while !archiver.write(&name, &api, &rows, &mut left_out).await? {
                rows.retain(|row| left_out.iter().all(|(id, _)| *id != row.id));
            }
            Ok(left_out)
        })
    }
}

impl Archiver {
    /// Writes these executions. Those that cannot be read are left out. If that shows only in
    /// the midst of one, nothing is written, and the answer is `false`.
    async fn write(
        &self,
        name: &str,
        api: &Api,
        executions: &[ExecutionRow],
        left_out: &mut LeftOut,
    ) -> Result<bool, String> {
        // Histories can be larger than memory: they are written while they are read.
        let (sender, mut parts) = mpsc::channel::<Part>(4);
        let (archiver, name) = (self.clone(), name.to_owned());
        let writing = tokio::task::spawn_blocking(move || {
            let mut file = Written::new(archiver.begin(&name)?, archiver.format);
            while let Some(part) = parts.blocking_recv() {
                // The end is said, so that nothing that was broken off is taken for whole.
                if matches!(part, Part::Over) {
                    return file.finish().map(|()| true);
                }
                file.write(&part)?;
            }
            Ok(false)
        });
        let mut is_whole = true;
        for row in executions {
            match send(api, &row.about.arn, &sender).await {
                Ok(()) => {}
                // The writer says why.
                Err(Unsent::Closed) => break,
                Err(Unsent::Unreadable { why, is_begun }) => {
                    left_out.push((row.id, why));
                    is_whole = !is_begun;
                    if is_begun {
                        break;
                    }
                }
            }
        }
        if is_whole {
            // Nobody listens any more once writing has failed, which is said below.
            sender.send(Part::Over).await.ok();
        }
        drop(sender);
        writing.await.unwrap_or_else(|error| Err(error.to_string()))
    }
}

/// A part of what is written.
enum Part {
    /// An execution begins: what is said of it and of its state machine.
    Begin(Json, Json),
    /// A page of its history.
    Page(Json),
    /// It ends.
    End,
    /// All of it was sent.
    Over,
}

/// Why an execution was not sent.
enum Unsent {
    /// Nothing more is written.
    Closed,
    /// The execution cannot be read; whether a part of it was sent before that showed.
    Unreadable { why: String, is_begun: bool },
}

/// Sends an execution, a part at a time.
async fn send(api: &Api, arn: &str, to: &mpsc::Sender<Part>) -> Result<(), Unsent> {
    let send = async |part: Part| to.send(part).await.map_err(|_| Unsent::Closed);
    let failed = |error: stepwright_protocol::ApiError, is_begun: bool| Unsent::Unreadable {
        why: error.message,
        is_begun,
    };
    let about = json!({"executionArn": arn});
    let execution = api.call("DescribeExecution", about.clone()).await;
    let execution = execution.map_err(|error| failed(error, false))?;
    // A state machine may be gone; its executions are kept all the same.
    let machine = api.call("DescribeStateMachineForExecution", about).await.unwrap_or(Json::Null);
    // Most histories are one page: the execution is sent, or not, as a whole.
    let mut begin = Some(Part::Begin(execution, machine));
    let mut token = Json::Null;
    loop {
        let request = match &token {
            Json::Null => json!({"executionArn": arn, "maxResults": 1_000}),
            token => {
                json!({"executionArn": arn, "maxResults": 1_000, "nextToken": (token.clone())})
            }
        };
        let page = api.call("GetExecutionHistory", request).await;
        let page = page.map_err(|error| failed(error, token != Json::Null))?;
        let next = page.get("nextToken").filter(|next| !next.is_null()).cloned();
        if let Some(begin) = begin.take() {
            send(begin).await?;
        }
        send(Part::Page(page)).await?;
        match next {
            Some(next) => token = next,
            None => break,
        }
    }
    send(Part::End).await
}

/// A file of the archive that is being written.
enum Written {
    Lines {
        upload: Box<dyn Upload>,
        has_event: bool,
    },
    /// A table is begun with its first execution: one of none is not written.
    Table {
        upload: Shared,
        table: Option<TableWriter>,
    },
}

impl Written {
    fn new(upload: Box<dyn Upload>, format: ArchiveFormat) -> Self {
        match format {
            ArchiveFormat::Jsonl => Self::Lines { upload, has_event: false },
            ArchiveFormat::Parquet => {
                Self::Table { upload: Shared(Arc::new(Mutex::new(Some(upload)))), table: None }
            }
        }
    }

    fn write(&mut self, part: &Part) -> Result<(), String> {
        match self {
            Self::Lines { upload, has_event } => upload.write(&line(part, has_event)),
            Self::Table { upload, table } => {
                let table = match table {
                    Some(table) => table,
                    None => table.insert(TableWriter::new(Box::new(upload.clone()))?),
                };
                match part {
                    Part::Begin(execution, machine) => table.execution(row(execution, machine)),
                    Part::Page(page) => {
                        events(page).map(event).try_for_each(|event| table.event(event))
                    }
                    Part::End | Part::Over => Ok(()),
                }
            }
        }
    }

    fn finish(self) -> Result<(), String> {
        match self {
            Self::Lines { upload, .. } => upload.finish(),
            Self::Table { upload, table } => {
                table.map_or(Ok(()), TableWriter::finish)?;
                let upload = upload.0.lock().take();
                upload.map_or(Ok(()), Upload::finish)
            }
        }
    }
}

fn events(page: &Json) -> impl Iterator<Item = &Json> {
    page.get("events").and_then(Json::as_array).into_iter().flat_map(|all| all.iter())
}

/// A part of a line.
fn line(part: &Part, has_event: &mut bool) -> Vec<u8> {
    let mut text = String::new();
    match part {
        Part::Begin(execution, machine) => {
            *has_event = false;
            text = format!("{{\"execution\":{execution},\"machine\":{machine},\"events\":[");
        }
        Part::Page(page) => {
            for event in events(page) {
                if std::mem::replace(has_event, true) {
                    text.push(',');
                }
                event.write(&mut text);
            }
        }
        Part::End => text.push_str("]}\n"),
        Part::Over => {}
    }
    text.into_bytes()
}

/// What the first row of an execution says.
fn row(execution: &Json, machine: &Json) -> TableExecution {
    let text = |key: &str| execution.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
    TableExecution {
        arn: text("executionArn"),
        machine_arn: text("stateMachineArn"),
        status: text("status"),
        execution: execution.to_string(),
        machine: machine.to_string(),
    }
}

fn event(event: &Json) -> TableEvent {
    let seconds = event.get("timestamp").and_then(Json::as_f64).unwrap_or_default();
    TableEvent {
        id: event.get("id").and_then(Json::as_i64).unwrap_or_default(),
        time: (seconds * 1_000.0).round() as i64,
        kind: event.get("type").and_then(Json::as_str).unwrap_or_default().to_owned(),
        text: event.to_string(),
    }
}

/// An upload that a table writes to, and that is finished after it.
#[derive(Clone)]
struct Shared(Arc<Mutex<Option<Box<dyn Upload>>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut upload = self.0.lock();
        let upload = upload.as_mut().ok_or_else(|| io::Error::other("it is finished"))?;
        upload.write(bytes).map(|()| bytes.len()).map_err(io::Error::other)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Encrypts what is uploaded. Of an upload without anything, nothing is written.
struct Encrypted {
    upload: Box<dyn Upload>,
    keys: Keyring,
    sealer: Option<FileSealer>,
}

impl Upload for Encrypted {
    fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        if self.sealer.is_none() {
            let (sealer, head) = self.keys.begin_file().map_err(|error| error.what)?;
            self.upload.write(&head)?;
            self.sealer = Some(sealer);
        }
        let sealer = self.sealer.as_mut().ok_or("nothing was begun")?;
        let piece = sealer.piece(bytes, false).map_err(|error| error.what)?;
        self.upload.write(&piece)
    }

    fn finish(mut self: Box<Self>) -> Result<(), String> {
        if let Some(sealer) = &mut self.sealer {
            let last = sealer.piece(&[], true).map_err(|error| error.what)?;
            self.upload.write(&last)?;
        }
        self.upload.finish()
    }
}

/// A file that has its name once it is whole and on the disk.
struct Draft {
    folder: PathBuf,
    name: String,
    file: File,
}

impl Draft {
    fn make(folder: PathBuf, name: String) -> Result<Self, String> {
        let failed = |error: io::Error| format!("{}: {error}", folder.display());
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed)?;
        let mut options = File::options();
        options.write(true).create(true).truncate(true).mode(0o600);
        let file = options.open(folder.join(format!("{name}.partial"))).map_err(failed)?;
        Ok(Self { folder, name, file })
    }

    /// Removes the file again, and what stood under its name.
    fn discard(self) -> Result<(), String> {
        for name in [format!("{}.partial", self.name), self.name] {
            match fs::remove_file(self.folder.join(name)) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(format!("{}: {error}", self.folder.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Upload for Draft {
    fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.file.write_all(bytes).map_err(|error| format!("{}: {error}", self.folder.display()))
    }

    fn finish(self: Box<Self>) -> Result<(), String> {
        // Nothing could be read of a batch, or nothing of it is to be forgotten any more.
        if self.file.metadata().is_ok_and(|about| about.len() == 0) {
            return self.discard();
        }
        let Self { folder, name, file } = *self;
        let partial = folder.join(format!("{name}.partial"));
        let done = file
            .sync_all()
            .and_then(|()| fs::rename(partial, folder.join(name)))
            .and_then(|()| File::open(&folder)?.sync_all());
        done.map_err(|error| format!("{}: {error}", folder.display()))
    }
}
