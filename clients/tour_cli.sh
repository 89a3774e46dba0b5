#!/usr/bin/env bash
# A tour of the Step Functions API with the AWS CLI: `tour_cli.sh ENDPOINT`, with `aws` on the path.
# The server has a function `echo`. One line for each operation; the first wrong answer ends it.
set -euo pipefail

endpoint=$1
export AWS_ACCESS_KEY_ID=tour AWS_SECRET_ACCESS_KEY=tour AWS_DEFAULT_REGION=us-east-1 AWS_PAGER=""
export AWS_DISABLE_HOST_PREFIX_INJECTION=true AWS_MAX_ATTEMPTS=1

role=arn:aws:iam::123456789012:role/tour
pass='{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}'
wait='{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":3600,"End":true}}}'

fail() {
    echo "$1" >&2
    exit 1
}

# sfn OPERATION QUERY WANTED ARGUMENT…: the answer's part must be what is wanted.
sfn() {
    local operation=$1 query=$2 wanted=$3
    shift 3
    found=$(aws --endpoint-url "$endpoint" stepfunctions "$operation" --output text --query "$query" "$@")
    # What is wanted is a pattern.
    # shellcheck disable=SC2053
    [[ $found == $wanted ]] || fail "$operation: '$found' instead of '$wanted'"
    echo "$operation: $found"
}

# refused OPERATION ERROR ARGUMENT…
refused() {
    local operation=$1 error=$2 message
    shift 2
    if message=$(aws --endpoint-url "$endpoint" stepfunctions "$operation" "$@" 2>&1); then
        fail "$operation: $error was expected, not $message"
    fi
    [[ $message == *"($error)"* ]] || fail "$operation: $error was expected, not $message"
}

sfn create-state-machine stateMachineArn '*:stateMachine:cli' --name cli --definition "$pass" --role-arn $role
machine=$found
refused create-state-machine InvalidDefinition --name bad --definition '{}' --role-arn $role
sfn describe-state-machine '[name,status,type]' $'cli\tACTIVE\tSTANDARD' --state-machine-arn "$machine"
refused describe-state-machine StateMachineDoesNotExist --state-machine-arn "${machine}x"
sfn list-state-machines 'stateMachines[].name' cli
sfn validate-state-machine-definition result OK --definition "$pass"
sfn tag-resource @ '' --resource-arn "$machine" --tags key=a,value=1 key=b,value=2
sfn untag-resource @ '' --resource-arn "$machine" --tag-keys b
sfn list-tags-for-resource 'tags[].[key,value]' $'a\t1' --resource-arn "$machine"

sfn publish-state-machine-version stateMachineVersionArn "$machine:1" --state-machine-arn "$machine"
sfn update-state-machine stateMachineVersionArn "$machine:2" --state-machine-arn "$machine" --definition "$wait" --publish
sfn list-state-machine-versions 'stateMachineVersions[].stateMachineVersionArn' "$machine:2"$'\t'"$machine:1" --state-machine-arn "$machine"
sfn create-state-machine-alias stateMachineAliasArn "$machine:live" --name live \
    --routing-configuration "stateMachineVersionArn=$machine:1,weight=100"
sfn update-state-machine-alias 'updateDate != `null`' True --state-machine-alias-arn "$machine:live" \
    --routing-configuration "stateMachineVersionArn=$machine:1,weight=20" "stateMachineVersionArn=$machine:2,weight=80"
sfn describe-state-machine-alias 'routingConfiguration[].weight' $'20\t80' --state-machine-alias-arn "$machine:live"
sfn list-state-machine-aliases 'length(stateMachineAliases)' 1 --state-machine-arn "$machine"
refused delete-state-machine-version ConflictException --state-machine-version-arn "$machine:1"
sfn delete-state-machine-alias @ '' --state-machine-alias-arn "$machine:live"

