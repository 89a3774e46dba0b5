use super::seen::Seen;
use super::{
    EARLIER, ENCRYPTED, FORMAT, KINDS, LZ4, NUMBERED, PLAIN, UNNUMBERED, WITHOUT_CHECKSUM,
};
use crate::{
    Event, EventKind, Failure, FrameId, Identity, Keeps, MapPage, MapPlan, Moment, Stage, Start,
    StateType, TaskCall, TaskId, TaskKind, TimerId, To,
};
use std::borrow::Cow;
use stepwright_json::{Array, DEEPEST, Json, Object, Str, Syntax};

/// The most bytes a chunk may unpack to.
const MOST_BYTES: usize = 1 << 30;

/// How many levels an event may have around values of the execution: those of results that are
/// written, for example.
const AROUND_DEEPEST: usize = 16;

/// Why a chunk cannot be read. The chunk's execution is refused; no other is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoredError {
    /// A later release has written it.
    #[error("the chunk has the format {0}, which this release does not know")]
    UnknownFormat(u8),
    /// The store has encrypted it, and could not open it.
    #[error("the chunk is encrypted, and is damaged or needs another key than there is")]
    Encrypted,
    /// A later release has written it.
    #[error("the event has the kind {0}, which this release does not know")]
    UnknownKind(u8),
    /// A later release has written it.
    #[error("the event `{kind}` has the revision {revision}, which this release does not know")]
    UnknownRevision {
        /// The kind's name.
        kind: &'static str,
        /// Its revision.
        revision: u8,
    },
    /// An early release has let a value grow deeper than any may be.
    #[error("a value is nested deeper than {DEEPEST} arrays and objects")]
    TooDeep,
    /// It is not what was written.
    #[error("the chunk is damaged: {0}")]
    Damaged(&'static str),
}

type Read<T> = Result<T, StoredError>;

/// The events of a chunk that [`super::encode`] made.
pub fn decode(chunk: &[u8]) -> Result<Vec<Event>, StoredError> {
    let mut events = Vec::new();
    decode_each(chunk, &mut Seen::default(), |event| {
        events.push(event);
        Ok::<_, StoredError>(())
    })?;
    Ok(events)
}

/// Reads the events of a chunk one by one, so that no more than one needs to be in memory. Values that
/// are equal to one in a chunk before, read with the same [`Seen`], become one value with it.
pub fn decode_each<E: From<StoredError>>(
    chunk: &[u8],
    seen: &mut Seen,
    mut take: impl FnMut(Event) -> Result<(), E>,
) -> Result<(), E> {
    let bytes = unpacked(chunk)?;
    let mut reader = Reader { bytes: &bytes, values: Vec::new(), seen };
    let count = reader.number()?;
    let mut at = 0_i64;
    for _ in 0..count {
        let event = reader.event(&mut at)?;
        take(event)?;
    }
    if !reader.bytes.is_empty() {
        return Err(StoredError::Damaged("there is something after its end").into());
    }
    Ok(())
}

/// How many bytes a chunk has when it is unpacked, by what it says itself.
pub fn unpacked_len(chunk: &[u8]) -> usize {
    let packed = match chunk {
        [FORMAT, LZ4, rest @ ..] => rest.get(4..),
        [WITHOUT_CHECKSUM, LZ4, packed @ ..] => Some(packed),
        _ => None,
    };
    let size = packed.and_then(|packed| packed.first_chunk::<4>());
    size.map_or(chunk.len(), |size| u32::from_le_bytes(*size) as usize)
}

/// The records of a chunk.
fn unpacked(chunk: &[u8]) -> Read<Cow<'_, [u8]>> {
    let (compression, packed) = match chunk {
        [FORMAT, compression, rest @ ..] => {
            let (checksum, packed) =
                rest.split_first_chunk::<4>().ok_or(StoredError::Damaged("it is cut off"))?;
            if crc32fast::hash(packed) != u32::from_le_bytes(*checksum) {
                return Err(StoredError::Damaged("its checksum is wrong"));
            }
            (*compression, packed)
        }
        [WITHOUT_CHECKSUM, compression, packed @ ..] => (*compression, packed),
        [FORMAT | WITHOUT_CHECKSUM] => return Err(StoredError::Damaged("it is cut off")),
        [ENCRYPTED, ..] => return Err(StoredError::Encrypted),
        [format, ..] => return Err(StoredError::UnknownFormat(*format)),
        [] => return Err(StoredError::Damaged("it is empty")),
    };
    match compression {
        PLAIN => Ok(Cow::Borrowed(packed)),
        LZ4 => {
            let size = packed.first_chunk::<4>().ok_or(StoredError::Damaged("it is cut off"))?;
            if u32::from_le_bytes(*size) as usize > MOST_BYTES {
                return Err(StoredError::Damaged("it unpacks to too much"));
            }
            let bytes = lz4_flex::decompress_size_prepended(packed)
                .map_err(|_| StoredError::Damaged("it cannot be unpacked"))?;
            Ok(Cow::Owned(bytes))
        }
        _ => Err(StoredError::Damaged("its compression is unknown")),
    }
}

