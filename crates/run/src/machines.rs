use crate::ROLE;
use std::collections::BTreeMap;
use std::sync::Arc;
use stepwright_engine::{Engine, Machine, MachineStatus, Revision};
use stepwright_program::Program;
use stepwright_projects::Projects;
use stepwright_store::StoreError;

/// What is run, and what it may start.
#[derive(Debug)]
pub struct Machines {
    /// The machine that is meant.
    pub main: Runnable,
    /// Those that executions of it may start.
    pub others: Vec<Runnable>,
    /// The project that they belong to, if they do.
    pub project: Option<Projects>,
}

/// A state machine that can be run.
#[derive(Clone, Debug)]
pub struct Runnable {
    /// Its ARN, which ends in its name.
    pub arn: String,
    /// Whether its executions are Express executions.
    pub is_express: bool,
    /// The definition.
    pub definition: String,
    /// What it compiles to.
    pub program: Arc<Program>,
}

impl Machines {
    /// Creates the machines; the one that is meant.
    pub(crate) async fn create(
        &self,
        engine: &Engine,
    ) -> Result<(Arc<Machine>, Arc<Revision>), StoreError> {
        for other in &self.others {
            other.create(engine).await?;
        }
        self.main.create(engine).await
    }

    /// The programs of the machines that can be started, by ARN.
    pub(crate) fn programs(&self) -> BTreeMap<String, Arc<Program>> {
        let all = self.others.iter().chain([&self.main]);
        all.map(|machine| (machine.arn.clone(), machine.program.clone())).collect()
    }
}

impl Runnable {
    /// Its name.
    pub fn name(&self) -> &str {
        self.arn.rsplit(':').next().unwrap_or_default()
    }

    async fn create(&self, engine: &Engine) -> Result<(Arc<Machine>, Arc<Revision>), StoreError> {
        let now = engine.options().clock.now().0;
        let revision = Arc::new(Revision {
            id: engine.new_uuid(),
            definition: self.definition.clone(),
            role_arn: ROLE.to_owned(),
            is_express: self.is_express,
            logging: None,
            is_traced: false,
            encryption: None,
            created_at: now,
            program: self.program.clone(),
        });
        let machine = Machine {
            arn: self.arn.clone(),
            name: self.name().to_owned(),
            is_express: self.is_express,
            status: MachineStatus::Active,
            created_at: now,
            updated_at: now,
            revision: revision.id.clone(),
            first_revision: revision.id.clone(),
            tags: BTreeMap::new(),
            versions: Vec::new(),
            last_version: 0,
            aliases: BTreeMap::new(),
        };
        engine.put_machine(machine.clone(), Some(revision.clone())).await?;
        Ok((Arc::new(machine), revision))
    }
}
