//! Archives executions before they are forgotten: a line of JSON for each, with all that the API says of it.

use crate::config::ArchiveConfig;
use crate::{Api, Settings};
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::sync::Arc;
use stepwright_engine::{Archive, Engine, ObjectStore, Upload};
use stepwright_json::{Json, json};
use stepwright_store::{ExecutionRow, Pending};
use tokio::sync::mpsc;

/// Where executions are archived.
#[derive(Clone)]
pub(crate) enum Archiver {
    Folder(PathBuf),
    Bucket { objects: Arc<dyn ObjectStore>, bucket: String, prefix: String },
}

/// Why `[archive]` cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`[archive]` names either a `folder` or a `bucket`, and a `prefix` only with the latter")]
pub struct ArchiveError;

impl Archiver {
    pub(crate) fn new(
        config: &ArchiveConfig,
        objects: &Arc<dyn ObjectStore>,
    ) -> Result<Self, ArchiveError> {
        match (&config.folder, &config.bucket, &config.prefix) {
            (Some(folder), None, None) => Ok(Self::Folder(folder.clone())),
            (None, Some(bucket), prefix) => Ok(Self::Bucket {
                objects: objects.clone(),
                bucket: bucket.clone(),
                prefix: prefix.clone().unwrap_or_default(),
            }),
            _ => Err(ArchiveError),
        }
    }

    /// Begins a file or an object. May block.
    fn begin(&self, name: &str) -> Result<Box<dyn Upload>, String> {
        match self {
            Self::Folder(folder) => Draft::begin(folder.clone(), format!("{name}.jsonl")),
            Self::Bucket { objects, bucket, prefix } => {
                objects.begin(bucket, &format!("{prefix}{name}.jsonl"))
            }
        }
    }
}

impl Archive for Archiver {
    fn keep(
        &self,
        engine: &Engine,
        name: &str,
        executions: Vec<ExecutionRow>,
    ) -> Pending<Result<(), String>> {
        let (archiver, name) = (self.clone(), name.to_owned());
        let api = Api::new(engine.clone(), Settings::default());
        Box::pin(async move {
            // Histories can be larger than memory: they are written while they are read.
            let (sender, mut pieces) = mpsc::channel::<Vec<u8>>(4);
            let writing = tokio::task::spawn_blocking(move || {
                let mut upload = archiver.begin(&name)?;
                while let Some(piece) = pieces.blocking_recv() {
                    // The end is said, so that nothing that was broken off is taken for whole.
                    if piece.is_empty() {
                        return upload.finish();
                    }
                    upload.write(&piece)?;
                }
                Err("it was broken off".to_owned())
            });
            let read = async {
                for row in &executions {
                    send_line(&api, &row.about.arn, &sender).await?;
                }
                sender.send(Vec::new()).await.map_err(|_| CLOSED.to_owned())
            };
            let read = read.await;
            drop(sender);
            let written = writing.await.unwrap_or_else(|error| Err(error.to_string()));
            match (read, written) {
                // What is written tells why nothing more was read.
                (_, Err(error)) | (Err(error), _) => Err(error),
                (Ok(()), Ok(())) => Ok(()),
            }
        })
    }
}

const CLOSED: &str = "nothing more is written";

/// Sends the line of an execution, a part at a time.
async fn send_line(api: &Api, arn: &str, to: &mpsc::Sender<Vec<u8>>) -> Result<(), String> {
    let send = async |text: String| to.send(text.into_bytes()).await.map_err(|_| CLOSED.to_owned());
    let failed = |error: stepwright_protocol::ApiError| format!("{arn}: {}", error.message);
    let about = json!({"executionArn": arn});
    let execution = api.call("DescribeExecution", about.clone()).await.map_err(failed)?;
    // A state machine may be gone; its executions are kept all the same.
    let machine = api.call("DescribeStateMachineForExecution", about).await.unwrap_or(Json::Null);
    send(format!("{{\"execution\":{execution},\"machine\":{machine},\"events\":[")).await?;
    let (mut token, mut is_first) = (Json::Null, true);
    loop {
        let request = match &token {
            Json::Null => json!({"executionArn": arn, "maxResults": 1_000}),
            token => {
                json!({"executionArn": arn, "maxResults": 1_000, "nextToken": (token.clone())})
            }
        };
        let page = api.call("GetExecutionHistory", request).await.map_err(failed)?;
        let mut text = String::new();
        for event in
            page.get("events").and_then(Json::as_array).into_iter().flat_map(|all| all.iter())
        {
            if !std::mem::take(&mut is_first) {
                text.push(',');
            }
            event.write(&mut text);
        }
        if !text.is_empty() {
            send(text).await?;
        }
        match page.get("nextToken").filter(|next| !next.is_null()) {
            Some(next) => token = next.clone(),
            None => break,
        }
    }
    send("]}\n".to_owned()).await
}

/// A file that has its name once it is whole and on the disk.
struct Draft {
    folder: PathBuf,
    name: String,
    file: File,
}

impl Draft {
    fn begin(folder: PathBuf, name: String) -> Result<Box<dyn Upload>, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed)?;
        let mut options = File::options();
        options.write(true).create(true).truncate(true).mode(0o600);
        let file = options.open(folder.join(format!("{name}.partial"))).map_err(failed)?;
        Ok(Box::new(Self { folder, name, file }))
    }
}

impl Upload for Draft {
    fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.file.write_all(bytes).map_err(|error| format!("{}: {error}", self.folder.display()))
    }

    fn finish(self: Box<Self>) -> Result<(), String> {
        let Self { folder, name, file } = *self;
        let partial = folder.join(format!("{name}.partial"));
        let done = file
            .sync_all()
            .and_then(|()| fs::rename(partial, folder.join(name)))
            .and_then(|()| File::open(&folder)?.sync_all());
        done.map_err(|error| format!("{}: {error}", folder.display()))
    }
}
