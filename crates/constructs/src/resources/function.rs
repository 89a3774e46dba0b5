use crate::iam::Statement;
use crate::object;
use crate::resources::{Bucket, Handle, RemovalPolicy, Resource, Role, logical_id};
use crate::text::{Text, Token, local_arn, text};
use crate::value::Value;
use std::time::Duration;

/// A Lambda function.
///
/// ```
/// use stepwright_constructs::prelude::*;
///
/// let known = Function::from_name("billing");
/// let defined = Function::new("Echo", Code::inline("exports.handler = async (e) => e;"));
/// let chain = LambdaInvoke::new("Bill", &known).next(LambdaInvoke::new("Echo it", &defined));
/// assert!(StateMachine::new("Billing", chain).template().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    handle: Handle,
    defined: Option<Box<Defined>>,
    /// The resources of an alias or a version.
    extra: Vec<Resource>,
    qualified: bool,
    /// Settings that a function that exists already cannot be given.
    useless: Vec<&'static str>,
}

#[derive(Clone, Debug, PartialEq)]
struct Defined {
    id: String,
    code: Code,
    runtime: String,
    handler: String,
    timeout: Option<Duration>,
    memory: Option<u32>,
    environment: Vec<(String, Text)>,
    statements: Vec<Statement>,
    role: Option<Role>,
    architecture: Option<Architecture>,
    name: Option<Text>,
    description: Option<String>,
    removal: Option<RemovalPolicy>,
}

/// The processor of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// AWS's own processors.
    Arm64,
    /// Intel and AMD.
    X86_64,
}

impl Architecture {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "x86_64",
        }
    }
}

/// The code of a function.
#[derive(Clone, Debug, PartialEq)]
pub enum Code {
    /// The text of a file `index`, in Node.js or Python.
    Inline(String),
    /// A package in a bucket, by its key.
    S3(Bucket, String),
    /// A container image.
    Image(Text),
}

impl Code {
    /// The text of a file `index`, in Node.js or Python.
    pub fn inline(code: impl Into<String>) -> Self {
        Self::Inline(code.into())
    }

    /// A package in a bucket, by its key.
    #[doc(alias = "fromBucket")]
    pub fn from_bucket(bucket: impl Into<Bucket>, key: impl Into<String>) -> Self {
        Self::S3(bucket.into(), key.into())
    }
}

impl Function {
    /// Defines a function with its own role. By default it runs on Node.js and its handler is
    /// `index.handler`.
    pub fn new(id: &str, code: Code) -> Self {
        let logical = function_id(id);
        let handle = Handle::known(
            Token::attribute(&logical, "Arn").into(),
            Token::reference(&logical).into(),
        );
        let defined = Defined {
            id: id.to_owned(),
            code,
            runtime: "nodejs22.x".to_owned(),
            handler: "index.handler".to_owned(),
            timeout: None,
            memory: None,
            environment: Vec::new(),
            statements: Vec::new(),
            role: None,
            architecture: None,
            name: None,
            description: None,
            removal: None,
        };
        Self { defined: Some(Box::new(defined)), ..Self::known(handle) }
    }

    /// Refers to the function with this ARN.
    #[doc(alias = "fromFunctionArn")]
    pub fn from_arn(arn: impl Into<Text>) -> Self {
        Self::known(Handle::of_arn(arn.into(), &[':', ':']))
    }

    /// Refers to the function with this name, in the account and region of the stack.
    #[doc(alias = "fromFunctionName")]
    pub fn from_name(name: impl Into<Text>) -> Self {
        let name = name.into();
        let arn = local_arn("lambda", text!("function:", &name));
        Self::known(Handle::known(arn, name))
    }

    /// Adds a parameter to the template, which holds the ARN of a function.
    pub fn parameter(name: &str) -> Self {
        Self::known(Handle::of_parameter(name, "function", &[':', ':']))
    }

    /// The function that a resource defines, which is written as in a template. The stack then has
    /// it.
    pub fn from_resource(resource: Resource) -> Self {
        Self::known(Handle::of_resource(resource, Some("Arn")))
    }

    fn known(handle: Handle) -> Self {
        Self { handle, defined: None, extra: Vec::new(), qualified: false, useless: Vec::new() }
    }

    /// The runtime, such as `python3.13`.
    #[must_use]
    pub fn runtime(self, runtime: &str) -> Self {
        self.change("runtime", |defined| runtime.clone_into(&mut defined.runtime))
    }

    /// The handler: file and function.
    #[must_use]
    pub fn handler(self, handler: &str) -> Self {
        self.change("handler", |defined| handler.clone_into(&mut defined.handler))
    }

