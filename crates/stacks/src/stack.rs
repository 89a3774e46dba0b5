//! A stack: the resources of a template, made in the order in which they need each other.

use crate::dynamic;
use crate::expand;
use crate::functions;
use crate::names::{self, Values};
use crate::request;
use crate::resources;
use crate::resources::machines::{self, Alias};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use stepwright_asl::{Resource, Template};
use stepwright_aws::codec::{Message, ServiceError};
use stepwright_aws::table;
use stepwright_functions::{Function, Place};
use stepwright_json::{Json, Object, Str, json};
use stepwright_services::{Caller, Services, Source};
use stepwright_source::Span;

/// What a stack is deployed with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The services that make its resources.
    pub services: Services,
    /// The account and the region of its ARNs.
    pub place: Place,
    /// The folder of the template, where the code of functions is looked up.
    pub folder: PathBuf,
    /// A folder for code that stands in the template itself.
    pub inline_code: PathBuf,
    /// Values that the user gives to parameters, or to what only AWS knows (`Vpc.Id`).
    pub given: BTreeMap<String, String>,
}

/// A stack of this machine.
#[derive(Clone, Debug)]
pub struct Stack {
    /// Its name: `AWS::StackName`.
    pub name: String,
    pub(crate) setup: Setup,
    caller: Caller,
    /// What was made last time, by logical id. Until the store has been asked, `None`.
    records: Option<BTreeMap<String, Record>>,
}

/// What was made of a resource.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    pub(crate) kind: String,
    pub(crate) properties: Json,
    pub(crate) values: Values,
}

/// The result of a deployment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Deployed {
    /// What was made or changed. What is as it was is not in it.
    pub done: Vec<Done>,
    /// What was not made.
    pub left_out: Vec<LeftOut>,
    /// The types that a machine of one's own needs none of, such as roles and log groups, and how many
    /// of each there are.
    pub unneeded: BTreeMap<String, usize>,
    /// Resources that the template has no longer. They stay as they are.
    pub gone: Vec<String>,
    /// The values of parameters, and of `Ref` (`Orders`) and `GetAtt` (`Orders.Arn`).
    pub values: BTreeMap<String, String>,
    /// The functions, by name. Relative paths in them start at the current directory.
    pub functions: BTreeMap<String, Function>,
    /// The queues that functions get messages of.
    pub sources: Vec<Source>,
    /// The names of activities.
    pub activities: Vec<String>,
    /// Aliases of state machines.
    pub aliases: Vec<Alias>,
}

/// A resource that was made or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Its type.
    pub kind: String,
    /// Its logical id.
    pub logical_id: String,
    /// Its name in the service.
    pub name: String,
    /// Whether it was there before, and was changed.
    pub is_update: bool,
}

/// Something of a template that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The type of the resource.
    pub kind: String,
    /// Its logical id.
    pub logical_id: String,
    /// What is left out, and why: `its property StreamSpecification is not served here`.
    pub why: String,
    /// Where the resource stands in the template.
    pub span: Span,
}

/// What a resource's maker has to say.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) name: String,
    pub(crate) values: Values,
    /// Whether it was there already, and how.
    pub(crate) was: Was,
    /// What of it is not there.
    pub(crate) left_out: Vec<String>,
}

/// What was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Was {
    Nothing,
    Other,
    Same,
}

impl Made {
    pub(crate) fn new(name: impl Into<String>, values: Values) -> Self {
        Self { name: name.into(), values, was: Was::Nothing, left_out: Vec::new() }
    }
}

impl Stack {
    /// A stack with this name.
    pub fn new(name: &str, setup: Setup) -> Self {
        let caller = Caller { url: setup.services.url(), id: name.to_owned(), ..Caller::default() };
        Self { name: name.to_owned(), setup, caller, records: None }
    }

