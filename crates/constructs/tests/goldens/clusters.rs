//! Our counterparts of the EMR and SageMaker examples.

use crate::compare::{Golden, golden};
use IntegrationPattern::{RequestResponse, RunJob};
use stepwright_constructs::prelude::*;

pub(crate) fn goldens() -> Vec<Golden> {
    let mut goldens = emr();
    goldens.extend(emr_containers());
    goldens.extend(sage_maker());
    goldens
}

fn emr() -> Vec<Golden> {
    let emr_role = |id: &str| Role::new(id, "elasticmapreduce.amazonaws.com");
    let modify = |group: InstanceGroupModification| {
        EmrModifyInstanceGroupByName::new("Task", "c", "g", group)
    };
    vec![
        golden(
            "002-14-emr-create-cluster",
            EmrCreateCluster::new("Create Cluster", string_at("$.ClusterName"), Instances::new())
                .cluster_role(Role::new("ClusterRole", "ec2.amazonaws.com"))
                .service_role(emr_role("ServiceRole"))
                .auto_scaling_role(
                    emr_role("AutoScalingRole")
                        .also_assumed_by("application-autoscaling.amazonaws.com"),
                )
                .integration_pattern(RequestResponse),
        ),
        golden(
            "002-14b-emr-create-cluster-sync-default-roles",
            EmrCreateCluster::new("Create Cluster", string_at("$.ClusterName"), Instances::new()),
        ),
        golden("t-EmrCreateCluster", cluster()),
        golden(
            "t-EmrCreateCluster-REQUEST_RESPONSE",
            cluster().integration_pattern(RequestResponse),
        ),
        golden(
            "002-15-emr-set-termination-protection",
            EmrSetClusterTerminationProtection::new("Task", "ClusterId", false),
        ),
        golden(
            "t-EmrSetClusterTerminationProtection",
            EmrSetClusterTerminationProtection::new("Task", "c", false),
        ),
        golden("002-16-emr-terminate-cluster", EmrTerminateCluster::new("Task", "ClusterId")),
        golden("t-EmrTerminateCluster", EmrTerminateCluster::new("Task", "c")),
        golden(
            "t-EmrTerminateCluster-REQUEST_RESPONSE",
            EmrTerminateCluster::new("Task", "c").integration_pattern(RequestResponse),
        ),
        golden(
            "002-17-emr-add-step",
            EmrAddStep::new("Task", "ClusterId", "StepName", "Jar")
                .action_on_failure(ActionOnFailure::Continue),
        ),
        golden("002-18-emr-cancel-step", EmrCancelStep::new("Task", "ClusterId", "StepId")),
        golden("t-EmrCancelStep", EmrCancelStep::new("Task", "c", "s")),
        golden(
            "002-19-emr-modify-instance-fleet",
            EmrModifyInstanceFleetByName::new("Task", "ClusterId", "InstanceFleetName", 2, 0),
        ),
        golden(
            "t-EmrModifyInstanceFleetByName",
            EmrModifyInstanceFleetByName::new("Task", "c", "f", 2, 0),
        ),
        golden(
            "002-20-emr-modify-instance-group",
            EmrModifyInstanceGroupByName::new(
                "Task",
                "ClusterId",
                string_at("$.InstanceGroupName"),
                InstanceGroupModification::new().instance_count(1),
            ),
        ),
        golden(
            "t-EmrModifyInstanceGroupByName",
            modify(
                InstanceGroupModification::new()
                    .instance_count(1)
                    .configurations([configuration()])
                    .ec2_instance_ids_to_terminate(["i"])
                    .shrink_policy(
                        ShrinkPolicy::new()
                            .decommission_timeout(seconds(1))
                            .instance_resize_policy(
                                InstanceResizePolicy::new()
                                    .instances_to_protect(["x"])
                                    .instances_to_terminate(["y"])
                                    .instance_termination_timeout(seconds(2)),
                            ),
                    ),
            ),
        ),
    ]
}

fn configuration() -> Configuration {
    Configuration::new().classification("c").properties([("k", "v")])
}

fn cluster() -> EmrCreateCluster {
    let spot = SpotSpecification::new(SpotTimeoutAction::TerminateCluster, minutes(5))
        .allocation_strategy(SpotAllocation::CapacityOptimized);
    let fleet = InstanceFleet::new(InstanceRole::Master)
        .instance_type_configs([InstanceTypeConfig::new("m5.xlarge").bid_price("1")])
        .launch_specifications(LaunchSpecifications::new().spot_specification(spot))
        .target_on_demand_capacity(1);
    EmrCreateCluster::new("Task", "Cluster", Instances::new().instance_fleets([fleet]))
        .release_label("emr-7.9.0")
        .applications([Application::new("Spark").version("3")])
        .bootstrap_actions([BootstrapAction::new("b", "s3://x").args(["a"])])
        .configurations([configuration()])
        .tags([("t", "v")])
        .visible_to_all_users(true)
        .log_uri("s3://l")
        .step_concurrency_level(10)
        .auto_termination_policy_idle_timeout(seconds(100))
        .ebs_root_volume_size(gibibytes(20))
}