    /// The time limit of an invocation, in whole seconds.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        self.change("timeout", |defined| defined.timeout = Some(timeout))
    }

    /// The memory in MiB.
    #[doc(alias = "memorySize")]
    #[must_use]
    #[doc(alias = "memory_size")]
    pub fn memory(self, mebibytes: u32) -> Self {
        self.change("memory", |defined| defined.memory = Some(mebibytes))
    }

    /// Adds an environment variable.
    #[doc(alias = "addEnvironment")]
    #[must_use]
    pub fn environment(self, name: &str, value: impl Into<Text>) -> Self {
        let value = value.into();
        self.change("environment", |defined| defined.environment.push((name.to_owned(), value)))
    }

    /// Adds a permission to the function's role.
    #[doc(alias = "addToRolePolicy")]
    #[must_use]
    pub fn allow(self, statement: Statement) -> Self {
        self.change("allow", |defined| defined.statements.push(statement))
    }

    /// Its role. By default, one is created that may write logs.
    #[must_use]
    pub fn role(self, role: impl Into<Role>) -> Self {
        let role = role.into();
        self.change("role", |defined| defined.role = Some(role))
    }

    /// The processor it runs on. By default, that of Intel and AMD.
    #[must_use]
    pub fn architecture(self, architecture: Architecture) -> Self {
        self.change("architecture", |defined| defined.architecture = Some(architecture))
    }

    /// Its name in AWS. By default, CloudFormation chooses one.
    #[must_use]
    pub fn function_name(self, name: impl Into<Text>) -> Self {
        let name = name.into();
        self.change("function_name", |defined| defined.name = Some(name))
    }

    /// What it does.
    #[must_use]
    pub fn description(self, description: impl Into<String>) -> Self {
        let description = description.into();
        self.change("description", |defined| defined.description = Some(description))
    }

    /// What becomes of it when the stack is deleted.
    #[doc(alias = "applyRemovalPolicy")]
    #[must_use]
    pub fn removal_policy(self, policy: RemovalPolicy) -> Self {
        self.change("removal_policy", |defined| defined.removal = Some(policy))
    }

    fn change(mut self, name: &'static str, change: impl FnOnce(&mut Defined)) -> Self {
        match &mut self.defined {
            Some(defined) => change(defined),
            None => self.useless.push(name),
        }
        self
    }

    /// A version of the current code and configuration, which does not change. For a function that
    /// is defined elsewhere, the version with this number.
    #[must_use]
    pub fn version(&self, number: &str) -> Self {
        let mut function = self.clone();
        function.qualified = true;
        match &self.defined {
            Some(defined) => {
                let (version, resource) = defined.version();
                function.extra = vec![resource];
                function.handle.arn = Token::reference(&version).into();
            }
            None => function.handle.arn = text!(&self.handle.arn, ":", number),
        }
        function
    }

    /// Defines an alias of the current version. For a function that is defined elsewhere, refers to
    /// its alias.
    #[must_use]
    pub fn alias(&self, alias: &str) -> Self {
        let mut function = self.clone();
        function.qualified = true;
        match &self.defined {
            Some(defined) => {
                let (version, resource) = defined.version();
                let logical = logical_id(&[&defined.id, &format!("Alias{alias}"), "Resource"]);
                let properties = object! {
                    "FunctionName": Token::reference(&function_id(&defined.id)),
                    "FunctionVersion": Token::attribute(&version, "Version"),
                    "Name": alias,
                };
                function.extra =
                    vec![resource, Resource::new(&logical, "AWS::Lambda::Alias", properties)];
                function.handle.arn = Token::reference(&logical).into();
            }
            None => function.handle.arn = text!(&self.handle.arn, ":", alias),
        }
        function
    }

    /// Its ARN. Wherever it is used, the template has the function.
    pub fn arn(&self) -> Text {
        self.handle.arn.clone().carrying(&self.resources())
    }

    /// Its name.
    pub fn name(&self) -> Text {
        self.handle.name.clone().carrying(&self.resources())
    }

    /// The ARNs for permission to invoke it: the function itself and, unless it is an alias, its
    /// versions and aliases.
    pub(crate) fn grants(&self) -> Vec<Text> {
        if self.qualified { vec![self.arn()] } else { vec![self.arn(), text!(self.arn(), ":*")] }
    }

    /// The permission to invoke it.
    #[doc(alias = "grantInvoke")]
    pub fn grant_invoke(&self, grantee: impl Into<crate::Grantee>) -> crate::Grant {
        crate::Grant::of(grantee, Statement::allow(["lambda:InvokeFunction"], self.grants()))
    }

    /// Its role, if it is defined here.
    pub(crate) fn role_of(&self) -> Option<Role> {
        self.defined.as_ref().map(|defined| defined.effective_role())
    }

    /// The resources that it adds to a template.
    pub fn resources(&self) -> Vec<Resource> {
        let mut resources = self.handle.resources.clone();
        let Some(defined) = &self.defined else {
            resources.extend(Resource::useless(
                &self.handle.name.readable(),
                "a function that exists already",
                "Function::new",
                &self.useless.iter().map(|name| (*name, true)).collect::<Vec<_>>(),
            ));
            return resources;
        };
        let role = defined.effective_role();
        resources.extend(role.resources());
        let mut function = Resource::new(
            function_id(&defined.id),
            "AWS::Lambda::Function",
            defined.properties(&role),
        )
        .removed_by(defined.removal);
        if let Some(id) = role.logical_id() {
            function = function.after_policies_of(Token::reference(&id).into()).after(&id);
        }
        resources.push(function);
        let problems = defined.problems().into_iter();
        resources.extend(problems.map(|message| {
            Resource::misused(crate::Misuse { subject: defined.id.clone(), message })
        }));
        resources.extend(self.extra.iter().cloned());
        resources
    }
}