    /// Makes what the template declares, and changes what it declares otherwise than last time. What
    /// cannot be made is left out, and said.
    pub async fn deploy(&mut self, template: &Template) -> Deployed {
        let mut deployed = Deployed::default();
        let mut values = self.pseudo_parameters();
        values.extend(self.setup.given.clone());
        let before = self.records().await;
        self.parameters(template, &mut values, &mut deployed).await;
        for resource in expand::all(template, &values, &self.setup.place) {
            if let Some(known) = names::known(&resource, &self.setup.place) {
                self.remember(&resource.logical_id, &known, &mut values);
            }
        }
        let mut layers = BTreeMap::new();
        let mut over: BTreeSet<String> = BTreeSet::new();
        loop {
            let resources = expand::all(template, &values, &self.setup.place);
            let ids: BTreeSet<&str> = resources.iter().map(|one| one.logical_id.as_str()).collect();
            // What is made in this round is known in the next one only.
            let before_round = over.clone();
            let left = resources.iter().filter(|one| !over.contains(&one.logical_id));
            let left: Vec<&Resource> = left.collect();
            for resource in &left {
                let waits = |name: &str| {
                    let id = name.split('.').next().unwrap_or(name);
                    ids.contains(id) && !before_round.contains(id) && id != resource.logical_id
                };
                if resource.unknown.iter().any(|name| waits(name))
                    || resource.depends_on.iter().any(|name| waits(name))
                {
                    continue;
                }
                let last = before.get(&resource.logical_id);
                self.make(resource, last, &mut values, &mut layers, &mut deployed).await;
                over.insert(resource.logical_id.clone());
            }
            if over.len() == before_round.len() {
                for resource in left {
                    let unknown: Vec<&str> = resource.unknown.iter().map(String::as_str).collect();
                    let why = format!("it waits for {}, which waits for it", unknown.join(", "));
                    deployed.leave_out(resource, why);
                }
                break;
            }
        }
        let is_gone = |id: &&String| !over.contains(*id);
        deployed.gone = before.keys().filter(is_gone).cloned().collect();
        for id in &deployed.gone {
            self.forget(id).await;
        }
        deployed.values = values;
        deployed
    }

