# Reads the task's input as JSON and prints its result as JSON. Any program will do that does the same.
event=$(cat)
name=${event#*\"name\":\"}
printf '{"text": "Hello, %s!"}\n' "${name%%\"*}"
