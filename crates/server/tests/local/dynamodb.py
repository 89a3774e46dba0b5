"""A tour of DynamoDB."""

from tour import ANYTHING, Tour, client, error

# What moto does otherwise.
DIFFERS = {
    "a short name": "every name is taken",
    "tables": "the table with the short name is among them",
    "get": "numbers stay as they were written",
    "a wrong key": "another message",
    "a key of another type": "it finds nothing instead",
    "a set of the same": "it is taken",
    "too many digits": "every number is taken",
    "an index key of another type": "it is taken",
    "a part": "names in paths with an index count as unused",
    "an unknown value": "it answers 500",
    "an unused value": "it is taken",
    "no expression at all": "it answers 500",
    "an unknown function": "it answers 500",
    "no index": "another error",
    "a filter on the key": "it is taken",
    "or": "it answers 500",
    "scan": "the items that should have been refused are among them",
    "segments": "the same",
    "pages of a scan": "the same",
    "scan an index": "it answers 500",
    "too many": "every number of writes is taken",
    "a token twice": "the transaction is carried out twice",
    "a token for something else": "it is carried out",
    "read a transaction": "the same as with the token",
    "delete": "the same",
    "delete the table": "the status is ACTIVE",
}

tour = Tour(DIFFERS)
db = client("dynamodb", tour.endpoint)
step = tour.step
INVALID = "ValidationException"


def s(text):
    return {"S": text}


def n(number):
    return {"N": str(number)}


# Tables.
TABLE = {
    "TableName": "orders",
    "BillingMode": "PAY_PER_REQUEST",
    "KeySchema": [{"AttributeName": "customer", "KeyType": "HASH"}, {"AttributeName": "number", "KeyType": "RANGE"}],
    "AttributeDefinitions": [
        {"AttributeName": "customer", "AttributeType": "S"},
        {"AttributeName": "number", "AttributeType": "N"},
        {"AttributeName": "state", "AttributeType": "S"},
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "by_state",
            "KeySchema": [{"AttributeName": "state", "KeyType": "HASH"}, {"AttributeName": "number", "KeyType": "RANGE"}],
            "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["amount"]},
        }
    ],
}
step("create", lambda: db.create_table(**TABLE), {"TableDescription": {"TableName": "orders", "TableArn": "arn:aws:dynamodb:us-east-1:123456789012:table/orders"}})
step("create again", lambda: db.create_table(**TABLE), error("ResourceInUseException", "already exists"))
step(
    "without a definition",
    lambda: db.create_table(**{**TABLE, "TableName": "bad", "AttributeDefinitions": TABLE["AttributeDefinitions"][:1]}),
    error(INVALID),
)
step(
    "with one too many",
    lambda: db.create_table(
        **{**TABLE, "TableName": "bad", "AttributeDefinitions": TABLE["AttributeDefinitions"] + [{"AttributeName": "x", "AttributeType": "S"}]}
    ),
    error(INVALID),
)
step("a short name", lambda: db.create_table(**{**TABLE, "TableName": "ab"}), error(INVALID))
step(
    "describe",
    lambda: db.describe_table(TableName="orders"),
    {"Table": {"TableStatus": "ACTIVE", "ItemCount": 0, "KeySchema": TABLE["KeySchema"], "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"}}},
)
step("describe none", lambda: db.describe_table(TableName="none"), error("ResourceNotFoundException", "none"))
step("tables", lambda: db.list_tables(), {"TableNames": ["orders"]})


def put(customer, number, **more):
    return db.put_item(TableName="orders", Item={"customer": s(customer), "number": n(number), **more})


def key(customer, number):
    return {"TableName": "orders", "Key": {"customer": s(customer), "number": n(number)}}