    fn pseudo_parameters(&self) -> BTreeMap<String, String> {
        let Place { account, region } = &self.setup.place;
        let stack = format!("arn:aws:cloudformation:{region}:{account}:stack/{0}/{0}", self.name);
        [
            ("AWS::AccountId", account.as_str()),
            ("AWS::Region", region),
            ("AWS::StackName", &self.name),
            ("AWS::StackId", &stack),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
    }

    /// The values of parameters. Some are the names of parameters of Systems Manager.
    async fn parameters(
        &self,
        template: &Template,
        values: &mut BTreeMap<String, String>,
        deployed: &mut Deployed,
    ) {
        for (name, kind, default) in template.parameters() {
            let given = values.get(&name).cloned().or(default);
            let is_stored = kind.starts_with("AWS::SSM::Parameter::Value");
            let why = match given {
                None => format!("it has no value: give it one with `--set {name}=…`"),
                Some(text) if is_stored => match dynamic::parameter(self, &text).await {
                    Ok(value) => {
                        values.insert(name, value);
                        continue;
                    }
                    // What bootstraps the CDK matters to AWS only.
                    Err(_) if text.starts_with("/cdk-bootstrap/") => continue,
                    Err(why) => why,
                },
                Some(text) => {
                    values.insert(name, text);
                    continue;
                }
            };
            deployed.left_out.push(LeftOut {
                kind: "parameter".to_owned(),
                logical_id: name,
                why,
                span: Span::default(),
            });
        }
    }

    fn remember(&self, id: &str, made: &Values, values: &mut BTreeMap<String, String>) {
        let mut put = |name: String, value: &str| {
            if !self.setup.given.contains_key(&name) {
                values.insert(name, value.to_owned());
            }
        };
        put(id.to_owned(), &made.reference);
        for (attribute, value) in &made.attributes {
            put(format!("{id}.{attribute}"), value);
        }
    }

    async fn make(
        &mut self,
        resource: &Resource,
        last: Option<&Record>,
        values: &mut BTreeMap<String, String>,
        layers: &mut BTreeMap<String, PathBuf>,
        deployed: &mut Deployed,
    ) {
        let mut resource = resource.clone();
        if let Err(why) = dynamic::resolve(self, &mut resource.properties).await {
            return deployed.leave_out(&resource, why);
        }
        let resource = &resource;
        let kind = resource.kind.as_str();
        if functions::is_layer(kind) {
            match functions::layer(resource, &self.setup.folder) {
                Ok(folder) => {
                    layers.insert(values[&resource.logical_id].clone(), folder);
                }
                Err(why) => deployed.leave_out(resource, why),
            }
            return;
        }
        if functions::is_function(kind) {
            let made = functions::function(resource, &self.setup, layers);
            for why in made.left_out {
                deployed.leave_out(resource, why);
            }
            if let Some(function) = made.function {
                deployed.functions.insert(names::name(resource), function);
            }
            return;
        }
        if functions::is_source(kind) {
            match functions::source(resource) {
                Ok(source) => deployed.sources.extend(source),
                Err(why) => deployed.leave_out(resource, why),
            }
            return;
        }
        if machines::is_one(kind) {
            let made = machines::values(resource, values, deployed);
            if let Some(made) = made {
                self.remember(&resource.logical_id, &made, values);
            }
            return;
        }
        if !resources::is_made(kind) {
            if resources::unneeded(kind) {
                *deployed.unneeded.entry(kind.to_owned()).or_default() += 1;
            } else {
                deployed.leave_out(resource, "this type is not served here".to_owned());
            }
            return;
        }
        let last = last.filter(|last| last.kind == kind);
        match resources::make(self, resource, last).await {
            Ok(made) => {
                self.remember(&resource.logical_id, &made.values, values);
                for why in made.left_out {
                    deployed.leave_out(resource, why);
                }
                if made.was != Was::Same {
                    deployed.done.push(Done {
                        kind: kind.to_owned(),
                        logical_id: resource.logical_id.clone(),
                        name: made.name,
                        is_update: made.was == Was::Other,
                    });
                }
                let record = Record {
                    kind: kind.to_owned(),
                    properties: resource.properties.clone(),
                    values: made.values,
                };
                if last != Some(&record) {
                    self.keep(&resource.logical_id, record).await;
                }
            }
            Err(why) => deployed.leave_out(resource, why),
        }
    }

    /// Calls an operation of a local service.
    pub(crate) async fn call(
        &self,
        service: &str,
        operation: &str,
        input: Json,
    ) -> Result<Json, ServiceError> {
        let unknown = || ServiceError {
            code: "UnsupportedOperation".to_owned(),
            message: format!("there is no operation `{operation}` of `{service}`"),
            ..ServiceError::default()
        };
        let service = table::service(service).map_err(|_| unknown())?;
        let operation = service.operation(operation).ok_or_else(unknown)?;
        let message = Message::from(input);
        let reply = self.setup.services.call(service, operation, message, &self.caller).await?;
        Ok(reply.message.value)
    }

    /// The same, with an error that is told.
    pub(crate) async fn told(
        &self,
        service: &str,
        operation: &str,
        input: Json,
    ) -> Result<Json, String> {
        self.call(service, operation, input).await.map_err(|error| said(&error))
    }

    /// Properties as the parameters of an operation, and what of them is not there.
    pub(crate) fn parameters_of(
        &self,
        service: &str,
        operation: &str,
        properties: &Json,
    ) -> (Object, Vec<String>) {
        let takes = self.setup.services.operations(service);
        let takes = takes.iter().find(|one| one.operation == operation);
        let takes = takes.map_or(&[] as &[&str], |one| one.parameters);
        let found = table::service(service).ok();
        let found = found.and_then(|service| Some((service, service.operation(operation)?)));
        let Some((service, operation)) = found else { return (Object::new(), Vec::new()) };
        let (parameters, foreign) = request::parameters(service, operation, properties, takes);
        let foreign = foreign.into_iter().map(|name| without(&name)).collect();
        (parameters, foreign)
    }

    async fn records(&mut self) -> BTreeMap<String, Record> {
        if self.records.is_none() {
            let kept = self.setup.services.stack(&self.name).await;
            let read = kept.into_iter().filter_map(|(id, value)| Some((id, Record::read(&value)?)));
            self.records = Some(read.collect());
        }
        self.records.clone().unwrap_or_default()
    }

    async fn keep(&mut self, id: &str, record: Record) {
        self.setup.services.keep_in_stack(&self.name, id, Some(record.write())).await;
        self.records.get_or_insert_default().insert(id.to_owned(), record);
    }

    async fn forget(&mut self, id: &str) {
        self.setup.services.keep_in_stack(&self.name, id, None).await;
        self.records.get_or_insert_default().remove(id);
    }
}

/// What is said of a property that is left out.
pub(crate) fn without(property: &str) -> String {
    format!("its property `{property}` is not served here")
}

/// What is said of a service's error.
pub(crate) fn said(error: &ServiceError) -> String {
    format!("{} ({})", error.message, error.code)
}

impl Deployed {
    pub(crate) fn leave_out(&mut self, resource: &Resource, why: String) {
        self.left_out.push(LeftOut {
            kind: resource.kind.clone(),
            logical_id: resource.logical_id.clone(),
            why,
            span: resource.span,
        });
    }
}

impl Record {
    fn write(&self) -> Json {
        let attributes = self.values.attributes.iter();
        let attributes =
            attributes.map(|(name, value)| (Str::from(name.as_str()), Json::from(value.as_str())));
        json!({
            "type": (self.kind.as_str()),
            "properties": (self.properties.clone()),
            "reference": (self.values.reference.as_str()),
            "attributes": (attributes.collect::<Object>())
        })
    }

    fn read(value: &Json) -> Option<Self> {
        let attributes = value.get("attributes")?.as_object()?.iter();
        let attributes = attributes
            .filter_map(|(name, value)| Some((name.to_string(), value.as_str()?.to_owned())));
        Some(Self {
            kind: value.get("type")?.as_str()?.to_owned(),
            properties: value.get("properties")?.clone(),
            values: Values {
                reference: value.get("reference")?.as_str()?.to_owned(),
                attributes: attributes.collect(),
            },
        })
    }
}
