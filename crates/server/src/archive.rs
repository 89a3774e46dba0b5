//! Archives executions before they are forgotten: a line of JSON for each, with all that the API says of it.

use crate::config::ArchiveConfig;
use crate::{Api, Settings};
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::sync::Arc;
use stepwright_engine::{Archive, Engine, LeftOut, ObjectStore, Upload};
use stepwright_json::{Json, json};
use stepwright_store::{ExecutionRow, FileSealer, Keyring, Pending};
use tokio::sync::mpsc;

/// Where executions are archived, and what they are encrypted with.
#[derive(Clone)]
pub(crate) struct Archiver {
    place: Place,
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
}

impl Archiver {
    pub(crate) fn new(
        config: &ArchiveConfig,
        objects: &Arc<dyn ObjectStore>,
        keys: Option<Keyring>,
    ) -> Result<Self, ArchiveError> {
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
        Ok(Self { place, keys })
    }

    /// Whether a configuration says where.
    pub(crate) fn check(config: &ArchiveConfig) -> Result<(), ArchiveError> {
        match (&config.folder, &config.bucket, &config.prefix) {
            (Some(_), None, None) | (None, Some(_), _) => Ok(()),
            _ => Err(ArchiveError::Place),
        }
    }

    /// Begins a file or an object. May block.
    fn begin(&self, name: &str) -> Result<Box<dyn Upload>, String> {
        let ending = if self.keys.is_some() { "jsonl.sealed" } else { "jsonl" };
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
    /// Writes the lines of these executions. Those that cannot be read are left out. If that shows only in
    /// the midst of a line, nothing is written, and the answer is `false`.
    async fn write(
        &self,
        name: &str,
        api: &Api,
        executions: &[ExecutionRow],
        left_out: &mut LeftOut,
    ) -> Result<bool, String> {
        // Histories can be larger than memory: they are written while they are read.
        let (sender, mut pieces) = mpsc::channel::<Vec<u8>>(4);
        let (archiver, name) = (self.clone(), name.to_owned());
        let writing = tokio::task::spawn_blocking(move || {
            let mut upload = archiver.begin(&name)?;
            while let Some(piece) = pieces.blocking_recv() {
                // The end is said, so that nothing that was broken off is taken for whole.
                if piece.is_empty() {
                    return upload.finish().map(|()| true);
                }
                upload.write(&piece)?;
            }
            Ok(false)
        });
        let mut is_whole = true;
        for row in executions {
            match send_line(api, &row.about.arn, &sender).await {
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
            sender.send(Vec::new()).await.ok();
        }
        drop(sender);
        writing.await.unwrap_or_else(|error| Err(error.to_string()))
    }
}

/// Why a line was not sent.
enum Unsent {
    /// Nothing more is written.
    Closed,
    /// The execution cannot be read; whether a part of its line was sent before that showed.
    Unreadable { why: String, is_begun: bool },
}

/// Sends the line of an execution, a part at a time.
async fn send_line(api: &Api, arn: &str, to: &mpsc::Sender<Vec<u8>>) -> Result<(), Unsent> {
    let send = async |text: String| to.send(text.into_bytes()).await.map_err(|_| Unsent::Closed);
    let failed = |error: stepwright_protocol::ApiError, is_begun: bool| Unsent::Unreadable {
        why: error.message,
        is_begun,
    };
    let about = json!({"executionArn": arn});
    let execution = api.call("DescribeExecution", about.clone()).await;
    let execution = execution.map_err(|error| failed(error, false))?;
    // A state machine may be gone; its executions are kept all the same.
    let machine = api.call("DescribeStateMachineForExecution", about).await.unwrap_or(Json::Null);
    // Most histories are one page: the line is sent, or not, as a whole.
    let mut text = format!("{{\"execution\":{execution},\"machine\":{machine},\"events\":[");
    let (mut token, mut is_first) = (Json::Null, true);
    loop {
        let request = match &token {
            Json::Null => json!({"executionArn": arn, "maxResults": 1_000}),
            token => {
                json!({"executionArn": arn, "maxResults": 1_000, "nextToken": (token.clone())})
            }
        };
        let page = api.call("GetExecutionHistory", request).await;
        let page = page.map_err(|error| failed(error, token != Json::Null))?;
        for event in
            page.get("events").and_then(Json::as_array).into_iter().flat_map(|all| all.iter())
        {
            if !std::mem::take(&mut is_first) {
                text.push(',');
            }
            event.write(&mut text);
        }
        match page.get("nextToken").filter(|next| !next.is_null()) {
            Some(next) => token = next.clone(),
            None => break,
        }
        send(std::mem::take(&mut text)).await?;
    }
    send(text + "]}\n").await
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
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
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
