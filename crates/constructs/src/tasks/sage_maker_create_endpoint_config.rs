use crate::fields::record;
use crate::resources::Key;
use crate::tasks::sage_maker_types::{InstanceType, lower_arn};
use crate::tasks::{Plan, ServiceTask};
use crate::{Input, Num, Str, Value};

task! {
    /// Creates a configuration for SageMaker endpoints.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let variant = ProductionVariant::new("awesome-variant", "MyModel", "m5.xlarge").initial_instance_count(2);
    /// let config = SageMakerCreateEndpointConfig::new("SagemakerEndpointConfig", "MyEndpointConfig", [variant]);
    /// assert!(StateMachine::new("Endpoints", config).asl().is_ok());
    /// ```
    pub struct SageMakerCreateEndpointConfig [RequestResponse] {
        required { endpoint_config_name: Str => "EndpointConfigName", production_variants: [ProductionVariant], }
        optional {
            /// The key with which the storage of the instances is encrypted.
            kms_key: Key,
            /// Tags: a list of objects with `Key` and `Value`.
            tags: Input => "Tags",
        }
    }
}

record! {
    /// A model, and the instances that serve it.
    pub struct ProductionVariant {
        required {
            variant_name: Str => "VariantName",
            model_name: Str => "ModelName",
            instance_type: InstanceType => "InstanceType",
        }
        optional {
            /// The initial number of instances. Defaults to one.
            initial_instance_count: Num => "InitialInstanceCount",
            /// Its weight, which determines its share of the requests; more than 0.
            initial_variant_weight: Num => "InitialVariantWeight",
            /// The accelerator: `ml.eia2.medium`.
            #[doc(alias = "AcceleratorType")]
            #[doc(alias = "AcceleratorClass")]
            accelerator_type: Input => "AcceleratorType",
        }
    }
}

impl ServiceTask for SageMakerCreateEndpointConfig {
    fn plan(&self, plan: &mut Plan) {
        plan.service("sagemaker", "createEndpointConfig");
        plan.allow(
            &["sagemaker:CreateEndpointConfig"],
            [lower_arn("endpoint-config", &self.endpoint_config_name, "")],
        );
        plan.allow(&["sagemaker:ListTags"], ["*"]);
        if !(1..=10).contains(&self.production_variants.len()) {
            plan.problem("there are 1 to 10 production variants");
        }
        self.put_fields(plan);
        if let Some(key) = &self.kms_key {
            plan.uses(key.resources());
            plan.put("KmsKeyId", key.name());
        }
        let variants: Vec<Value> = self
            .production_variants
            .iter()
            .map(|variant| {
                let count = variant.initial_instance_count.as_ref();
                if count.and_then(|count| count.value.known_number()).is_some_and(|n| n < 1.0) {
                    plan.problem("a production variant has at least one instance");
                }
                let weight = variant.initial_variant_weight.as_ref();
                if weight.and_then(|weight| weight.value.known_number()).is_some_and(|n| n <= 0.0) {
                    plan.problem("the weight of a production variant is more than 0");
                }
                let variant = variant.clone();
                match variant.initial_instance_count {
                    None => variant.initial_instance_count(1),
                    Some(_) => variant,
                }
                .into()
            })
            .collect();
        plan.put("ProductionVariants", variants);
    }
}