sfn start-execution executionArn '*:execution:cli:one' --state-machine-arn "$machine:1" --name one --input '{"a":1}'
first=$found
sfn start-execution executionArn '*:execution:cli:two' --state-machine-arn "$machine" --name two
second=$found
sfn describe-execution '[status,output]' $'SUCCEEDED\t{"a":1}' --execution-arn "$first"
sfn describe-state-machine-for-execution name cli --execution-arn "$first"
sfn get-execution-history 'events[].id' $'4\t3\t2\t1' --execution-arn "$first" --reverse-order
sfn list-executions 'executions[].name' two --state-machine-arn "$machine" --status-filter RUNNING
sfn stop-execution 'stopDate != `null`' True --execution-arn "$second" --error Enough
sfn redrive-execution 'redriveDate != `null`' True --execution-arn "$second"
sfn stop-execution 'stopDate != `null`' True --execution-arn "$second"
refused redrive-execution ExecutionNotRedrivable --execution-arn "$first"
sfn delete-state-machine-version @ '' --state-machine-version-arn "$machine:1"
sfn create-state-machine stateMachineArn '*:express' --name express --type EXPRESS --definition "$pass" --role-arn $role
sfn start-sync-execution '[status,output]' $'SUCCEEDED\t{"a":1}' --state-machine-arn "$found" --input '{"a":1}'
sfn test-state '[status,nextState,error]' $'CAUGHT_ERROR\tN\tOops' --mock 'errorOutput={error=Oops}' --definition \
    '{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","End":true,
      "Catch":[{"ErrorEquals":["Oops"],"Next":"N"}]}'

sfn create-state-machine stateMachineArn '*:items' --name items --role-arn $role --definition \
    '{"StartAt":"M","States":{"M":{"Type":"Map","End":true,"ItemProcessor":{
      "ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},
      "StartAt":"W","States":{"W":{"Type":"Wait","Seconds":3600,"End":true}}}}}}'
sfn start-execution executionArn '*:items:*' --state-machine-arn "$found" --input '[1,2]'
parent=$found
sfn list-map-runs 'mapRuns[0].mapRunArn' 'arn:aws:states:*:mapRun:items/*' --execution-arn "$parent"
run=$found
sfn update-map-run @ '' --map-run-arn "$run" --max-concurrency 1
sfn describe-map-run '[status,maxConcurrency]' $'RUNNING\t1' --map-run-arn "$run"
sfn stop-execution 'stopDate != `null`' True --execution-arn "$parent"

sfn create-activity activityArn '*:activity:cli' --name cli
activity=$found
sfn describe-activity name cli --activity-arn "$activity"
sfn list-activities 'activities[].name' cli
sfn create-state-machine stateMachineArn '*:worker' --name worker --role-arn $role --definition \
    '{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"'"$activity"'","End":true}}}'
worker=$found
sfn start-execution executionArn '*:good' --state-machine-arn "$worker" --name good
good=$found
sfn get-activity-task taskToken '?*' --activity-arn "$activity"
token=$found
sfn send-task-heartbeat @ '' --task-token "$token"
sfn send-task-success @ '' --task-token "$token" --task-output '"done"'
refused send-task-heartbeat InvalidToken --task-token forged
sfn describe-execution '[status,output]' $'SUCCEEDED\t"done"' --execution-arn "$good"
sfn start-execution executionArn '*:broken' --state-machine-arn "$worker" --name broken
broken=$found
sfn get-activity-task taskToken '?*' --activity-arn "$activity"
sfn send-task-failure @ '' --task-token "$found" --error Broken --cause purpose
sfn describe-execution '[status,error,cause]' $'FAILED\tBroken\tpurpose' --execution-arn "$broken"
sfn delete-activity @ '' --activity-arn "$activity"
refused describe-activity ActivityDoesNotExist --activity-arn "$activity"
sfn delete-state-machine @ '' --state-machine-arn "$worker"

answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
aws --endpoint-url "$endpoint" lambda invoke --function-name echo --payload '{"a":1}' "$answer" >"$answer.meta"
rm "$answer.meta"
[[ $(<"$answer") == '{"a":1}' ]] || fail "lambda invoke: $(<"$answer")"
echo "lambda invoke: $(<"$answer")"
