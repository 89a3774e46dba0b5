use crate::fields::{choices, record};
use crate::iam::Statement;
use crate::resources::Role;
use crate::tasks::sage_maker_types::{
    DockerImage, S3Location, lower_arn, network_statement, pass, role_of, vpc, work_statement,
};
use crate::tasks::{Plan, ServiceTask};
use crate::text::Text;
use crate::{Flag, Input, Str};

task! {
    /// Creates a SageMaker model.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let container = ModelContainer::new()
    ///     .image(string_at("$.Model.imageName"))
    ///     .mode(ModelMode::SingleModel)
    ///     .model_s3_location(S3Location::at(string_at("$.TrainingJob.ModelArtifacts.S3ModelArtifacts")));
    /// let model = SageMakerCreateModel::new("Sagemaker", "MyModel", container);
    /// assert!(StateMachine::new("Models", model).asl().is_ok());
    /// ```
    pub struct SageMakerCreateModel [RequestResponse] {
        required { model_name: Str => "ModelName", primary_container: ModelContainer => "PrimaryContainer", }
        optional {
            /// The containers of an inference pipeline.
            containers: [ModelContainer] => "Containers",
            /// Whether the containers are isolated from the network.
            enable_network_isolation: Flag => "EnableNetworkIsolation",
            /// The role of the model. By default, one is created.
            role: Role,
            /// Tags: a list of objects with `Key` and `Value`.
            tags: Input => "Tags",
            /// The subnets of the containers. Requires `security_groups`.
            subnets: [Text],
            /// The security groups of the containers. Requires `subnets`.
            security_groups: [Text],
        }
    }
}

record! {
    /// A container that serves a model.
    #[doc(alias = "ContainerDefinition")]
    pub struct ModelContainer {
        required {}
        optional {
            /// Its host name.
            container_host_name: Str => "ContainerHostname",
            /// Its image, literal or computed.
            image: DockerImage => "Image",
            /// Whether it serves one model or several.
            mode: ModelMode => "Mode",
            /// Where the model is.
            model_s3_location: S3Location => "ModelDataUrl",
            /// The name or ARN of a model package.
            model_package_name: Str => "ModelPackageName",
            /// The environment variables: an object.
            environment_variables: Input => "Environment",
        }
    }
}

choices! {
    /// Whether a container serves one model or several.
    #[doc(alias = "Mode")]
    pub enum ModelMode {
        /// One.
        SingleModel = "SingleModel",
        /// Several.
        MultiModel = "MultiModel",
    }
}

impl ServiceTask for SageMakerCreateModel {
    fn plan(&self, plan: &mut Plan) {
        plan.service("sagemaker", "createModel");
        let mut own = work_statement();
        // The CDK's order, so that a stack of the CDK stays as it is.
        own.actions.swap(2, 3);
        let own = ("CreateModel", own);
        let role = role_of(plan, &self.common.id, self.role.as_ref(), own, self.permissions());
        plan.allow(&["sagemaker:CreateModel"], [lower_arn("model", &self.model_name, "*")]);
        plan.allow(&["sagemaker:ListTags"], ["*"]);
        plan.state(pass(&role));
        plan.put("ExecutionRoleArn", role.value());
        self.put_fields(plan);
        let network = vpc(self.subnets.as_ref(), self.security_groups.as_ref(), plan);
        plan.maybe("VpcConfig", network);
    }
}

impl SageMakerCreateModel {
    /// The permissions of its role.
    fn permissions(&self) -> Vec<Statement> {
        let mut permissions = Vec::new();
        if self.subnets.is_some() && self.role.is_none() {
            permissions.push(network_statement());
        }
        let containers =
            std::iter::once(&self.primary_container).chain(self.containers.iter().flatten());
        for container in containers {
            permissions.extend(container.image.iter().flat_map(DockerImage::fetching));
            permissions.extend(container.model_s3_location.iter().map(S3Location::reading));
        }
        permissions
    }
}
