//! The catalogue: state machines with their revisions, versions and aliases, and activities.

use crate::load::LoadError;
use crate::{Engine, Options};
use parking_lot::{Mutex, RwLock};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stepwright_asl::Definition;
use stepwright_json::{Json, Object};
use stepwright_program::{Limits, Program, Vintage, compile};
use stepwright_store::{DocumentChanges, Shards, Store, StoreError};

/// A state machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// Whether its executions are Express executions.
    pub is_express: bool,
    /// Whether it is being deleted.
    pub status: MachineStatus,
    /// When it was created, in milliseconds since 1970.
    pub created_at: i64,
    /// When it was last updated, in milliseconds since 1970.
    pub updated_at: i64,
    /// The revision that new executions run.
    pub revision: String,
    /// The revision that it was created with. AWS shows no revision id for that one.
    pub first_revision: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Its versions, the oldest first.
    pub versions: Vec<Version>,
    /// The number of the version that was published last; numbers are not used twice.
    pub last_version: u64,
    /// Its aliases, by name.
    pub aliases: BTreeMap<String, Alias>,
}

/// Whether a machine can start executions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachineStatus {
    /// `ACTIVE`
    Active,
    /// `DELETING`: no execution can start; those that run are left to end.
    Deleting,
}

/// A published version: a revision of a machine with a number.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// Its number.
    pub number: u64,
    /// The revision that it publishes.
    pub revision: String,
    /// The description given when it was published.
    pub description: Option<String>,
    /// When it was published, in milliseconds since 1970.
    pub created_at: i64,
}

/// A name for one or two versions of a machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Alias {
    /// Its name.
    pub name: String,
    /// The description given to it.
    pub description: Option<String>,
    /// The versions that its executions are distributed over.
    pub routes: Vec<Route>,
    /// When it was created, in milliseconds since 1970.
    pub created_at: i64,
    /// When it was last changed, in milliseconds since 1970.
    pub updated_at: i64,
}

/// The share of an alias's executions that one version gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The number of the version.
    pub version: u64,
    /// The share, in per cent.
    pub weight: u32,
}

/// What an execution runs: a definition with its settings. Never changes once it is stored.
#[derive(Clone, Debug)]
pub struct Revision {
    /// Its name: a UUID.
    pub id: String,
    /// The definition as it was given.
    pub definition: String,
    /// The role.
    pub role_arn: String,
    /// Whether executions of it are Express executions.
    pub is_express: bool,
    /// `loggingConfiguration`, as AWS writes it.
    pub logging: Option<Json>,
    /// Whether `tracingConfiguration` is enabled.
    pub is_traced: bool,
    /// `encryptionConfiguration`, as AWS writes it.
    pub encryption: Option<Json>,
    /// When it was created, in milliseconds since 1970.
    pub created_at: i64,
    /// The definition, compiled.
    pub program: Arc<Program>,
}

/// An activity.
#[derive(Clone, Debug, PartialEq)]
pub struct Activity {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// When it was created, in milliseconds since 1970.
    pub created_at: i64,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// `encryptionConfiguration`, as AWS writes it.
    pub encryption: Option<Json>,
}

/// The error for a definition that does not compile.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}")]
pub struct DefinitionError {
    /// The first thing that is wrong with the definition.
    pub what: String,
}

impl Revision {
    /// A revision of a Standard machine that is neither logged nor traced.
    pub fn new(id: String, definition: String, role_arn: String, program: Arc<Program>) -> Self {
        Self {
            id,
            definition,
            role_arn,
            is_express: false,
            logging: None,
            is_traced: false,
            encryption: None,
            created_at: 0,
            program,
        }
    }

