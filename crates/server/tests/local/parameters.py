"""A tour of Systems Manager's parameters and of Secrets Manager."""

from tour import ANYTHING, Tour, client, error

# What moto does otherwise.
DIFFERS = {
    "get a version": "Selector is missing",
    "a bad name": "every name is taken",
    "too large": "every size is taken",
    "a pattern": "AllowedPattern is ignored",
    "no path": "it finds nothing instead",
    "move a stage": "the version that was current before comes back",
    "restore": "the same",
    "both": "both values are taken",
    "a bad secret name": "every name is taken",
    "secrets": "the secrets with bad names are among them",
    "it is deleted": "another message",
}

tour = Tour(DIFFERS)
ssm, secrets = client("ssm", tour.endpoint), client("secretsmanager", tour.endpoint)
step = tour.step
OK = {"ResponseMetadata": ANYTHING}

# Parameters.
step("put", lambda: ssm.put_parameter(Name="/app/db/host", Value="h", Type="String", Description="d"), {"Version": 1, "Tier": "Standard"})
step("put twice", lambda: ssm.put_parameter(Name="/app/db/host", Value="h2", Type="String"), error("ParameterAlreadyExists"))
step("overwrite", lambda: ssm.put_parameter(Name="/app/db/host", Value="h2", Overwrite=True), {"Version": 2})
step(
    "get",
    lambda: ssm.get_parameter(Name="/app/db/host"),
    {
        "Parameter": {
            "Name": "/app/db/host",
            "Value": "h2",
            "Type": "String",
            "Version": 2,
            "ARN": "arn:aws:ssm:us-east-1:123456789012:parameter/app/db/host",
            "LastModifiedDate": ANYTHING,
            "DataType": "text",
        }
    },
)
step("get a version", lambda: ssm.get_parameter(Name="/app/db/host:1"), {"Parameter": {"Value": "h", "Version": 1, "Selector": ":1"}})
step("no version", lambda: ssm.get_parameter(Name="/app/db/host:9"), error("ParameterVersionNotFound"))
step("none", lambda: ssm.get_parameter(Name="/none"), error("ParameterNotFound"))
step("without a type", lambda: ssm.put_parameter(Name="/x", Value="v"), error("ValidationException"))
step("a bad type", lambda: ssm.put_parameter(Name="/x", Value="v", Type="Text"), error("ValidationException"))
step("a bad name", lambda: ssm.put_parameter(Name="/a b", Value="v", Type="String"), error("ValidationException"))
step("a reserved name", lambda: ssm.put_parameter(Name="aws_x", Value="v", Type="String"), error("ValidationException"))
step("too large", lambda: ssm.put_parameter(Name="/x", Value="v" * 4097, Type="String"), error("ValidationException"))
step(
    "a pattern",
    lambda: ssm.put_parameter(Name="/p", Value="abc", Type="String", AllowedPattern=r"\d+"),
    error("ParameterPatternMismatchException"),
)
step("a secret one", lambda: ssm.put_parameter(Name="/app/db/password", Value="s3cret", Type="SecureString"), {"Version": 1})
step("decrypted", lambda: ssm.get_parameter(Name="/app/db/password", WithDecryption=True), {"Parameter": {"Value": "s3cret", "Type": "SecureString"}})
step("encrypted", lambda: ssm.get_parameter(Name="/app/db/password"), {"Parameter": {"Value": lambda value: value != "s3cret"}})
ssm.put_parameter(Name="/app/name", Value="n", Type="String")
ssm.put_parameter(Name="plain", Value="a,b", Type="StringList")
step(
    "several",
    lambda: ssm.get_parameters(Names=["/app/name", "/none", "plain"]),
    {"Parameters": lambda found: {one["Name"] for one in found} == {"/app/name", "plain"}, "InvalidParameters": ["/none"]},
)
step(
    "by path",
    lambda: ssm.get_parameters_by_path(Path="/app"),
    {"Parameters": [{"Name": "/app/name"}]},
)
step(
    "below a path",
    lambda: ssm.get_parameters_by_path(Path="/app/", Recursive=True, WithDecryption=True),
    {"Parameters": lambda found: [one["Value"] for one in sorted(found, key=lambda one: one["Name"])] == ["h2", "s3cret", "n"]},
)
page = step("a page", lambda: ssm.get_parameters_by_path(Path="/app", Recursive=True, MaxResults=2), {"Parameters": [ANYTHING] * 2, "NextToken": ANYTHING})
step(
    "the next page",
    lambda: ssm.get_parameters_by_path(Path="/app", Recursive=True, MaxResults=2, NextToken=page["NextToken"]),
    {"Parameters": [ANYTHING], "NextToken": None},
)
step("no path", lambda: ssm.get_parameters_by_path(Path="app"), error("ValidationException"))
step(
    "history",
    lambda: ssm.get_parameter_history(Name="/app/db/host"),
    {"Parameters": [{"Version": 1, "Value": "h", "Description": "d", "Labels": []}, {"Version": 2, "Value": "h2"}]},
)
step("label", lambda: ssm.label_parameter_version(Name="/app/db/host", ParameterVersion=1, Labels=["good", "1bad"]), {"InvalidLabels": ["1bad"], "ParameterVersion": 1})
step("by label", lambda: ssm.get_parameter(Name="/app/db/host:good"), {"Parameter": {"Value": "h", "Version": 1}})
step(
    "describe",
    lambda: ssm.describe_parameters(ParameterFilters=[{"Key": "Name", "Option": "BeginsWith", "Values": ["/app/db"]}]),
    {"Parameters": lambda found: {one["Name"] for one in found} == {"/app/db/host", "/app/db/password"}},
)
step(
    "tags",
    lambda: (
        ssm.add_tags_to_resource(ResourceType="Parameter", ResourceId="plain", Tags=[{"Key": "a", "Value": "b"}]),
        ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId="plain"),
    )[1],
    {"TagList": [{"Key": "a", "Value": "b"}]},
)
step("delete", lambda: ssm.delete_parameter(Name="plain"), OK)
step("delete twice", lambda: ssm.delete_parameter(Name="plain"), error("ParameterNotFound"))
step(
    "delete several",
    lambda: ssm.delete_parameters(Names=["/app/name", "/none"]),
    {"DeletedParameters": ["/app/name"], "InvalidParameters": ["/none"]},
)

