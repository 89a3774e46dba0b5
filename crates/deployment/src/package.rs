//! The folders of tasks, of event processors, and of the functions that start machines.

use crate::complaint::{Complaints, Refused, Subject};
use crate::event_processor::folder;
use crate::names::id;
use crate::plan::{Plan, Processor};
use crate::{File, dead_letters, imports, runner};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use stepwright_fluxio::Task;
use stepwright_json::Json;

/// The largest size of a function's folder in bytes.
const MOST_BYTES: usize = 250 * 1024 * 1024;

/// The files in every folder.
const RUNTIME: &[(&str, &str)] = &[
    (
        "stepwright_fluxio/__init__.py",
        include_str!("../../../python/stepwright_fluxio/__init__.py"),
    ),
    ("stepwright_fluxio/context.py", include_str!("../../../python/stepwright_fluxio/context.py")),
    (
        "stepwright_fluxio/state_data.py",
        include_str!("../../../python/stepwright_fluxio/state_data.py"),
    ),
    (
        "stepwright_fluxio/worker_base.py",
        include_str!("../../../python/stepwright_fluxio/worker_base.py"),
    ),
    (
        "stepwright_fluxio/aws/__init__.py",
        include_str!("../../../python/stepwright_fluxio/aws/__init__.py"),
    ),
    CLIENTS,
    (
        "stepwright_fluxio/aws/context.py",
        include_str!("../../../python/stepwright_fluxio/aws/context.py"),
    ),
    (
        "stepwright_fluxio/aws/state_data.py",
        include_str!("../../../python/stepwright_fluxio/aws/state_data.py"),
    ),
    (
        "stepwright_fluxio/aws/task.py",
        include_str!("../../../python/stepwright_fluxio/aws/task.py"),
    ),
    (
        "ns_sfn_task_entry_points/__init__.py",
        include_str!("../../../python/ns_sfn_task_entry_points/__init__.py"),
    ),
    (
        "ns_sfn_task_entry_points/ecs_worker_app.py",
        include_str!("../../../python/ns_sfn_task_entry_points/ecs_worker_app.py"),
    ),
];

const CLIENTS: (&str, &str) = (
    "stepwright_fluxio/aws/clients.py",
    include_str!("../../../python/stepwright_fluxio/aws/clients.py"),
);
const FUNCTION: (&str, &str) = (
    "stepwright_fluxio/aws/function.py",
    include_str!("../../../python/stepwright_fluxio/aws/function.py"),
);
const ECS: (&str, &str) =
    ("stepwright_fluxio/aws/ecs.py", include_str!("../../../python/stepwright_fluxio/aws/ecs.py"));
const WORKER: (&str, &str) = (
    "stepwright_fluxio/aws/worker.py",
    include_str!("../../../python/stepwright_fluxio/aws/worker.py"),
);
const RUNNER: (&str, &str) = (
    "stepwright_fluxio/aws/runner.py",
    include_str!("../../../python/stepwright_fluxio/aws/runner.py"),
);
const STARTER: (&str, &str) = (
    "stepwright_fluxio/aws/starter.py",
    include_str!("../../../python/stepwright_fluxio/aws/starter.py"),
);
const DEAD_LETTERS: (&str, &str) = (
    "stepwright_fluxio/aws/dead_letters.py",
    include_str!("../../../python/stepwright_fluxio/aws/dead_letters.py"),
);
const PROCESSOR: (&str, &str) = (
    "stepwright_fluxio/aws/processor.py",
    include_str!("../../../python/stepwright_fluxio/aws/processor.py"),
);
const EVENTS: (&str, &str) =
    ("stepwright_fluxio/events.py", include_str!("../../../python/stepwright_fluxio/events.py"));
const LOCAL_TASK: (&str, &str) =
    ("stepwright_fluxio/task.py", include_str!("../../../python/stepwright_fluxio/task.py"));
const TELEMETRY: (&str, &str) = (
    "stepwright_fluxio/aws/telemetry.py",
    include_str!("../../../python/stepwright_fluxio/aws/telemetry.py"),
);

/// Packages that are always in the folder, and cannot be taken from beside the project.
const OWN: [&str; 5] = [
    "stepwright_fluxio",
    "ns_sfn_task_entry_points",
    "fluxio_task",
    "fluxio_events",
    "fluxio_settings",
];