    /// Compiles a definition.
    pub fn compile(
        definition: &str,
        limits: Limits,
        vintage: Vintage,
    ) -> Result<Arc<Program>, DefinitionError> {
        let parsed = Definition::from_api(definition)
            .map_err(|complaint| DefinitionError { what: complaint.message })?;
        let mut program = compile(&parsed).map_err(|diagnostics| {
            let first = diagnostics.into_iter().next();
            let what = first.map_or_else(String::new, |diagnostic| diagnostic.message);
            DefinitionError { what }
        })?;
        program.limits = limits;
        program.vintage = vintage;
        Ok(Arc::new(program))
    }

    fn write(&self) -> Vec<u8> {
        let mut object = Object::new();
        object.insert("definition", self.definition.as_str().into());
        object.insert("roleArn", self.role_arn.as_str().into());
        object.insert("express", Json::Bool(self.is_express));
        object.insert("traced", Json::Bool(self.is_traced));
        object.insert("createdAt", Json::Int(self.created_at));
        insert_option(&mut object, "logging", self.logging.as_ref());
        insert_option(&mut object, "encryption", self.encryption.as_ref());
        Json::Object(object).to_string().into_bytes()
    }

    fn read(id: &str, bytes: &[u8], options: &Options) -> Result<Self, StoreError> {
        let broken = |why: &str| StoreError::new(format!("the revision `{id}` {why}"));
        let value = stepwright_json::parse_bytes(bytes).map_err(|_| broken("is not JSON"))?;
        let text = |key: &str| value.get(key).and_then(Json::as_str).map(str::to_owned);
        let flag = |key: &str| value.get(key).and_then(Json::as_bool).unwrap_or_default();
        let definition = text("definition").ok_or_else(|| broken("has no definition"))?;
        let program = Self::compile(&definition, options.limits, options.vintage)
            .map_err(|error| broken(&format!("does not compile: {error}")))?;
        Ok(Self {
            id: id.to_owned(),
            role_arn: text("roleArn").ok_or_else(|| broken("has no role"))?,
            is_express: flag("express"),
            is_traced: flag("traced"),
            logging: value.get("logging").cloned(),
            encryption: value.get("encryption").cloned(),
            created_at: value.get("createdAt").and_then(Json::as_i64).unwrap_or_default(),
            program,
            definition,
        })
    }
}

fn insert_option(object: &mut Object, key: &'static str, value: Option<&Json>) {
    if let Some(value) = value {
        object.insert(key, value.clone());
    }
}

impl Machine {
    /// A machine that is created with its first revision.
    pub fn new(arn: String, revision: &Revision) -> Self {
        Self {
            name: arn.rsplit(':').next().unwrap_or_default().to_owned(),
            arn,
            is_express: revision.is_express,
            status: MachineStatus::Active,
            created_at: revision.created_at,
            updated_at: revision.created_at,
            revision: revision.id.clone(),
            first_revision: revision.id.clone(),
            tags: BTreeMap::new(),
            versions: Vec::new(),
            last_version: 0,
            aliases: BTreeMap::new(),
        }
    }

    /// The version with this number.
    pub fn version(&self, number: u64) -> Option<&Version> {
        self.versions.iter().find(|version| version.number == number)
    }

    fn write(&self) -> Vec<u8> {
        let mut object = Object::new();
        object.insert("name", self.name.as_str().into());
        object.insert("express", Json::Bool(self.is_express));
        object.insert("deleting", Json::Bool(self.status == MachineStatus::Deleting));
        object.insert("createdAt", Json::Int(self.created_at));
        object.insert("updatedAt", Json::Int(self.updated_at));
        object.insert("revision", self.revision.as_str().into());
        object.insert("firstRevision", self.first_revision.as_str().into());
        object.insert("tags", write_tags(&self.tags));
        object.insert("lastVersion", Json::Int(self.last_version as i64));
        let versions: Vec<Json> = self.versions.iter().map(Version::write).collect();
        object.insert("versions", versions.into());
        let aliases: Vec<Json> = self.aliases.values().map(Alias::write).collect();
        object.insert("aliases", aliases.into());
        Json::Object(object).to_string().into_bytes()
    }

