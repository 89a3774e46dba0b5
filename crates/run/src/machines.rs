use crate::ROLE;
use std::collections::BTreeMap;
use std::sync::Arc;
use stepwright_engine::{Engine, Machine, Revision};
use stepwright_program::Program;
use stepwright_projects::Projects;
use stepwright_simulator::Mocks;
use stepwright_store::StoreError;

/// The machines of a run.
#[derive(Debug)]
pub struct Machines {
    /// The machine to run.
    pub main: Runnable,
    /// Machines that its executions may start.
    pub others: Vec<Runnable>,
    /// The project that the machines belong to, if any.
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
    /// The compiled definition.
    pub program: Arc<Program>,
}

impl Machines {
    /// The machines as mocks run them.
    pub(crate) fn mocked(&self, mocks: &Mocks) -> Self {
        let mocked = |machine: &Runnable| Runnable {
            program: mocks.applied_to(&machine.program),
            ..machine.clone()
        };
        Self {
            main: mocked(&self.main),
            others: self.others.iter().map(mocked).collect(),
            project: self.project.clone(),
        }
    }

    /// Creates the machines in the engine. Returns the one to run.
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
    pub fn programs(&self) -> BTreeMap<String, Arc<Program>> {
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
        let (id, program) = (engine.new_uuid(), self.program.clone());
        let revision = Arc::new(Revision {
            is_express: self.is_express,
            created_at: engine.now().0,
            ..Revision::new(id, self.definition.clone(), ROLE.to_owned(), program)
        });
        let machine = Machine::new(self.arn.clone(), &revision);
        engine.put_machine(machine.clone(), Some(revision.clone())).await?;
        Ok((Arc::new(machine), revision))
    }
}
