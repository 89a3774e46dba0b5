use crate::iam::Statement;
use crate::object;
use crate::resources::role::{assume_by, policy_resource};
use crate::resources::{Bucket, Handle, Resource, logical_id};
use crate::text::{Text, Token, arn, local_arn, text};
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
}

impl Function {
    /// Defines a function with its own role. By default it runs on Node.js and its handler is
    /// `index.handler`.
    pub fn new(id: &str, code: Code) -> Self {
        let logical = logical_id(&[id, "Resource"]);
        let handle = Handle {
            arn: Token::attribute(&logical, "Arn").into(),
            name: Token::reference(&logical).into(),
            resources: Vec::new(),
        };
        let defined = Defined {
            id: id.to_owned(),
            code,
            runtime: "nodejs22.x".to_owned(),
            handler: "index.handler".to_owned(),
            timeout: None,
            memory: None,
            environment: Vec::new(),
            statements: Vec::new(),
        };
        Self { handle, defined: Some(Box::new(defined)), extra: Vec::new(), qualified: false }
    }

    /// Refers to the function with this ARN.
    pub fn from_arn(arn: impl Into<Text>) -> Self {
        Self::known(Handle::of_arn(arn.into(), &[':', ':']))
    }

    /// Refers to the function with this name, in the account and region of the stack.
    pub fn from_name(name: impl Into<Text>) -> Self {
        let name = name.into();
        let arn = local_arn("lambda", text!("function:", &name));
        Self::known(Handle { arn, name, resources: Vec::new() })
    }

    /// Adds a parameter to the template, which holds the ARN of a function.
    pub fn parameter(name: &str) -> Self {
        Self::known(Handle::of_parameter(name, "function", &[':', ':']))
    }

    fn known(handle: Handle) -> Self {
        Self { handle, defined: None, extra: Vec::new(), qualified: false }
    }

    /// The runtime, such as `python3.13`.
    #[must_use]
    pub fn runtime(self, runtime: &str) -> Self {
        self.change(|defined| runtime.clone_into(&mut defined.runtime))
    }

    /// The handler: file and function.
    #[must_use]
    pub fn handler(self, handler: &str) -> Self {
        self.change(|defined| handler.clone_into(&mut defined.handler))
    }

    /// The time limit of an invocation, in whole seconds.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        self.change(|defined| defined.timeout = Some(timeout))
    }

    /// The memory in MiB.
    #[must_use]
    pub fn memory(self, mebibytes: u32) -> Self {
        self.change(|defined| defined.memory = Some(mebibytes))
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn environment(self, name: &str, value: impl Into<Text>) -> Self {
        let value = value.into();
        self.change(|defined| defined.environment.push((name.to_owned(), value)))
    }

    /// Adds a permission to the function's role.
    #[must_use]
    pub fn allow(self, statement: Statement) -> Self {
        self.change(|defined| defined.statements.push(statement))
    }

    fn change(mut self, change: impl FnOnce(&mut Defined)) -> Self {
        if let Some(defined) = &mut self.defined {
            change(defined);
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
                let version = logical_id(&[&defined.id, "CurrentVersion", "Resource"]);
                let properties = object! {"FunctionName": self.name()};
                function.extra =
                    vec![Resource::new(&version, "AWS::Lambda::Version", properties).retained()];
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
                let version = logical_id(&[&defined.id, "CurrentVersion", "Resource"]);
                let logical = logical_id(&[&defined.id, &format!("Alias{alias}"), "Resource"]);
                let name = self.name();
                function.extra = vec![
                    Resource::new(
                        &version,
                        "AWS::Lambda::Version",
                        object! {"FunctionName": &name},
                    )
                    .retained(),
                    Resource::new(
                        &logical,
                        "AWS::Lambda::Alias",
                        object! {
                            "FunctionName": name,
                            "FunctionVersion": Token::attribute(&version, "Version"),
                            "Name": alias,
                        },
                    ),
                ];
                function.handle.arn = Token::reference(&logical).into();
            }
            None => function.handle.arn = text!(&self.handle.arn, ":", alias),
        }
        function
    }

    /// Its ARN.
    pub fn arn(&self) -> Text {
        self.handle.arn.clone()
    }

    /// Its name.
    pub fn name(&self) -> Text {
        self.handle.name.clone()
    }

    /// The ARNs for permission to invoke it: the function itself and, unless it is an alias, its
    /// versions and aliases.
    pub(crate) fn grants(&self) -> Vec<Text> {
        if self.qualified { vec![self.arn()] } else { vec![self.arn(), text!(self.arn(), ":*")] }
    }

    /// The resources that it adds to a template.
    pub fn resources(&self) -> Vec<Resource> {
        let mut resources = self.handle.resources.clone();
        let Some(defined) = &self.defined else { return resources };
        let role = logical_id(&[&defined.id, "ServiceRole", "Resource"]);
        let basic = arn("iam::aws:policy/service-role/AWSLambdaBasicExecutionRole");
        resources.push(Resource::new(
            &role,
            "AWS::IAM::Role",
            object! {
                "AssumeRolePolicyDocument": assume_by("lambda.amazonaws.com"),
                "ManagedPolicyArns": [basic],
            },
        ));
        let mut function = Resource::new(
            logical_id(&[&defined.id, "Resource"]),
            "AWS::Lambda::Function",
            defined.properties(&role),
        );
        if !defined.statements.is_empty() {
            let path = [&defined.id, "ServiceRole", "DefaultPolicy", "Resource"];
            resources.push(policy_resource(&path, &role, &defined.statements));
            function = function.after(&logical_id(&path));
        }
        resources.push(function.after(&role));
        resources.extend(self.extra.iter().cloned());
        resources
    }
}

impl Defined {
    fn properties(&self, role: &str) -> Value {
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
        put("Role", Text::from(Token::attribute(role, "Arn")).into());
        if let Some(timeout) = self.timeout {
            put("Timeout", crate::duration::Seconds(timeout).into());
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