/// The files of all folders.
pub(crate) fn files(plan: &Plan<'_>) -> Result<Vec<File>, Refused> {
    let mut complaints = Complaints::about(plan.project);
    let mut files = Vec::new();
    for (name, task) in &plan.tasks {
        if task.service() == "codebuild" {
            continue;
        }
        let folder = of_task(plan, name, task);
        if task.service() == "lambda" {
            check_size(Subject::task(name), &folder, &mut complaints);
        }
        files.extend(folder.within(&format!("tasks/{name}")));
    }
    for machine in &plan.machines {
        let processor = match machine.processor() {
            Processor::None => continue,
            Processor::Default => None,
            Processor::Own(class) => plan.project.event_processors.get(class),
        };
        let mut of_machine = Folder::new();
        of_machine.add_all(&[PROCESSOR, TELEMETRY, EVENTS, LOCAL_TASK]);
        if let Some(processor) = processor {
            of_machine.text("fluxio_events.py", &format!("{}\n", processor.source));
            of_machine.add_packages(plan, imports::of(&processor.source));
            of_machine.add_requirements(plan, "");
        }
        check_size(Subject::machine(machine.name), &of_machine, &mut complaints);
        files.extend(of_machine.within(&folder(machine.name)));
    }
    if plan.machines.iter().any(|machine| !machine.sources().is_empty()) {
        files.extend(Folder::alone(STARTER).within("starter"));
    }
    if plan.on("ecs:worker").next().is_some() {
        files.extend(Folder::alone(DEAD_LETTERS).within(dead_letters::FOLDER));
    }
    complaints.or_ok(files)
}

fn check_size(subject: Subject, folder: &Folder, complaints: &mut Complaints) {
    let bytes: usize = folder.0.values().map(|content| content.len()).sum();
    if bytes > MOST_BYTES {
        let message = format!("its folder has {bytes} bytes; Lambda takes 250 MB");
        complaints.add(subject, message, "use the service `lambda:container` or `ecs`");
    }
}

fn of_task(plan: &Plan<'_>, name: &str, task: &Task) -> Folder {
    let mut folder = Folder::new();
    let mut packages = BTreeSet::new();
    if let Some(run) = &task.run {
        folder.text("fluxio_task.py", &run.module());
        packages.extend(imports::of(&run.source));
    }
    match task.service() {
        "lambda" => {
            folder.add_all(&[FUNCTION]);
            folder.add_requirements(plan, "");
        }
        "lambda:container" => {
            folder.add_all(&[FUNCTION]);
            let has_requirements = folder.add_requirements(plan, "");
            folder.text("Dockerfile", &function_image(has_requirements));
        }
        "lambda:pexpm-runner" => {
            folder.add_all(&[RUNNER]);
            folder.text("fluxio_settings.py", &settings(plan, name));
            folder.add_requirements(plan, "boto3\n");
        }
        "ecs:worker" => {
            folder.add_all(&[WORKER]);
            let spec = task.attributes.get("spec").and_then(Json::as_str);
            let module = spec.unwrap_or_default().split([':', '.']).next().unwrap_or_default();
            packages.insert(module.to_owned());
            folder.add_requirements(plan, "boto3\n");
            folder.text("Dockerfile", &task_image("worker"));
        }
        _ => {
            folder.add_all(&[ECS]);
            folder.add_requirements(plan, "boto3\n");
            folder.text("Dockerfile", &task_image("ecs"));
        }
    }
    folder.add_packages(plan, packages);
    if task.service() == "lambda:pexpm-runner" {
        let package = runner_package(name, &folder.modules());
        folder.text("pyproject.toml", &package);
    }
    folder
}

/// The image of a function. Lambda's base image already contains boto3.
fn function_image(has_requirements: bool) -> String {
    let install = if has_requirements {
        "COPY requirements.txt .\nRUN pip install --no-cache-dir --requirement requirements.txt\n"
    } else {
        ""
    };
    format!(
        "FROM public.ecr.aws/lambda/python:3.12\n{install}COPY . ${{LAMBDA_TASK_ROOT}}/\n\
         CMD [\"stepwright_fluxio.aws.function.handler\"]\n"
    )
}