# Items.
ALL = {
    "text": s("t"),
    "bytes": {"B": b"\x00\x01"},
    "flag": {"BOOL": True},
    "nothing": {"NULL": True},
    "texts": {"SS": ["a", "b"]},
    "numbers": {"NS": ["1", "2.50"]},
    "list": {"L": [n(1), s("x"), {"M": {"y": n(2)}}]},
    "map": {"M": {"a": {"M": {"b": n(3)}}}},
}
step("put", lambda: put("ann", "01.0", **ALL), {"Attributes": None})
step(
    "get",
    lambda: db.get_item(**key("ann", 1), ConsistentRead=True),
    {"Item": {"number": n(1), "text": s("t"), "bytes": {"B": b"\x00\x01"}, "list": ALL["list"], "map": ALL["map"]}},
)
step("get none", lambda: db.get_item(**key("ann", 2)), {"Item": None})
step("no table", lambda: db.get_item(TableName="none", Key={"a": s("b")}), error("ResourceNotFoundException"))
step("a wrong key", lambda: db.get_item(TableName="orders", Key={"customer": s("ann")}), error(INVALID, "does not match the schema"))
step("a key of another type", lambda: db.get_item(TableName="orders", Key={"customer": s("ann"), "number": s("1")}), error(INVALID, "does not match the schema"))
step("without the key", lambda: db.put_item(TableName="orders", Item={"customer": s("x")}), error(INVALID, "Missing the key number"))
step("an empty key", lambda: put("", 1), error(INVALID, "empty string"))
step("no number", lambda: put("x", "one"), error(INVALID, "numeric"))
step("an empty set", lambda: put("x", 1, set={"SS": []}), error(INVALID, "may not be empty"))
step("a set of the same", lambda: put("x", 1, set={"SS": ["a", "a"]}), error(INVALID, "duplicates"))
step("too many digits", lambda: put("x", 1, big=n("1" * 39)), error(INVALID, "38"))
step("too large", lambda: put("x", 1, big=s("x" * 410_000)), error(INVALID, "Item size"))
step("an index key of another type", lambda: put("x", 1, state=n(1)), error(INVALID, "by_state"))
step(
    "the old one",
    lambda: db.put_item(TableName="orders", Item={"customer": s("ann"), "number": n(1), **ALL, "v": n(2)}, ReturnValues="ALL_OLD"),
    {"Attributes": {"text": s("t"), "v": None}},
)
step(
    "a part",
    lambda: db.get_item(**key("ann", 1), ProjectionExpression="#t, #l[2].y, #m.a.b", ExpressionAttributeNames={"#t": "text", "#l": "list", "#m": "map"}),
    {"Item": lambda found: found == {"text": s("t"), "list": {"L": [{"M": {"y": n(2)}}]}, "map": {"M": {"a": {"M": {"b": n(3)}}}}}},
)
step("capacity", lambda: db.get_item(**key("ann", 1), ReturnConsumedCapacity="TOTAL"), {"ConsumedCapacity": {"TableName": "orders", "CapacityUnits": 0.5}})

# Conditions.


def conditional(expression, names=None, values=None, **more):
    given = {"ConditionExpression": expression, **more}
    if names:
        given["ExpressionAttributeNames"] = names
    if values:
        given["ExpressionAttributeValues"] = values
    return db.put_item(TableName="orders", Item={"customer": s("ann"), "number": n(9)}, **given)


FAILED = error("ConditionalCheckFailedException", "The conditional request failed")
step("if absent", lambda: conditional("attribute_not_exists(customer)"), {"ResponseMetadata": ANYTHING})
step("if absent, again", lambda: conditional("attribute_not_exists(customer)"), FAILED)
step("if equal", lambda: conditional("#n = :n", {"#n": "number"}, {":n": n("9.0")}), {"ResponseMetadata": ANYTHING})
for name, expression, values in [
    ("less", "amount < :v", {":v": n(1)}),
    ("a type", "attribute_type(customer, :v)", {":v": s("N")}),
    ("in", "customer IN (:a, :b)", {":a": s("x"), ":b": s("y")}),
    ("not", "NOT begins_with(customer, :v)", {":v": s("an")}),
    ("size", "size(customer) > :v", {":v": n(3)}),
    ("contains", "contains(customer, :v)", {":v": s("x")}),
    ("between", "customer BETWEEN :a AND :b", {":a": s("b"), ":b": s("c")}),
    ("and before or", "customer = :a AND customer = :b OR customer = :b", {":a": s("ann"), ":b": s("x")}),
]:
    step(f"condition: {name}", lambda: conditional(expression, values=values), FAILED)