# Secrets.
made = step(
    "create a secret",
    lambda: secrets.create_secret(Name="app/db", SecretString='{"user": "u"}', Description="d", Tags=[{"Key": "a", "Value": "b"}]),
    {"ARN": lambda arn: arn.startswith("arn:aws:secretsmanager:us-east-1:123456789012:secret:app/db-"), "Name": "app/db", "VersionId": ANYTHING},
)
arn, first = made["ARN"], made["VersionId"]
step("create it again", lambda: secrets.create_secret(Name="app/db", SecretString="x"), error("ResourceExistsException"))
step(
    "get a secret",
    lambda: secrets.get_secret_value(SecretId="app/db"),
    {"ARN": arn, "Name": "app/db", "SecretString": '{"user": "u"}', "VersionId": first, "VersionStages": ["AWSCURRENT"], "CreatedDate": ANYTHING},
)
step("by its ARN", lambda: secrets.get_secret_value(SecretId=arn), {"SecretString": '{"user": "u"}'})
step("no secret", lambda: secrets.get_secret_value(SecretId="none"), error("ResourceNotFoundException", "can't find the specified secret"))
second = step("put a value", lambda: secrets.put_secret_value(SecretId="app/db", SecretString="two"), {"VersionStages": ["AWSCURRENT"]})["VersionId"]
step("the new one", lambda: secrets.get_secret_value(SecretId="app/db"), {"SecretString": "two", "VersionId": second})
step(
    "the one before",
    lambda: secrets.get_secret_value(SecretId="app/db", VersionStage="AWSPREVIOUS"),
    {"SecretString": '{"user": "u"}', "VersionId": first},
)
step("a version", lambda: secrets.get_secret_value(SecretId="app/db", VersionId=first), {"SecretString": '{"user": "u"}'})
step("no stage", lambda: secrets.get_secret_value(SecretId="app/db", VersionStage="X"), error("ResourceNotFoundException"))
step(
    "a token twice",
    lambda: (
        secrets.put_secret_value(SecretId="app/db", SecretString="three", ClientRequestToken="t" * 32),
        secrets.put_secret_value(SecretId="app/db", SecretString="three", ClientRequestToken="t" * 32),
    )[1],
    {"VersionId": "t" * 32},
)
step(
    "a token for another value",
    lambda: secrets.put_secret_value(SecretId="app/db", SecretString="four", ClientRequestToken="t" * 32),
    error("ResourceExistsException"),
)
step(
    "move a stage",
    lambda: (
        secrets.update_secret_version_stage(
            SecretId="app/db", VersionStage="AWSCURRENT", RemoveFromVersionId="t" * 32, MoveToVersionId=second
        ),
        secrets.get_secret_value(SecretId="app/db"),
    )[1],
    {"SecretString": "two"},
)
step("update", lambda: (secrets.update_secret(SecretId="app/db", Description="e"), secrets.describe_secret(SecretId="app/db"))[1], {
    "Description": "e",
    "Tags": [{"Key": "a", "Value": "b"}],
    "VersionIdsToStages": {second: ["AWSCURRENT"]},
})
step("bytes", lambda: (secrets.create_secret(Name="bytes", SecretBinary=b"\x00\xff"), secrets.get_secret_value(SecretId="bytes"))[1], {"SecretBinary": b"\x00\xff", "SecretString": None})
step("both", lambda: secrets.create_secret(Name="both", SecretBinary=b"x", SecretString="x"), error("InvalidParameterException"))
step("a bad secret name", lambda: secrets.create_secret(Name="a b", SecretString="x"), error("ValidationException"))
step("secrets", lambda: secrets.list_secrets(), {"SecretList": lambda found: {one["Name"] for one in found} == {"app/db", "bytes"}})
step("by name", lambda: secrets.list_secrets(Filters=[{"Key": "name", "Values": ["app"]}]), {"SecretList": [{"Name": "app/db"}]})
step("versions", lambda: secrets.list_secret_version_ids(SecretId="app/db", IncludeDeprecated=True), {"Versions": lambda found: len(found) == 3})
step(
    "a batch",
    lambda: secrets.batch_get_secret_value(SecretIdList=["bytes", "none"]),
    {"SecretValues": [{"Name": "bytes"}], "Errors": [{"SecretId": "none", "ErrorCode": "ResourceNotFoundException"}]},
)
step(
    "a password",
    lambda: secrets.get_random_password(PasswordLength=20, ExcludePunctuation=True),
    {"RandomPassword": lambda found: len(found) == 20 and found.isalnum()},
)
step("delete a secret", lambda: secrets.delete_secret(SecretId="app/db", RecoveryWindowInDays=7), {"DeletionDate": ANYTHING})
step("it is deleted", lambda: secrets.get_secret_value(SecretId="app/db"), error("InvalidRequestException", "marked for deletion"))
step("restore", lambda: (secrets.restore_secret(SecretId="app/db"), secrets.get_secret_value(SecretId="app/db"))[1], {"SecretString": "two"})
step(
    "delete at once",
    lambda: (secrets.delete_secret(SecretId="app/db", ForceDeleteWithoutRecovery=True), secrets.get_secret_value(SecretId="app/db"))[1],
    error("ResourceNotFoundException"),
)
if tour.peer != "moto":
    step(
        "what is not there is refused by name",
        lambda: secrets.create_secret(Name="k", SecretString="x", KmsKeyId="alias/k"),
        error("UnsupportedOperation", "KmsKeyId"),
    )
    step("so is it by parameters", lambda: ssm.put_parameter(Name="/k", Value="v", Type="String", Tier="Advanced"), error("UnsupportedOperation", "tier"))
tour.end()
