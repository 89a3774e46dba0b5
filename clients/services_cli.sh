#!/usr/bin/env bash
# A tour of the local services with the AWS CLI: `services_cli.sh ENDPOINT`, with `aws` on the path. One
# line for each command; the first wrong answer ends it. AWS_PROFILE and keys are the caller's.
set -euo pipefail

endpoint=$1
export AWS_ACCESS_KEY_ID=tour AWS_SECRET_ACCESS_KEY=tour AWS_DEFAULT_REGION=us-east-1 AWS_PAGER=""
export AWS_MAX_ATTEMPTS=1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# The first version of the CLI looks for SQS elsewhere if only AWS_ENDPOINT_URL says where it is.
aws() {
    command aws --endpoint-url "$endpoint" "$@"
}

fail() {
    echo "$1" >&2
    exit 1
}

# call QUERY WANTED ARGUMENT…: the answer's part must be what is wanted.
call() {
    local query=$1 wanted=$2
    shift 2
    found=$(aws "$@" --output text --query "$query") || fail "aws $*"
    # What is wanted is a pattern.
    # shellcheck disable=SC2053
    [[ $found == $wanted ]] || fail "aws $*: '$found' instead of '$wanted'"
    echo "$1 $2: $found"
}

# refused ERROR ARGUMENT…
refused() {
    local error=$1 message
    shift
    if message=$(aws "$@" 2>&1); then
        fail "aws $*: $error was expected, not $message"
    fi
    [[ $message == *"($error)"* ]] || fail "aws $*: $error was expected, not $message"
    echo "$1 $2: refused with $error"
}

# SQS
call QueueUrl "*/123456789012/cli" sqs create-queue --queue-name cli --attributes VisibilityTimeout=300
queue=$found
call MessageId '*-*' sqs send-message --queue-url "$queue" --message-body 'ä < &' \
    --message-attributes '{"kind": {"DataType": "String", "StringValue": "order"}}'
call 'Messages[0].[Body,MessageAttributes.kind.StringValue]' $'ä < &\torder' \
    sqs receive-message --queue-url "$queue" --message-attribute-names All
call 'Attributes.ApproximateNumberOfMessagesNotVisible' 1 \
    sqs get-queue-attributes --queue-url "$queue" --attribute-names All
refused AWS.SimpleQueueService.NonExistentQueue sqs get-queue-url --queue-name nowhere

# SNS
call TopicArn '*:topic' sns create-topic --name topic
topic=$found
call SubscriptionArn '*:topic:*' sns subscribe --topic-arn "$topic" --protocol sqs \
    --notification-endpoint arn:aws:sqs:us-east-1:123456789012:cli --attributes RawMessageDelivery=true
call MessageId '*-*' sns publish --topic-arn "$topic" --message told
call 'Messages[0].Body' told sqs receive-message --queue-url "$queue" --wait-time-seconds 5
refused NotFound sns get-topic-attributes --topic-arn "${topic}x"

# S3, also with the commands that move files in parts.
call Location /cli-bucket s3api create-bucket --bucket cli-bucket
head -c 12000000 /dev/urandom > "$folder/large"
aws s3 cp --quiet "$folder/large" s3://cli-bucket/a/large
aws s3 cp --quiet s3://cli-bucket/a/large "$folder/back"
cmp "$folder/large" "$folder/back" || fail "s3 cp: another file came back"
echo "s3 cp: the same file came back"
call ContentLength 12000000 s3api head-object --bucket cli-bucket --key a/large
call 'Contents[].Key' a/large s3api list-objects-v2 --bucket cli-bucket --prefix a/
url=$(aws s3 presign s3://cli-bucket/a/large)
curl --silent --fail "$url" | cmp - "$folder/large" || fail "s3 presign: another file came"
echo "s3 presign: the same file came"
refused NoSuchBucket s3api list-objects-v2 --bucket nowhere-at-all
aws s3 rm --quiet --recursive s3://cli-bucket
aws s3 rb s3://cli-bucket

# DynamoDB
call TableDescription.TableStatus ACTIVE dynamodb create-table --table-name cli \
    --billing-mode PAY_PER_REQUEST --attribute-definitions AttributeName=id,AttributeType=S \
    --key-schema AttributeName=id,KeyType=HASH
aws dynamodb put-item --table-name cli --item '{"id": {"S": "1"}, "n": {"N": "1.50"}}'
call 'Attributes.n.N' 3.5 dynamodb update-item --table-name cli --key '{"id": {"S": "1"}}' \
    --update-expression 'SET n = n + :two' --expression-attribute-values '{":two": {"N": "2"}}' \
    --return-values ALL_NEW
call 'Items[0].id.S' 1 dynamodb query --table-name cli --key-condition-expression 'id = :id' \
    --expression-attribute-values '{":id": {"S": "1"}}'
refused ConditionalCheckFailedException dynamodb put-item --table-name cli \
    --item '{"id": {"S": "1"}}' --condition-expression 'attribute_not_exists(id)'

# EventBridge
call RuleArn '*:rule/cli' events put-rule --name cli --event-pattern '{"source": ["cli"]}'
call FailedEntryCount 0 events put-targets --rule cli \
    --targets Id=1,Arn=arn:aws:sqs:us-east-1:123456789012:cli
call FailedEntryCount 0 events put-events --entries 'Source=cli,DetailType=told,Detail="{\"a\": 1}"'
call 'Messages[0].Body' '*"a":1*' sqs receive-message --queue-url "$queue" --wait-time-seconds 5
refused ResourceNotFoundException events describe-rule --name nowhere

# Parameters and secrets
call Version 1 ssm put-parameter --name /cli/key --value v --type SecureString
call 'Parameter.Value' v ssm get-parameter --name /cli/key --with-decryption
call 'Parameters[0].Name' /cli/key ssm get-parameters-by-path --path /cli
refused ParameterNotFound ssm get-parameter --name /nowhere
call Name cli secretsmanager create-secret --name cli --secret-string s
call SecretString s secretsmanager get-secret-value --secret-id cli
refused ResourceNotFoundException secretsmanager get-secret-value --secret-id nowhere

# Batch and ECS
call computeEnvironmentName cli batch create-compute-environment --compute-environment-name cli --type UNMANAGED
call jobQueueName cli batch create-job-queue --job-queue-name cli --priority 1 \
    --compute-environment-order order=1,computeEnvironment=cli
call revision 1 batch register-job-definition --job-definition-name cli --type container \
    --container-properties '{"image": "any", "command": ["true"], "vcpus": 1, "memory": 128}'
call jobId '*-*' batch submit-job --job-name cli --job-queue cli --job-definition cli
job=$found
for _ in $(seq 100); do
    status=$(aws batch describe-jobs --jobs "$job" --output text --query 'jobs[0].status')
    [[ $status == SUCCEEDED ]] && break
    sleep 0.1
done
call 'jobs[0].status' SUCCEEDED batch describe-jobs --jobs "$job"
call taskDefinition.revision 1 ecs register-task-definition --family cli \
    --container-definitions '[{"name": "main", "image": "any", "command": ["true"], "memory": 128}]'
call 'tasks[0].lastStatus' PROVISIONING ecs run-task --task-definition cli
refused ClientException ecs describe-task-definition --task-definition nowhere