step("a reserved word", lambda: conditional("name = :v", values={":v": s("x")}), error(INVALID, "reserved keyword"))
step("an unknown value", lambda: conditional("customer = :v"), error(INVALID, "not defined"))
step("an unused value", lambda: conditional("attribute_exists(customer)", values={":v": s("x")}), error(INVALID, "unused"))
step("no expression at all", lambda: conditional("customer ="), error(INVALID, "Syntax error"))
step("an unknown function", lambda: conditional("resembles(customer, :v)", values={":v": s("x")}), error(INVALID, "Invalid function name"))

# Updates.


def update(expression, names=None, values=None, number=1, **more):
    given = {"UpdateExpression": expression, **more}
    if names:
        given["ExpressionAttributeNames"] = names
    if values:
        given["ExpressionAttributeValues"] = values
    return db.update_item(**key("ann", number), **given)


step(
    "set",
    lambda: update("SET v = v + :one, w = if_not_exists(w, :one), l = :l", values={":one": n("0.5"), ":l": {"L": [n(1)]}}, ReturnValues="UPDATED_NEW"),
    {"Attributes": lambda found: found == {"v": n("2.5"), "w": n("0.5"), "l": {"L": [n(1)]}}},
)
step(
    "append and within",
    lambda: update(
        "SET l = list_append(l, :l), #m.a.b = :x, #m.n = :x",
        {"#m": "map"},
        {":l": {"L": [n(2)]}, ":x": s("x")},
        ReturnValues="ALL_NEW",
    ),
    {"Attributes": {"l": {"L": [n(1), n(2)]}, "map": {"M": {"a": {"M": {"b": s("x")}}, "n": s("x")}}}},
)
step("remove", lambda: update("REMOVE l[0], w", ReturnValues="ALL_NEW"), {"Attributes": {"l": {"L": [n(2)]}, "w": None}})
step(
    "add",
    lambda: update("ADD v :n, texts :t, fresh :n", values={":n": n(-3), ":t": {"SS": ["b", "c"]}}, ReturnValues="ALL_NEW"),
    {"Attributes": {"v": n("-0.5"), "texts": {"SS": lambda found: sorted(found) == ["a", "b", "c"]}, "fresh": n(-3)}},
)
step("delete from a set", lambda: update("DELETE texts :t", values={":t": {"SS": ["a", "b"]}}, ReturnValues="ALL_NEW"), {"Attributes": {"texts": {"SS": ["c"]}}})
step("delete the last", lambda: update("DELETE texts :t", values={":t": {"SS": ["c"]}}, ReturnValues="ALL_NEW"), {"Attributes": {"texts": None}})
step("what was", lambda: update("SET v = :v", values={":v": n(0)}, ReturnValues="UPDATED_OLD"), {"Attributes": lambda found: found == {"v": n("-0.5")}})
step("a new item", lambda: update("SET amount = :t", values={":t": n(5)}, number=7, ReturnValues="ALL_NEW"), {"Attributes": lambda found: found == {"customer": s("ann"), "number": n(7), "amount": n(5)}})
step("if it holds", lambda: update("SET v = :v", values={":v": n(1), ":w": n(9)}, ConditionExpression="v = :w"), FAILED)
step("the key", lambda: update("SET customer = :v", values={":v": s("x")}), error(INVALID, "part of the key"))
step("one path twice", lambda: update("SET v = :v, v = :v", values={":v": n(1)}), error(INVALID, "overlap"))
step("from nothing", lambda: update("SET v = absent + :v", values={":v": n(1)}), error(INVALID, "does not exist in the item"))
step("a text and a number", lambda: update("SET v = #t + :v", {"#t": "text"}, {":v": n(1)}), error(INVALID, "Incorrect operand type"))
step("into nothing", lambda: update("SET absent.x = :v", values={":v": n(1)}), error(INVALID, "document path"))

# Queries.
for number in range(1, 6):
    put("bob", number, state=s("open" if number % 2 else "done"), amount=n(number * 10), note=s("n"))


def query(condition, values, **more):
    names = more.pop("names", None)
    given = {"ExpressionAttributeNames": names} if names else {}
    return db.query(TableName="orders", KeyConditionExpression=condition, ExpressionAttributeValues=values, **given, **more)


def numbers(found):
    return [item["number"]["N"] for item in found["Items"]]