    fn read(arn: &str, bytes: &[u8]) -> Option<Self> {
        let value = stepwright_json::parse_bytes(bytes).ok()?;
        let number = |key: &str| value.get(key).and_then(Json::as_i64);
        let flag = |key: &str| value.get(key).and_then(Json::as_bool);
        let items = |key: &str| value.get(key).and_then(Json::as_array).cloned();
        let status =
            if flag("deleting")? { MachineStatus::Deleting } else { MachineStatus::Active };
        let aliases = items("aliases")?.iter().map(Alias::read).collect::<Option<Vec<_>>>()?;
        Some(Self {
            arn: arn.to_owned(),
            name: text_of(&value, "name")?,
            is_express: flag("express")?,
            status,
            created_at: number("createdAt")?,
            updated_at: number("updatedAt")?,
            revision: text_of(&value, "revision")?,
            first_revision: text_of(&value, "firstRevision")?,
            tags: read_tags(value.get("tags")?),
            versions: items("versions")?.iter().map(Version::read).collect::<Option<_>>()?,
            last_version: number("lastVersion")? as u64,
            aliases: aliases.into_iter().map(|alias| (alias.name.clone(), alias)).collect(),
        })
    }
}

fn text_of(value: &Json, key: &str) -> Option<String> {
    value.get(key).and_then(Json::as_str).map(str::to_owned)
}

fn write_tags(tags: &BTreeMap<String, String>) -> Json {
    let object: Object =
        tags.iter().map(|(key, value)| (key.as_str(), Json::from(value.as_str()))).collect();
    object.into()
}

fn read_tags(value: &Json) -> BTreeMap<String, String> {
    let members = value.as_object().into_iter().flat_map(Object::iter);
    members
        .map(|(key, value)| (key.to_string(), value.as_str().unwrap_or_default().to_owned()))
        .collect()
}

impl Version {
    fn write(&self) -> Json {
        let mut object = Object::new();
        object.insert("number", Json::Int(self.number as i64));
        object.insert("revision", self.revision.as_str().into());
        object.insert("createdAt", Json::Int(self.created_at));
        if let Some(description) = &self.description {
            object.insert("description", description.as_str().into());
        }
        object.into()
    }

    fn read(value: &Json) -> Option<Self> {
        Some(Self {
            number: value.get("number")?.as_i64()? as u64,
            revision: text_of(value, "revision")?,
            description: text_of(value, "description"),
            created_at: value.get("createdAt")?.as_i64()?,
        })
    }
}

impl Alias {
    fn write(&self) -> Json {
        let mut object = Object::new();
        object.insert("name", self.name.as_str().into());
        object.insert("createdAt", Json::Int(self.created_at));
        object.insert("updatedAt", Json::Int(self.updated_at));
        let routes = self.routes.iter().map(|route| {
            Json::from(vec![Json::Int(route.version as i64), Json::Int(i64::from(route.weight))])
        });
        object.insert("routes", routes.collect::<Vec<_>>().into());
        if let Some(description) = &self.description {
            object.insert("description", description.as_str().into());
        }
        object.into()
    }

    fn read(value: &Json) -> Option<Self> {
        let routes = value.get("routes")?.as_array()?.iter().map(|route| {
            let version = route.at(0)?.as_i64()? as u64;
            Some(Route { version, weight: route.at(1)?.as_i64()? as u32 })
        });
        Some(Self {
            name: text_of(value, "name")?,
            description: text_of(value, "description"),
            routes: routes.collect::<Option<_>>()?,
            created_at: value.get("createdAt")?.as_i64()?,
            updated_at: value.get("updatedAt")?.as_i64()?,
        })
    }
}

