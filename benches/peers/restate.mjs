// The peer Restate: `node peers/restate.mjs PORT` serves a workflow of ten steps, each journalled, that do nothing.
// Needs the package `@restatedev/restate-sdk`, in the folder that PEERS names.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// Node.js 20 has it not yet.
Promise.withResolvers ??= function () {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
};

const load = createRequire(`${process.env.PEERS}/`).resolve;
const restate = await import(pathToFileURL(load("@restatedev/restate-sdk")).href);

const flow = restate.service({
  name: "flow",
  handlers: {
    ten: async (context, input) => {
      for (let at = 0; at < 10; at += 1) await context.run(`step ${at}`, () => at);
      return input.k;
    },
  },
});

restate.serve({ services: [flow], port: Number(process.argv[2]) });
