"""A function that fails the first time, and says which attempt it is."""

COUNT = [0]


def handler(event, context):
    COUNT[0] += 1
    print("attempt of the " + ("first" if COUNT[0] == 1 else "second"))
    print("<script>alert(1)</script> \u202egnp.exe", flush=True)
    if COUNT[0] == 1:
        raise ValueError("not yet")
    return {"attempt": COUNT[0]}