impl Activity {
    fn write(&self) -> Vec<u8> {
        let mut object = Object::new();
        object.insert("name", self.name.as_str().into());
        object.insert("createdAt", Json::Int(self.created_at));
        object.insert("tags", write_tags(&self.tags));
        insert_option(&mut object, "encryption", self.encryption.as_ref());
        Json::Object(object).to_string().into_bytes()
    }

    fn read(arn: &str, bytes: &[u8]) -> Option<Self> {
        let value = stepwright_json::parse_bytes(bytes).ok()?;
        Some(Self {
            arn: arn.to_owned(),
            name: text_of(&value, "name")?,
            created_at: value.get("createdAt")?.as_i64()?,
            tags: read_tags(value.get("tags")?),
            encryption: value.get("encryption").cloned(),
        })
    }
}

/// All machines and activities, in memory. A change is written to the store before it becomes
/// visible here.
#[derive(Debug, Default)]
pub struct Catalogue {
    machines: RwLock<BTreeMap<String, Arc<Machine>>>,
    activities: RwLock<BTreeMap<String, Arc<Activity>>>,
    revisions: Mutex<FxHashMap<String, Arc<Revision>>>,
    /// Held during a change to a machine or activity, from the first look until it is stored.
    changing: tokio::sync::Mutex<()>,
}

/// The bytes of definitions whose compiled revisions are kept in memory. Compiled, they take more
/// than ten times as many.
const MOST_DEFINITIONS: usize = 4 << 20;

/// The number of compiled revisions that are kept in memory.
const MOST_REVISIONS: usize = 1_024;

/// The number of running executions that are read at once.
const LIVE_AT_ONCE: usize = 1_000;

impl Catalogue {
    pub(crate) async fn load(store: &dyn Store) -> Result<Self, StoreError> {
        let catalogue = Self::default();
        let broken = |key: &str| StoreError::new(format!("the document `{key}` cannot be read"));
        {
            let documents = store.documents("machine/").await?;
            let mut machines = catalogue.machines.write();
            for (key, bytes) in documents {
                let arn = key.trim_start_matches("machine/");
                let machine = Machine::read(arn, &bytes).ok_or_else(|| broken(&key))?;
                machines.insert(arn.to_owned(), Arc::new(machine));
            }
        }
        {
            let documents = store.documents("activity/").await?;
            let mut activities = catalogue.activities.write();
            for (key, bytes) in documents {
                let arn = key.trim_start_matches("activity/");
                let activity = Activity::read(arn, &bytes).ok_or_else(|| broken(&key))?;
                activities.insert(arn.to_owned(), Arc::new(activity));
            }
        }
        Ok(catalogue)
    }

    /// The machine with this ARN, which must not name a version or an alias.
    pub fn machine(&self, arn: &str) -> Option<Arc<Machine>> {
        self.machines.read().get(arn).cloned()
    }

    /// All machines, by ARN.
    pub fn machines(&self) -> Vec<Arc<Machine>> {
        self.machines.read().values().cloned().collect()
    }

    /// The activity with this ARN.
    pub fn activity(&self, arn: &str) -> Option<Arc<Activity>> {
        self.activities.read().get(arn).cloned()
    }

    /// All activities, by ARN.
    pub fn activities(&self) -> Vec<Arc<Activity>> {
        self.activities.read().values().cloned().collect()
    }

    fn cached(&self, id: &str) -> Option<Arc<Revision>> {
        self.revisions.lock().get(id).cloned()
    }

    fn cache(&self, revision: Arc<Revision>) {
        let mut revisions = self.revisions.lock();
        let bytes = |kept: &FxHashMap<String, Arc<Revision>>| -> usize {
            kept.values().map(|revision| revision.definition.len()).sum()
        };
        // Only a long definition can be the one too many: adding up is seldom needed.
        let is_long = revision.definition.len() > MOST_DEFINITIONS / MOST_REVISIONS;
        if revisions.len() >= MOST_REVISIONS || (is_long && bytes(&revisions) > MOST_DEFINITIONS) {
            revisions.clear();
        }
        revisions.insert(revision.id.clone(), revision);
    }
}