NUMBER = {"#n": "number"}
BOB = {":c": s("bob")}
step("a partition", lambda: numbers(query("customer = :c", BOB)), ["1", "2", "3", "4", "5"])
step("backwards", lambda: numbers(query("customer = :c", BOB, ScanIndexForward=False)), ["5", "4", "3", "2", "1"])
step("a range", lambda: numbers(query("customer = :c AND #n BETWEEN :a AND :b", {**BOB, ":a": n(2), ":b": n(4)}, names=NUMBER)), ["2", "3", "4"])
step("greater", lambda: numbers(query("customer = :c AND #n > :a", {**BOB, ":a": n(3)}, names=NUMBER)), ["4", "5"])
step("a filter", lambda: query("customer = :c", {**BOB, ":t": n(30)}, FilterExpression="amount > :t"), {"Count": 2, "ScannedCount": 5})
page = step("a page", lambda: query("customer = :c", BOB, Limit=2), {"Count": 2, "LastEvaluatedKey": {"customer": s("bob"), "number": n(2)}})
step("the next page", lambda: numbers(query("customer = :c", BOB, Limit=2, ExclusiveStartKey=page["LastEvaluatedKey"])), ["3", "4"])
step("a count", lambda: query("customer = :c", BOB, Select="COUNT"), {"Count": 5, "Items": None})
OPEN = {":s": s("open")}
STATE = {"#s": "state"}
step("an index", lambda: numbers(query("#s = :s", OPEN, IndexName="by_state", names=STATE)), ["1", "3", "5"])
step(
    "what the index has",
    lambda: query("#s = :s", OPEN, IndexName="by_state", names=STATE, Limit=1),
    {
        "Items": [lambda item: sorted(item) == ["amount", "customer", "number", "state"]],
        "LastEvaluatedKey": {"customer": s("bob"), "number": n(1), "state": s("open")},
    },
)
step("no index", lambda: query("#s = :s", OPEN, IndexName="none", names=STATE), error(INVALID, "index"))
step("consistent", lambda: query("#s = :s", OPEN, IndexName="by_state", names=STATE, ConsistentRead=True), error(INVALID, "Consistent reads"))
step("no partition", lambda: query("#n = :a", {":a": n(1)}, names=NUMBER), error(INVALID, "missed key schema element"))
step("a filter on the key", lambda: query("customer = :c", {**BOB, ":a": n(1)}, names=NUMBER, FilterExpression="#n = :a"), error(INVALID, "Filter Expression can only contain non-primary key attributes"))
step("or", lambda: query("customer = :c OR customer = :c", BOB), error(INVALID))
step("scan", lambda: db.scan(TableName="orders"), {"Count": 8, "ScannedCount": 8})
step(
    "scan with a filter",
    lambda: db.scan(TableName="orders", FilterExpression="attribute_exists(note) AND amount >= :t", ExpressionAttributeValues={":t": n(40)}),
    {"Count": 2},
)
step(
    "segments",
    lambda: sum(db.scan(TableName="orders", Segment=segment, TotalSegments=3)["Count"] for segment in range(3)),
    8,
)
step(
    "pages of a scan",
    lambda: sum(page["Count"] for page in db.get_paginator("scan").paginate(TableName="orders", PaginationConfig={"PageSize": 3})),
    8,
)
step("scan an index", lambda: db.scan(TableName="orders", IndexName="by_state"), {"Count": 5})

# Batches and transactions.
step(
    "write a batch",
    lambda: db.batch_write_item(
        RequestItems={
            "orders": [
                {"PutRequest": {"Item": {"customer": s("cat"), "number": n(1)}}},
                {"DeleteRequest": {"Key": {"customer": s("bob"), "number": n(5)}}},
            ]
        }
    ),
    {"UnprocessedItems": {}},
)
step(
    "get a batch",
    lambda: db.batch_get_item(RequestItems={"orders": {"Keys": [{"customer": s("cat"), "number": n(1)}, {"customer": s("bob"), "number": n(5)}]}}),
    {"Responses": {"orders": [{"customer": s("cat")}]}, "UnprocessedKeys": {}},
)
step(
    "the same twice",
    lambda: db.batch_get_item(RequestItems={"orders": {"Keys": [{"customer": s("cat"), "number": n(1)}] * 2}}),
    error(INVALID, "duplicates"),
)
step(
    "too many",
    lambda: db.batch_write_item(
        RequestItems={"orders": [{"PutRequest": {"Item": {"customer": s("x"), "number": n(i)}}} for i in range(26)]}
    ),
    error(INVALID),
)