fn emr_containers() -> Vec<Golden> {
    let delete = || EmrContainersDeleteVirtualCluster::new("Task", string_at("$.virtualCluster"));
    let run = || {
        EmrContainersStartJobRun::new(
            "Task",
            string_at("$.VirtualClusterId"),
            "emr-6.2.0-latest",
            "local:///pi.py",
        )
        .execution_role(Role::from_arn("arn:aws:iam::123456789012:role/r"))
        .job_name("j")
        .spark_submit_parameters("--conf a=b")
        .application_config([ApplicationConfiguration::new("spark-defaults")
            .properties([("spark.executor.instances", "1")])])
    };
    vec![
        golden("t-EmrContainersDeleteVirtualCluster", delete()),
        golden("t-EmrContainersDeleteVirtualCluster-RUN_JOB", delete().integration_pattern(RunJob)),
        golden("t-EmrContainersStartJobRun", run()),
        golden(
            "t-EmrContainersStartJobRun-REQUEST_RESPONSE",
            run().integration_pattern(RequestResponse),
        ),
    ]
}

fn sage_maker() -> Vec<Golden> {
    let role = || Role::new("Role", "sagemaker.amazonaws.com");
    let transform = || {
        SageMakerCreateTransformJob::new(
            "Batch Inference",
            "MyTransformJob",
            "MyModelName",
            TransformInput::new("s3://inputbucket/train"),
            TransformOutput::new("s3://outputbucket/TransformJobOutputPath"),
        )
        .transform_resources(TransformResources::new(1, "m4.xlarge"))
    };
    let tags = || value!([{"Key": "k", "Value": "v"}]);
    vec![
        golden("001-08-sagemaker-transform", transform().role(role())),
        golden("002-29-sagemaker-transform-job", transform().model_client_options(3, minutes(5))),
        golden(
            "002-28-sagemaker-training-job",
            SageMakerCreateTrainingJob::new(
                "TrainSagemaker",
                string_at("$.JobName"),
                TrainingAlgorithm::named("BlazingText").training_input_mode(InputMode::File),
                TrainingOutput::new(S3Location::from_bucket(
                    Bucket::from_name("amzn-s3-demo-bucket"),
                    "myoutputpath",
                )),
            )
            .input_data_config([Channel::new("train", S3Location::at(string_at("$.S3Bucket")))
                .s3_data_type(S3DataType::S3Prefix)])
            .role(role())
            .resource_config(TrainingResources::new(1, "p3.2xlarge", gibibytes(50)))
            .stopping_condition(hours(1)),
        ),
        golden(
            "002-30-sagemaker-create-endpoint",
            SageMakerCreateEndpoint::new(
                "SagemakerEndpoint",
                string_at("$.EndpointName"),
                string_at("$.EndpointConfigName"),
            ),
        ),
        golden(
            "t-SageMakerCreateEndpoint",
            SageMakerCreateEndpoint::new("Task", "MyEndpoint", "MyEndpointConfig").tags(tags()),
        ),
        golden(
            "002-31-sagemaker-create-endpoint-config",
            SageMakerCreateEndpointConfig::new(
                "SagemakerEndpointConfig",
                "MyEndpointConfig",
                [ProductionVariant::new("awesome-variant", "MyModel", "m5.xlarge")
                    .initial_instance_count(2)],
            ),
        ),
        golden(
            "t-SageMakerCreateEndpointConfig",
            SageMakerCreateEndpointConfig::new(
                "Task",
                "C",
                [ProductionVariant::new("v", "M", "m5.xlarge")
                    .initial_instance_count(2)
                    // AWS expects `ml.eia2.medium`, but the CDK renders an object.
                    .accelerator_type(
                        object! {"instanceTypeIdentifier": "ml.[object Object].medium"},
                    )
                    .initial_variant_weight(0.5)],
            )
            .kms_key(Key::from_arn(
                "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            ))
            .tags(tags()),
        ),
        golden(
            "002-32-sagemaker-create-model",
            SageMakerCreateModel::new(
                "Sagemaker",
                "MyModel",
                ModelContainer::new()
                    .image(string_at("$.Model.imageName"))
                    .mode(ModelMode::SingleModel)
                    .model_s3_location(S3Location::at(string_at(
                        "$.TrainingJob.ModelArtifacts.S3ModelArtifacts",
                    ))),
            ),
        ),
        golden(
            "t-SageMakerCreateModel",
            SageMakerCreateModel::new(
                "Task",
                "MyModel",
                ModelContainer::new()
                    .image("a/b:1")
                    .mode(ModelMode::SingleModel)
                    .model_s3_location(S3Location::at(string_at("$.S3")))
                    .environment_variables(object! {"A": "b"}),
            )
            .enable_network_isolation(true),
        ),
        golden(
            "002-33-sagemaker-update-endpoint",
            SageMakerUpdateEndpoint::new(
                "SagemakerEndpoint",
                string_at("$.Endpoint.Name"),
                string_at("$.Endpoint.EndpointConfig"),
            ),
        ),
        golden("t-SageMakerUpdateEndpoint", SageMakerUpdateEndpoint::new("Task", "E", "C")),
    ]
}