impl Engine {
    /// Prevents others from changing machines and activities until the guard is dropped.
    pub async fn changing(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.inner.catalogue.changing.lock().await
    }

    /// Returns a compiled revision, from memory or from the store.
    pub async fn revision(&self, id: &str) -> Result<Arc<Revision>, StoreError> {
        self.find_revision(id).await.map_err(|error| match error {
            LoadError::Store(error) => error,
            error => StoreError::new(error.to_string()),
        })
    }

    /// Like [`Self::revision`]. A revision that is not there or does not compile is told apart from
    /// a store that cannot be read at the moment.
    pub(crate) async fn find_revision(&self, id: &str) -> Result<Arc<Revision>, LoadError> {
        if let Some(revision) = self.inner.catalogue.cached(id) {
            return Ok(revision);
        }
        let key = format!("revision/{id}");
        let found = self.store().documents(&key).await?;
        let (_, bytes) = found
            .into_iter()
            .find(|(found, _)| *found == key)
            .ok_or_else(|| LoadError::Unreadable(format!("there is no revision `{id}`")))?;
        let revision = Revision::read(id, &bytes, &self.inner.options)
            .map_err(|error| LoadError::Unreadable(error.to_string()))?;
        let revision = Arc::new(revision);
        self.inner.catalogue.cache(revision.clone());
        Ok(revision)
    }