def transact(*items, **more):
    return db.transact_write_items(TransactItems=list(items), **more)


def place(customer, number, **more):
    return {"Put": {"TableName": "orders", "Item": {"customer": s(customer), "number": n(number)}, **more}}


step("a transaction", lambda: transact(place("dan", 1), place("dan", 2)), {"ResponseMetadata": ANYTHING})
step(
    "one that fails",
    lambda: transact(place("dan", 3), place("dan", 1, ConditionExpression="attribute_not_exists(customer)")),
    error("TransactionCanceledException", "[None, ConditionalCheckFailed]"),
)
step("changes nothing", lambda: numbers(query("customer = :c", {":c": s("dan")})), ["1", "2"])
step("one item twice", lambda: transact(place("dan", 4), place("dan", 4)), error(INVALID, "multiple operations on one item"))
step(
    "a token twice",
    lambda: [
        transact(
            {
                "Update": {
                    **key("dan", 1),
                    "UpdateExpression": "ADD hits :one",
                    "ExpressionAttributeValues": {":one": n(1)},
                }
            },
            ClientRequestToken="once",
        )
        for _ in range(2)
    ]
    and db.get_item(**key("dan", 1)),
    {"Item": {"hits": n(1)}},
)
step("a token for something else", lambda: transact(place("dan", 9), ClientRequestToken="once"), error("IdempotentParameterMismatchException"))
step(
    "read a transaction",
    lambda: db.transact_get_items(TransactItems=[{"Get": key("dan", 1)}, {"Get": key("dan", 8)}]),
    {"Responses": [{"Item": {"hits": n(1)}}, {"Item": None}]},
)
step(
    "delete",
    lambda: db.delete_item(**key("dan", 1), ReturnValues="ALL_OLD"),
    {"Attributes": {"hits": n(1)}},
)
step("delete none", lambda: db.delete_item(**key("dan", 1)), {"Attributes": None})

# Tables again.
step(
    "time to live",
    lambda: (
        db.update_time_to_live(TableName="orders", TimeToLiveSpecification={"AttributeName": "until", "Enabled": True}),
        db.describe_time_to_live(TableName="orders"),
    )[1],
    {"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED", "AttributeName": "until"}},
)
step(
    "tags",
    lambda: (
        db.tag_resource(ResourceArn="arn:aws:dynamodb:us-east-1:123456789012:table/orders", Tags=[{"Key": "a", "Value": "b"}]),
        db.list_tags_of_resource(ResourceArn="arn:aws:dynamodb:us-east-1:123456789012:table/orders"),
    )[1],
    {"Tags": [{"Key": "a", "Value": "b"}]},
)
step(
    "another index",
    lambda: (
        db.update_table(
            TableName="orders",
            AttributeDefinitions=[{"AttributeName": "note", "AttributeType": "S"}],
            GlobalSecondaryIndexUpdates=[
                {
                    "Create": {
                        "IndexName": "by_note",
                        "KeySchema": [{"AttributeName": "note", "KeyType": "HASH"}],
                        "Projection": {"ProjectionType": "KEYS_ONLY"},
                    }
                }
            ],
        ),
        query("note = :n", {":n": s("n")}, IndexName="by_note"),
    )[1],
    {"Count": 4},
)
step("delete the table", lambda: db.delete_table(TableName="orders"), {"TableDescription": {"TableStatus": "DELETING"}})
step("it is gone", lambda: db.scan(TableName="orders"), error("ResourceNotFoundException"))
if tour.peer != "moto":
    step(
        "what is not there is refused by name",
        lambda: db.create_table(**{**TABLE, "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}}),
        error("UnsupportedOperation", "StreamSpecification"),
    )
    step("so are old parameters", lambda: db.scan(TableName="orders", ScanFilter={}), error("UnsupportedOperation", "ScanFilter"))
    step("and PartiQL", lambda: db.execute_statement(Statement="SELECT * FROM orders"), error("UnsupportedOperation", "ExecuteStatement"))
tour.end()
