def handler(event, context):
    """Greets whom the event names. What it raises is an error that `Retry` and `Catch` can name."""
    return {"text": f"Hello, {event['name']}!"}