    /// Takes in machines and activities that other nodes have changed.
    pub(crate) fn take_in_documents(&self, changes: DocumentChanges) -> Result<(), StoreError> {
        let broken = |key: &str| StoreError::new(format!("the document `{key}` cannot be read"));
        let catalogue = &self.inner.catalogue;
        for (key, bytes) in changes {
            match (key.split_once('/'), bytes) {
                (Some(("machine", arn)), Some(bytes)) => {
                    let machine = Machine::read(arn, &bytes).ok_or_else(|| broken(&key))?;
                    catalogue.machines.write().insert(arn.to_owned(), Arc::new(machine));
                }
                (Some(("machine", arn)), None) => {
                    catalogue.machines.write().remove(arn);
                    self.inner.recent.clear();
                }
                (Some(("activity", arn)), Some(bytes)) => {
                    let activity = Activity::read(arn, &bytes).ok_or_else(|| broken(&key))?;
                    self.inner.activities.open(arn);
                    catalogue.activities.write().insert(arn.to_owned(), Arc::new(activity));
                }
                (Some(("activity", arn)), None) => {
                    self.inner.activities.close(arn);
                    catalogue.activities.write().remove(arn);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Stores a machine, and a new revision of it if there is one.
    pub async fn put_machine(
        &self,
        machine: Machine,
        revision: Option<Arc<Revision>>,
    ) -> Result<(), StoreError> {
        let mut documents = vec![(format!("machine/{}", machine.arn), Some(machine.write()))];
        if let Some(revision) = &revision {
            documents.push((format!("revision/{}", revision.id), Some(revision.write())));
            documents
                .push((format!("revisions/{}/{}", machine.arn, revision.id), Some(Vec::new())));
        }
        self.store().put(documents).await?;
        if let Some(revision) = revision {
            self.inner.catalogue.cache(revision);
        }
        let mut machines = self.inner.catalogue.machines.write();
        machines.insert(machine.arn.clone(), Arc::new(machine));
        Ok(())
    }

    /// Stores a revision that executions of a machine may run and that is none of the machine's own: it
    /// has no version, and new executions do not run it. It is kept as long as the machine.
    pub async fn put_revision(
        &self,
        machine: &str,
        revision: Arc<Revision>,
    ) -> Result<(), StoreError> {
        let documents = vec![
            (format!("revision/{}", revision.id), Some(revision.write())),
            (format!("revisions/{machine}/{}", revision.id), Some(Vec::new())),
        ];
        self.store().put(documents).await?;
        self.inner.catalogue.cache(revision);
        Ok(())
    }

    /// To be held by whoever starts an execution, from the look at its machine until the start is
    /// durable. A machine that is deleted meanwhile waits for it.
    pub async fn starting(&self) -> tokio::sync::RwLockReadGuard<'_, ()> {
        self.inner.starting.read().await
    }

    /// Waits until every start that is under way is durable or has failed.
    pub async fn starts_settled(&self) {
        drop(self.inner.starting.write().await);
    }

    /// Removes a machine that is being deleted and has no running executions, with everything that
    /// is kept of it. Revisions that a child of a map run still needs are removed at the next start.
    pub async fn remove_machine(&self, arn: &str) -> Result<(), StoreError> {
        self.store().forget_machine(arn).await?;
        let mut changes = self.revisions_to_remove(arn).await?;
        changes.push((format!("machine/{arn}"), None));
        self.store().put(changes).await?;
        self.inner.catalogue.machines.write().remove(arn);
        self.inner.recent.clear();
        Ok(())
    }

    /// The changes that remove the revisions of a machine; none while an execution needs them.
    async fn revisions_to_remove(&self, arn: &str) -> Result<DocumentChanges, StoreError> {
        let mut after = None;
        loop {
            let rows = self.store().live(&Shards::ALL, after.as_ref(), LIVE_AT_ONCE).await?;
            if rows.iter().any(|row| row.about.machine == arn) {
                return Ok(Vec::new());
            }
            let Some(last) = rows.into_iter().next_back() else { break };
            after = Some(last);
        }
        let mut ids: BTreeSet<String> = BTreeSet::new();
        // A machine that an earlier release has stored has revisions that only it knows of.
        if let Some(machine) = self.catalogue().machine(arn) {
            ids.extend([machine.revision.clone(), machine.first_revision.clone()]);
            ids.extend(machine.versions.iter().map(|version| version.revision.clone()));
        }
        let prefix = format!("revisions/{arn}/");
        let known = self.store().documents(&prefix).await?;
        ids.extend(known.iter().filter_map(|(key, _)| Some(key.strip_prefix(&prefix)?.to_owned())));
        let mut revisions = self.inner.catalogue.revisions.lock();
        for id in &ids {
            revisions.remove(id);
        }
        let documents = known.into_iter().map(|(key, _)| key);
        let documents = documents.chain(ids.iter().map(|id| format!("revision/{id}")));
        Ok(documents.map(|key| (key, None)).collect())
    }

    /// Removes the revisions of machines that are gone.
    pub(crate) async fn remove_old_revisions(&self) -> Result<(), StoreError> {
        let known = self.store().documents("revisions/").await?;
        let machines: BTreeSet<&str> = known
            .iter()
            .filter_map(|(key, _)| Some(key.strip_prefix("revisions/")?.rsplit_once('/')?.0))
            .collect();
        for arn in machines {
            let _changing = self.changing().await;
            if self.catalogue().machine(arn).is_none() {
                let changes = self.revisions_to_remove(arn).await?;
                self.store().put(changes).await?;
            }
        }
        Ok(())
    }

    /// Stores an activity.
    pub async fn put_activity(&self, activity: Activity) -> Result<(), StoreError> {
        let key = format!("activity/{}", activity.arn);
        self.store().put(vec![(key, Some(activity.write()))]).await?;
        self.inner.activities.open(&activity.arn);
        let mut activities = self.inner.catalogue.activities.write();
        activities.insert(activity.arn.clone(), Arc::new(activity));
        Ok(())
    }

    /// Removes an activity.
    pub async fn remove_activity(&self, arn: &str) -> Result<(), StoreError> {
        self.store().put(vec![(format!("activity/{arn}"), None)]).await?;
        self.inner.activities.close(arn);
        self.inner.catalogue.activities.write().remove(arn);
        Ok(())
    }
}
