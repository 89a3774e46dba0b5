"""The services that tasks on AWS call, as far as they call them."""

import threading


class Refused(Exception):
    """An answer of a service that refused a call."""

    def __init__(self, code):
        super().__init__(code)
        self.response = {"Error": {"Code": code}}


class Dynamo:
    """Tables of items by partition key and index. It takes and gives a few at a time."""

    def __init__(self, page=2, taken=3):
        self.tables = {}
        self.page = page
        self.taken = taken

    def _table(self, name):
        return self.tables.setdefault(name, {})

    @staticmethod
    def _place(item):
        return item["partition_key"]["S"], int(item["item_index"]["N"])

    def put_item(self, TableName, Item):
        self._table(TableName)[self._place(Item)] = Item

    def get_item(self, TableName, Key, ConsistentRead):
        assert ConsistentRead
        item = self._table(TableName).get(self._place(Key))
        return {} if item is None else {"Item": item}

    def query(self, TableName, ExpressionAttributeValues, ProjectionExpression, ExclusiveStartKey=None, **_):
        key, first = ExpressionAttributeValues[":key"]["S"], int(ExpressionAttributeValues[":first"]["N"])
        if ExclusiveStartKey:
            first = self._place(ExclusiveStartKey)[1] + 1
        items = sorted(self._table(TableName).items())
        found = [item for (partition, index), item in items if partition == key and index >= first]
        keys = [{name: item[name] for name in ("partition_key", "item_index")} for item in found]
        shown = [{"data": item["data"]} for item in found] if ProjectionExpression == "#data" else keys
        if len(found) > self.page:
            return {"Items": shown[: self.page], "LastEvaluatedKey": keys[self.page - 1]}
        return {"Items": shown}

    def batch_write_item(self, RequestItems):
        [(name, requests)] = RequestItems.items()
        assert len(requests) <= 25
        for request in requests[: self.taken]:
            if "PutRequest" in request:
                self.put_item(name, request["PutRequest"]["Item"])
            else:
                key = request["DeleteRequest"]["Key"]
                assert set(key) == {"partition_key", "item_index"}, key
                del self._table(name)[self._place(key)]
        left = requests[self.taken :]
        return {"UnprocessedItems": {name: left} if left else {}}


class States:
    """Executions by their ARNs, and what has been asked."""

    def __init__(self):
        self.calls = []
        self.executions = {}
        self.refusals = {}

    def _called(self, operation, request):
        self.calls.append((operation, request))
        if operation in self.refusals:
            raise Refused(self.refusals[operation])

    def stop_execution(self, **request):
        self._called("stop_execution", request)

    def start_execution(self, **request):
        self._called("start_execution", request)

    def send_task_success(self, **request):
        self._called("send_task_success", request)

    def send_task_failure(self, **request):
        self._called("send_task_failure", request)

    def describe_execution(self, executionArn):
        if executionArn not in self.executions:
            raise Refused("ExecutionDoesNotExist")
        return self.executions[executionArn]


class Queue:
    """A queue of messages; those that are hidden for no time come again."""

    def __init__(self, *messages):
        self.waiting = list(messages)
        self.hidden = {}
        self.deleted = []
        self.visibilities = []
        self.most = 0
        self.changed = threading.Condition()

    def receive_message(self, MaxNumberOfMessages, **_):
        with self.changed:
            self.changed.wait_for(lambda: self.waiting, timeout=0.05)
            given, self.waiting = self.waiting[:MaxNumberOfMessages], self.waiting[MaxNumberOfMessages:]
            self.hidden.update({message["ReceiptHandle"]: message for message in given})
            self.most = max(self.most, len(self.hidden))
        return {"Messages": given} if given else {}

    def delete_message(self, ReceiptHandle, **_):
        with self.changed:
            self.deleted.append(ReceiptHandle)
            self.hidden.pop(ReceiptHandle)

    def change_message_visibility(self, ReceiptHandle, VisibilityTimeout, **_):
        with self.changed:
            self.visibilities.append((ReceiptHandle, VisibilityTimeout))
            if VisibilityTimeout == 0:
                self.waiting.append(self.hidden.pop(ReceiptHandle))
                self.changed.notify()