fn task_image(entry: &str) -> String {
    format!(
        "FROM public.ecr.aws/docker/library/python:3.12-slim\nWORKDIR /task\n\
         COPY requirements.txt .\n\
         RUN pip install --no-cache-dir --requirement requirements.txt\n\
         COPY . .\nENV PYTHONUNBUFFERED=1\nUSER nobody\n\
         CMD [\"python\", \"-m\", \"stepwright_fluxio.aws.{entry}\"]\n"
    )
}

/// The `pyproject.toml` from which the PEX is built. Its command has the package's name and takes
/// `run` as an argument.
fn runner_package(task: &str, modules: &[&str]) -> String {
    let name = runner::package_name(&id(task));
    let modules: Json = modules.iter().copied().map(Json::from).collect::<Vec<_>>().into();
    format!(
        "[build-system]\nrequires = [\"setuptools>=61\"]\nbuild-backend = \"setuptools.build_meta\"\n\n\
         [project]\nname = \"{name}\"\nversion = \"1\"\ndynamic = [\"dependencies\"]\n\n\
         [project.scripts]\n{name} = \"stepwright_fluxio.aws.runner:main\"\n\n\
         [tool.setuptools]\npy-modules = {modules}\n\n\
         [tool.setuptools.dynamic]\ndependencies = {{ file = [\"requirements.txt\"] }}\n\n\
         [tool.setuptools.package-data]\n\"*\" = [\"*\"]\n\n\
         [tool.setuptools.packages.find]\nnamespaces = true\n"
    )
}

/// Settings that a task cannot read from its environment, because the environment is the runner's.
fn settings(plan: &Plan<'_>, task: &str) -> String {
    let machines: Vec<Json> = plan.users(task).map(|machine| machine.name.into()).collect();
    let project = Json::from(plan.names.project.as_str());
    let (task, machines) = (Json::from(task), Json::from(machines));
    format!("PROJECT = {project}\nTASK = {task}\nMACHINES = {machines}\n")
}

/// The files of one folder.
struct Folder(BTreeMap<String, Arc<[u8]>>);

impl Folder {
    fn new() -> Self {
        let mut folder = Self(BTreeMap::new());
        folder.add_all(RUNTIME);
        folder
    }

    /// A folder with one module, which needs nothing but the SDK.
    fn alone(module: (&str, &str)) -> Self {
        let mut folder = Self(BTreeMap::new());
        let packages =
            [("stepwright_fluxio/__init__.py", ""), ("stepwright_fluxio/aws/__init__.py", "")];
        folder.add_all(&packages);
        folder.add_all(&[CLIENTS, module]);
        folder
    }

    fn add_all(&mut self, files: &[(&str, &str)]) {
        for (path, text) in files {
            self.text(path, text);
        }
    }

    fn text(&mut self, path: &str, text: &str) {
        self.0.insert(path.to_owned(), text.as_bytes().into());
    }

    /// Adds packages that stand beside the project, and the packages that these import. All other
    /// packages must be installed.
    fn add_packages(&mut self, plan: &Plan<'_>, packages: BTreeSet<String>) {
        let mut known: BTreeSet<String> = packages.clone();
        let mut open: Vec<String> = packages.into_iter().collect();
        while let Some(package) = open.pop() {
            if OWN.contains(&package.as_str()) {
                continue;
            }
            for file in (plan.origin.packages)(&package) {
                if Path::new(&file.path).extension().is_some_and(|ending| ending == "py")
                    && let Ok(text) = std::str::from_utf8(&file.content)
                {
                    for package in imports::of(text) {
                        if known.insert(package.clone()) {
                            open.push(package);
                        }
                    }
                }
                self.0.insert(file.path, file.content);
            }
        }
    }

    /// The modules that are not in a package.
    fn modules(&self) -> Vec<&str> {
        let files = self.0.keys().filter(|path| !path.contains('/'));
        files.filter_map(|path| path.strip_suffix(".py")).collect()
    }

    /// Adds the file of packages to install. Returns whether there are any.
    fn add_requirements(&mut self, plan: &Plan<'_>, always: &str) -> bool {
        let requirements = format!("{always}{}", plan.origin.requirements.unwrap_or_default());
        if !requirements.is_empty() {
            self.text("requirements.txt", &requirements);
        }
        !requirements.is_empty()
    }

    fn within(self, folder: &str) -> impl Iterator<Item = File> {
        let folder = folder.to_owned();
        self.0
            .into_iter()
            .map(move |(path, content)| File { path: format!("{folder}/{path}"), content })
    }
}
