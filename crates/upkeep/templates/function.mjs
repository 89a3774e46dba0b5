/** Greets whom the event names. What it throws is an error that `Retry` and `Catch` can name. */
export async function handler(event) {
  return { text: `Hello, ${event.name}!` }
}
