use crate::ExecutionId;

/// What is known of an execution before it starts, and never changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Its ARN, unique in the store.
    pub arn: String,
    /// The ARN of its state machine, without version or alias.
    pub machine: String,
    /// The ARN of the version it was started with, directly or through an alias, if any.
    pub version: Option<String>,
    /// The ARN of the alias it was started through, if any.
    pub alias: Option<String>,
    /// The ARN of the map run it is a child of, if any.
    pub map_run: Option<String>,
    /// When it began, in milliseconds since 1970.
    pub started_at: i64,
    /// Further data of the engine, as bytes.
    pub more: Vec<u8>,
}

/// An execution without its history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionRow {
    /// Its number.
    pub id: ExecutionId,
    /// The facts that never change.
    pub about: About,
    /// Its status.
    pub status: Status,
    /// The number of its events.
    pub len: u64,
    /// When it ended, if it has, in milliseconds since 1970.
    pub stopped_at: Option<i64>,
    /// When it must be woken, if at all, in milliseconds since 1970.
    pub wake_at: Option<i64>,
    /// Whether something must be asked for again after a restart.
    pub is_owed: bool,
    /// The number of redrives, and the time of the last one in milliseconds since 1970.
    pub redriven: Option<(u32, i64)>,
}

/// An execution with its history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Everything but its history.
    pub row: ExecutionRow,
    /// The chunks of its history, in order. The rest of a large history must be read with
    /// [`Store::history`](crate::Store::history).
    pub chunks: Vec<Chunk>,
}

/// The events of one turn, as they are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The number of events in the history up to the end of this chunk.
    pub len: u64,
    /// The events.
    pub bytes: Vec<u8>,
}

/// A part of a history, and the order in which it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryPart {
    /// The chunks that hold what comes after this number of events, the first one first.
    After(u64),
    /// The chunks that end with this number of events or earlier, the last one first.
    UpTo(u64),
}

impl About {
    /// The ARN under which it is listed: its map run's, or its machine's if it is not the child of
    /// a map run.
    pub(crate) fn owner(&self) -> &str {
        self.map_run.as_deref().unwrap_or(&self.machine)
    }
}

/// An execution's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// `RUNNING`
    Running = 0,
    /// `SUCCEEDED`
    Succeeded = 1,
    /// `FAILED`
    Failed = 2,
    /// `TIMED_OUT`
    TimedOut = 3,
    /// `ABORTED`
    Aborted = 4,
    /// `PENDING_REDRIVE`
    PendingRedrive = 5,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 6] = [
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::TimedOut,
        Self::Aborted,
        Self::PendingRedrive,
    ];

    /// AWS's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
            Self::Aborted => "ABORTED",
            Self::PendingRedrive => "PENDING_REDRIVE",
        }
    }

    /// The status with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Whether the execution has ended and nothing more happens by itself.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Running | Self::PendingRedrive)
    }

    pub(crate) fn numbered(number: i64) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }
}

/// A map run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapRunRow {
    /// Its ARN.
    pub arn: String,
    /// The execution it belongs to.
    pub execution: ExecutionId,
    /// When it began, in milliseconds since 1970.
    pub started_at: i64,
    /// Further data of the engine, as bytes.
    pub more: Vec<u8>,
}

/// Selects executions. A `None` field matches every row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The ARN of their machine. Children of map runs do not count as the machine's executions.
    pub machine: Option<String>,
    /// The version they were started with.
    pub version: Option<String>,
    /// The alias they were started through.
    pub alias: Option<String>,
    /// The map run whose children they are.
    pub map_run: Option<String>,
    /// Their status.
    pub status: Option<Status>,
    /// Whether they were ever redriven.
    pub is_redriven: Option<bool>,
}

impl Filter {
    /// The machine or map run that all matching executions belong to; `None` if the filter names
    /// neither. Nothing belongs to both.
    pub(crate) fn owner(&self) -> Option<&str> {
        self.map_run.as_deref().or(self.machine.as_deref())
    }

    /// Whether it has a condition other than an owner or a status.
    pub(crate) fn is_narrow(&self) -> bool {
        self.version.is_some()
            || self.alias.is_some()
            || self.is_redriven.is_some()
            || (self.machine.is_some() && self.map_run.is_some())
    }

    /// The statuses that matching executions may have.
    pub(crate) fn statuses(&self) -> Vec<Status> {
        self.status.map_or_else(|| Status::ALL.to_vec(), |status| vec![status])
    }

    pub(crate) fn takes(&self, row: &ExecutionRow) -> bool {
        fn agrees<T: PartialEq + ?Sized>(wanted: Option<&T>, actual: Option<&T>) -> bool {
            wanted.is_none() || wanted == actual
        }
        let about = &row.about;
        let of_machine = self
            .machine
            .as_ref()
            .is_none_or(|machine| *machine == about.machine && about.map_run.is_none());
        of_machine
            && agrees(self.version.as_ref(), about.version.as_ref())
            && agrees(self.alias.as_ref(), about.alias.as_ref())
            && agrees(self.map_run.as_ref(), about.map_run.as_ref())
            && self.status.is_none_or(|status| status == row.status)
            && self.is_redriven.is_none_or(|is| is == row.redriven.is_some())
    }
}

/// Selects a part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Starts after this execution, given by its start time and its number.
    pub after: Option<(i64, ExecutionId)>,
    /// The largest number of executions.
    pub most: usize,
}

/// Executions in an order of their own, and where a page of them begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sorted {
    /// Those of a machine or a map run that began first. The filter names no version and no alias.
    Oldest {
        /// Which.
        filter: Filter,
        /// Starts after this execution, given by its start time and its number.
        after: Option<(i64, ExecutionId)>,
    },
    /// Those of a machine by name, from A to Z.
    Named {
        /// The machine.
        machine: String,
        /// What the names begin with.
        prefix: String,
        /// Starts after this name.
        after: Option<String>,
    },
    /// Those that ended last, of all machines and map runs.
    Ended {
        /// Starts after this execution, given by its end and its number.
        after: Option<(i64, ExecutionId)>,
    },
}

/// The ARNs of a machine's executions whose names begin with a prefix: from the first one, inclusive, to
/// the second one.
pub(crate) fn named(machine: &str, prefix: &str) -> (String, String) {
    let before = machine.replacen(":stateMachine:", ":execution:", 1);
    let from = format!("{before}:{prefix}");
    // No text sorts after this character. What follows the name of another machine is no colon.
    (from.clone(), format!("{from}\u{10FFFF}"))
}