struct Reader<'b, 's> {
    bytes: &'b [u8],
    values: Vec<Json>,
    seen: &'s mut Seen,
}

impl<'b> Reader<'b, '_> {
    /// The next event. The moments are stored as what has passed since the one before.
    fn event(&mut self, at: &mut i64) -> Read<Event> {
        *at = at.wrapping_add(self.signed()?);
        let frame = FrameId(self.small()?);
        let id = self.number()?;
        let previous = self.number()?;
        let (kind, revision) = (self.byte()?, self.byte()?);
        let length = self.number()?;
        let left = self.bytes.len();
        let kind = self.kind(kind, revision)?;
        if (left - self.bytes.len()) as u64 != length {
            return Err(StoredError::Damaged("a record has another length than it says"));
        }
        Ok(Event { at: Moment(*at), frame, id, previous, kind })
    }

    fn kind(&mut self, kind: u8, revision: u8) -> Read<EventKind> {
        use EventKind as E;
        let Some(name) = KINDS.get(usize::from(kind)).copied() else {
            return Err(StoredError::UnknownKind(kind));
        };
        let most = match name {
            "ExecutionStarted" => 3,
            "MapStarted" => 2,
            _ => 1,
        };
        if !(1..=most).contains(&revision) {
            return Err(StoredError::UnknownRevision { kind: name, revision });
        }
        Ok(match name {
            "ExecutionStarted" => E::ExecutionStarted(Box::new(self.start(revision)?)),
            "ExecutionSucceeded" => E::ExecutionSucceeded { output: self.json()? },
            "ExecutionFailed" => E::ExecutionFailed { failure: self.failure()? },
            "ExecutionTimedOut" => E::ExecutionTimedOut { failure: self.failure()? },
            "ExecutionAborted" => E::ExecutionAborted { failure: self.failure()? },
            "ExecutionRedriven" => {
                E::ExecutionRedriven { count: self.small()?, deadline: self.deadline()? }
            }
            "StateEntered" => E::StateEntered {
                state: self.small()?,
                kind: self.state_type()?,
                name: self.str()?,
                input: self.json()?,
            },
            "StateExited" => E::StateExited {
                kind: self.state_type()?,
                name: self.str()?,
                output: self.json()?,
                assigned: self.option(Self::object)?,
                to: match self.small()? {
                    0 => To::End,
                    state => To::Next(state - 1),
                },
            },
            "StateAborted" => E::StateAborted { kind: self.state_type()? },
            "EvaluationFailed" => E::EvaluationFailed {
                failure: self.failure()?,
                state: self.str()?,
                location: self.option(Self::str)?,
            },
            "TaskScheduled" => E::TaskScheduled {
                task: TaskId(self.number()?),
                call: Box::new(self.call()?),
                deadline: self.option(Self::signed)?.map(Moment),
                heartbeat_deadline: self.option(Self::signed)?.map(Moment),
                timer: self.option(Self::number)?.map(TimerId),
            },
            "TaskStarted" => {
                E::TaskStarted { task: TaskId(self.number()?), worker: self.option(Self::str)? }
            }
            "TaskSubmitted" => {
                E::TaskSubmitted { task: TaskId(self.number()?), output: self.json()? }
            }
            "TaskHeartbeat" => E::TaskHeartbeat {
                task: TaskId(self.number()?),
                deadline: Moment(self.signed()?),
                timer: TimerId(self.number()?),
            },
            "TaskSucceeded" => {
                E::TaskSucceeded { task: TaskId(self.number()?), output: self.json()? }
            }
            "TaskFailed" => E::TaskFailed {
                task: TaskId(self.number()?),
                failure: self.failure()?,
                stage: match self.byte()? {
                    0 => Stage::Schedule,
                    1 => Stage::Start,
                    2 => Stage::Submit,
                    3 => Stage::Run,
                    _ => return Err(StoredError::Damaged("a stage is unknown")),
                },
            },
            "TaskTimedOut" => E::TaskTimedOut {
                task: TaskId(self.number()?),
                failure: self.failure()?,
                heartbeat: self.byte()? != 0,
            },
            "RetryScheduled" => E::RetryScheduled {
                retrier: self.small()?,
                due: Moment(self.signed()?),
                timer: TimerId(self.number()?),
            },
            "TimerFired" => E::TimerFired { timer: TimerId(self.number()?) },
            "WaitStarted" => {
                E::WaitStarted { due: Moment(self.signed()?), timer: TimerId(self.number()?) }
            }
            "ParallelStarted" => {
                let count = self.count()?;
                let branches = (0..count).map(|_| self.small()).collect::<Read<_>>()?;
                E::ParallelStarted { branches, input: self.json()? }
            }
            "ParallelSucceeded" => E::ParallelSucceeded,
            "ParallelFailed" => E::ParallelFailed,
            "MapStarted" => E::MapStarted { length: self.small()?, plan: Box::new(self.plan()?) },
            "MapIterationStarted" => E::MapIterationStarted {
                index: self.small()?,
                name: self.str()?,
                input: self.json()?,
            },
            "MapIterationSucceeded" => E::MapIterationSucceeded {
                index: self.small()?,
                name: self.str()?,
                output: self.json()?,
            },
            "MapIterationFailed" => {
                E::MapIterationFailed { index: self.small()?, name: self.str()? }
            }
            "MapIterationAborted" => {
                E::MapIterationAborted { index: self.small()?, name: self.str()? }
            }
            "MapSucceeded" => E::MapSucceeded,
            "MapFailed" => E::MapFailed,
            "MapRunStarted" => E::MapRunStarted { run: TaskId(self.number()?), arn: self.str()? },
            "MapRunItems" => E::MapRunItems { inputs: self.items()? },
            "WholeAsked" => {
                E::WholeAsked { task: TaskId(self.number()?), call: Box::new(self.call()?) }
            }
            "MapRunPage" => E::MapRunPage(Box::new(MapPage {
                inputs: self.items()?,
                items: self.small()?,
                batch: self.items()?,
                next: self.option(Self::json)?,
                keeps: match self.byte()? {
                    0 => Keeps::Nothing,
                    1 => Keeps::Everything,
                    2 => Keeps::Results,
                    _ => return Err(StoredError::Damaged("what a map run keeps is unknown")),
                },
            })),
            "ChildStarted" => E::ChildStarted { index: self.small()? },
            "ChildFinished" => E::ChildFinished { index: self.small()?, result: self.result()? },
            "WholeAnswered" => {
                E::WholeAnswered { task: TaskId(self.number()?), result: self.result()? }
            }
            "MapRunWriting" => E::MapRunWriting { request: self.json()? },
            "MapRunSucceeded" => E::MapRunSucceeded,
            "MapRunFailed" => E::MapRunFailed { failure: self.failure()? },
            "MapRunUpdated" => E::MapRunUpdated {
                max_concurrency: self.option(Self::small)?,
                tolerated_count: self.option(Self::number)?,
                tolerated_percentage: self.option(Self::float)?,
            },
            "MapRunRedriven" => E::MapRunRedriven { arn: self.str()?, count: self.small()? },
            _ => return Err(StoredError::UnknownKind(kind)),
        })
    }

    fn take(&mut self, count: usize) -> Read<&'b [u8]> {
        let (taken, left) =
            self.bytes.split_at_checked(count).ok_or(StoredError::Damaged("it is cut off"))?;
        self.bytes = left;
        Ok(taken)
    }

    fn byte(&mut self) -> Read<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn number(&mut self) -> Read<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(StoredError::Damaged("a number is too long"))
    }

    fn small(&mut self) -> Read<u32> {
        u32::try_from(self.number()?).map_err(|_| StoredError::Damaged("a number is too large"))
    }

    /// How many things follow, each of at least one byte.
    fn count(&mut self) -> Read<usize> {
        let count = self.number()? as usize;
        if count > self.bytes.len() {
            return Err(StoredError::Damaged("a list is longer than the chunk"));
        }
        Ok(count)
    }

    fn signed(&mut self) -> Read<i64> {
        let number = self.number()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    fn float(&mut self) -> Read<f64> {
        let bytes = self.take(8)?.first_chunk::<8>().expect("eight bytes were taken");
        Ok(f64::from_bits(u64::from_le_bytes(*bytes)))
    }

    fn text(&mut self) -> Read<&'b str> {
        let length = self.number()? as usize;
        std::str::from_utf8(self.take(length)?)
            .map_err(|_| StoredError::Damaged("a text is not UTF-8"))
    }

    fn str(&mut self) -> Read<Str> {
        self.text().map(Str::from)
    }

    fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<Option<T>> {
        match self.byte()? {
            0 => Ok(None),
            _ => read(self).map(Some),
        }
    }

    fn json(&mut self) -> Read<Json> {
        let how = self.number()?;
        if how >= EARLIER {
            let number = (how - EARLIER) as usize;
            let earlier = self.values.get(number);
            return earlier.cloned().ok_or(StoredError::Damaged("a value is missing"));
        }
        let text = self.text()?;
        // What was accepted once is read whatever the limits on its size are now. Its depth is
        // bounded all the same: what is put together from values of an execution stands around the
        // deepest of them, and nothing deeper can be used.
        let limits = stepwright_json::Limits { depth: DEEPEST + AROUND_DEEPEST, bytes: usize::MAX };
        let value = stepwright_json::parse_with(text, Syntax::Strict, limits).map_err(|error| {
            if error.message.contains("nested too deeply") {
                StoredError::TooDeep
            } else {
                StoredError::Damaged("a value is not JSON")
            }
        })?;
        debug_assert!(how == NUMBERED || how == UNNUMBERED);
        let value = self.seen.shared(text, value);
        if how == NUMBERED {
            self.values.push(value.clone());
        }
        Ok(value)
    }

    fn object(&mut self) -> Read<Object> {
        match self.json()? {
            Json::Object(object) => Ok(object),
            _ => Err(StoredError::Damaged("variables are no object")),
        }
    }

    fn items(&mut self) -> Read<Array> {
        let count = self.count()?;
        let items: Vec<Json> = (0..count).map(|_| self.json()).collect::<Read<_>>()?;
        Ok(items.into())
    }

    fn failure(&mut self) -> Read<Failure> {
        Ok(Failure { error: self.option(Self::str)?, cause: self.option(Self::str)? })
    }

    fn state_type(&mut self) -> Read<StateType> {
        Ok(match self.byte()? {
            0 => StateType::Task,
            1 => StateType::Pass,
            2 => StateType::Choice,
            3 => StateType::Wait,
            4 => StateType::Succeed,
            5 => StateType::Fail,
            6 => StateType::Parallel,
            7 => StateType::Map,
            _ => return Err(StoredError::Damaged("a state type is unknown")),
        })
    }

    fn deadline(&mut self) -> Read<Option<(Moment, TimerId)>> {
        self.option(|r| Ok((Moment(r.signed()?), TimerId(r.number()?))))
    }

    fn start(&mut self, revision: u8) -> Read<Start> {
        let mut start = Start {
            input: self.json()?,
            input_text: None,
            identity: Identity {
                execution_arn: self.str()?,
                name: self.str()?,
                role_arn: self.str()?,
                state_machine_arn: self.str()?,
                state_machine_name: self.str()?,
                region: self.str()?,
            },
            first: self.small()?,
            deadline: self.deadline()?,
            seed: [self.word()?, self.word()?],
            map_context: self.option(Self::json)?,
            variables: Object::new(),
        };
        match revision {
            2 => start.input_text = Some(self.str()?),
            3 => {
                start.input_text = self.option(Self::str)?;
                start.variables = self.object()?;
            }
            _ => {}
        }
        Ok(start)
    }

    fn word(&mut self) -> Read<u64> {
        let bytes = self.take(8)?.first_chunk::<8>().expect("eight bytes were taken");
        Ok(u64::from_le_bytes(*bytes))
    }

    fn result(&mut self) -> Read<Result<Json, Failure>> {
        Ok(match self.byte()? {
            0 => Err(self.failure()?),
            _ => Ok(self.json()?),
        })
    }

    fn call(&mut self) -> Read<TaskCall> {
        Ok(TaskCall {
            resource: self.str()?,
            kind: match self.byte()? {
                0 => TaskKind::Lambda,
                1 => TaskKind::Activity,
                2 => TaskKind::Service { service: self.str()?, action: self.str()? },
                3 => TaskKind::Whole,
                _ => return Err(StoredError::Damaged("a task's kind is unknown")),
            },
            parameters: self.json()?,
            region: self.str()?,
            timeout_seconds: self.option(Self::signed)?,
            heartbeat_seconds: self.option(Self::signed)?,
            credentials: self.option(Self::str)?,
            state: self.str()?,
            retry_count: self.small()?,
            token: self.option(Self::str)?,
        })
    }

    fn plan(&mut self) -> Read<MapPlan> {
        let (items, first, max_concurrency) = (self.items()?, self.small()?, self.small()?);
        let flags = self.byte()?;
        Ok(MapPlan {
            items,
            of_object: flags & 2 != 0,
            first,
            max_concurrency,
            distributed: flags & 1 != 0,
            tolerated_count: self.option(Self::number)?,
            tolerated_percentage: self.option(Self::float)?,
            reader: self.option(Self::json)?,
        })
    }
}
