// Reads {document, expressions, seconds} and writes what each expression gives and costs, in
// nanoseconds, once it has been compiled and the machine is warm.
import jsonata from "jsonata";

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const { states, expressions, seconds } = JSON.parse(Buffer.concat(chunks).toString("utf8"));

const results = [];
for (const text of expressions) {
  const expression = jsonata(text);
  const once = () => expression.evaluate(undefined, { states });
  const value = await once();
  const until = process.hrtime.bigint() + BigInt(seconds * 0.3e9);
  let warm = 0;
  while (process.hrtime.bigint() < until) {
    await once();
    warm++;
  }
  const count = Math.max(1, Math.floor(warm / 10));
  let best = Infinity;
  const end = process.hrtime.bigint() + BigInt(seconds * 0.7e9);
  do {
    const start = process.hrtime.bigint();
    for (let i = 0; i < count; i++) await once();
    best = Math.min(best, Number(process.hrtime.bigint() - start) / count);
  } while (process.hrtime.bigint() < end);
  results.push({ value, nanoseconds: best });
}
process.stdout.write(JSON.stringify(results));