/// Variables that Lambda sets, and nobody else may.
const RESERVED: [&str; 15] = [
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
];

fn function_id(id: &str) -> String {
    let mut path: Vec<&str> = id.split('/').collect();
    path.push("Resource");
    logical_id(&path)
}

impl Defined {
    /// Its role, with its permissions. If none is given, it may write logs.
    fn effective_role(&self) -> Role {
        let role = self.role.clone().unwrap_or_else(|| {
            Role::new(&format!("{}/ServiceRole", self.id), "lambda.amazonaws.com")
                .managed_policy("service-role/AWSLambdaBasicExecutionRole")
        });
        self.statements.iter().cloned().fold(role, Role::allow)
    }

    /// What Lambda does not accept.
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (name, _) in &self.environment {
            let is_name = name.len() > 1
                && name.starts_with(|c: char| c.is_ascii_alphabetic())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if !is_name {
                problems.push(format!(
                    "the environment variable `{name}` has to have two or more letters, digits and \
                     underscores, of which the first is a letter",
                ));
            }
            if RESERVED.contains(&name.as_str()) {
                problems.push(format!("the environment variable `{name}` is one of Lambda's own"));
            }
        }
        if self.timeout.is_some_and(|time| !(1..=900).contains(&time.as_secs())) {
            problems
                .push("the timeout of a function is between a second and 15 minutes".to_owned());
        }
        if self.memory.is_some_and(|memory| !(128..=10_240).contains(&memory)) {
            problems.push("a function has between 128 and 10,240 MiB of memory".to_owned());
        }
        problems
    }

    fn version(&self) -> (String, Resource) {
        let id = logical_id(&[&self.id, "CurrentVersion", "Resource"]);
        let properties = object! {"FunctionName": Token::reference(&function_id(&self.id))};
        let version = Resource::new(&id, "AWS::Lambda::Version", properties);
        (id, version)
    }

    fn properties(&self, role: &Role) -> Value {
        let code = match &self.code {
            Code::Inline(text) => object! {"ZipFile": text},
            Code::S3(bucket, key) => object! {"S3Bucket": bucket.name(), "S3Key": key},
            Code::Image(uri) => object! {"ImageUri": uri},
        };
        let mut properties = vec![("Code".to_owned(), code)];
        let mut put = |key: &str, value: Value| properties.push((key.to_owned(), value));
        if let Code::Image(_) = &self.code {
            put("PackageType", "Image".into());
        } else {
            put("Handler", self.handler.as_str().into());
            put("Runtime", self.runtime.as_str().into());
        }
        put("Role", role.arn().into());
        if let Some(architecture) = self.architecture {
            put("Architectures", Value::List(vec![architecture.name().into()]));
        }
        if let Some(description) = &self.description {
            put("Description", description.into());
        }
        if let Some(name) = &self.name {
            put("FunctionName", name.into());
        }
        if let Some(timeout) = self.timeout {
            put("Timeout", crate::duration::Seconds::from(timeout).into());
        }
        if let Some(memory) = self.memory {
            put("MemorySize", memory.into());
        }
        if !self.environment.is_empty() {
            let variables =
                self.environment.iter().map(|(name, value)| (name.clone(), value.into())).collect();
            put("Environment", object! {"Variables": Value::Object(variables)});
        }
        Value::Object(properties)
    }
}

impl From<&Function> for Function {
    fn from(function: &Function) -> Self {
        function.clone()
    }
}
