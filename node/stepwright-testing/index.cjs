'use strict'

const { spawn } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs/promises')
const http = require('node:http')
const os = require('node:os')
const path = require('node:path')

/** Something could not be run: no binary, or a file that cannot be used. */
class StepwrightError extends Error {
  name = 'StepwrightError'
}

/** Thrown by a mock: the task fails with this error. Any other exception fails it with its own name. */
class TaskFails extends Error {
  name = 'TaskFails'

  constructor(error, cause = '') {
    super(`${error}: ${cause}`)
    this.error = error
    this.causeText = cause
  }
}

/** The command: `STEPWRIGHT_BIN`, or that of the package `stepwright`, or `stepwright` on the PATH. */
function binary() {
  if (process.env.STEPWRIGHT_BIN) return process.env.STEPWRIGHT_BIN
  try {
    return require('stepwright').binary
  } catch {
    return 'stepwright'
  }
}

/** Runs a command to its end: its exit code and what it printed. */
async function command(program, args) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const [stdout, stderr] = [read(child.stdout), read(child.stderr)]
  const code = await new Promise((resolve, reject) => {
    child.once('error', (error) => {
      reject(new StepwrightError(`the command \`${program}\` cannot be run: ${error.message}`))
    })
    child.once('close', resolve)
  })
  return { code, stdout: await stdout, stderr: await stderr }
}

async function read(stream) {
  const chunks = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

function parsed({ code, stdout, stderr }) {
  try {
    return JSON.parse(stdout)
  } catch {
    throw new StepwrightError(stderr.trim() || `exit code ${code}`)
  }
}

/** How an execution ended, and what happened on the way. */
class Execution {
  constructor(said, calls, timeline) {
    this.status = said.status
    this.output = said.output
    this.error = said.error
    this.cause = said.cause
    this.elapsedMillis = said.elapsedMillis
    this.events = said.events
    this.calls = calls
    this.timeline = timeline
  }

  get succeeded() {
    return this.status === 'SUCCEEDED'
  }

  get path() {
    return this.events.flatMap((event) => event.stateEnteredEventDetails?.name ?? [])
  }

  check() {
    if (!this.succeeded) {
      throw new Error(`${this.status} ${this.error ?? ''}: ${this.cause ?? ''}\n${this.timeline}`)
    }
    return this
  }
}

/** A server on this machine that calls the mocks. */
async function answering(mocks) {
  const names = Object.keys(mocks)
  const calls = Object.fromEntries(names.map((name) => [name, []]))
  const server = http.createServer(async (request, response) => {
    let answer
    try {
      const event = JSON.parse((await read(request)) || 'null')
      const name = names[Number(request.url.slice(1))]
      calls[name].push(event)
      const mock = mocks[name]
      answer = typeof mock === 'function' ? await mock(event) : mock
    } catch (error) {
      answer =
        error instanceof TaskFails
          ? { errorType: error.error, errorMessage: error.causeText }
          : { errorType: error?.name ?? 'Error', errorMessage: String(error?.message ?? error) }
    }
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(answer ?? null))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  const functions = names.map(
    (name, at) => `[functions.${JSON.stringify(name)}]\nhttp = "http://127.0.0.1:${port}/${at}"\n`
  )
  const close = () =>
    new Promise((resolve) => {
      server.close(resolve)
      server.closeAllConnections?.()
    })
  return { config: functions.join('\n'), calls, close }
}

/** Runs state machines in virtual time. */
class Simulator {
  constructor(program = binary()) {
    this.command = program
  }

  async run(definition, { input = {}, mocks = {}, stateMachine, values = {}, seed = 1 } = {}) {
    const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'stepwright-'))
    const answers = await answering(mocks)
    try {
      const inFolder = async (name, text) => {
        const file = path.join(folder, name)
        await fs.writeFile(file, text)
        return file
      }
      const file =
        typeof definition === 'string'
          ? definition
          : await inFolder('machine.asl.json', JSON.stringify(definition))
      const args = ['run', file, '--virtual-time', '--output', 'json', '--timeline']
      args.push('--config', await inFolder('stepwright.toml', answers.config))
      args.push('--mocks', await inFolder('mocks.yaml', '{}\n'))
      args.push('--input', JSON.stringify(input))
      if (seed !== undefined) args.push('--seed', String(seed))
      if (stateMachine !== undefined) args.push('--state-machine', stateMachine)
      for (const [name, value] of Object.entries(values)) args.push('--set', `${name}=${value}`)
      const done = await command(this.command, args)
      return new Execution(parsed(done), answers.calls, done.stderr)
    } finally {
      await answers.close()
      await fs.rm(folder, { recursive: true, force: true })
    }
  }
}

/** Runs a definition in virtual time, with functions as mocks. */
function simulate(definition, options) {
  return new Simulator().run(definition, options)
}

/** Runs test files, or those in directories. */
async function runTests(paths, { filter } = {}) {
  const args = ['test', '--format', 'json', ...[].concat(paths)]
  if (filter !== undefined) args.push('--filter', filter)
  const said = parsed(await command(binary(), args))
  const cases = said.files.flatMap(({ file, cases }) =>
    cases.map((details) => ({
      file,
      name: details.name,
      passed: details.passed,
      details,
      explain: () => explain(details),
      check() {
        if (!details.passed) throw new Error(`${details.name}\n${explain(details)}`)
      }
    }))
  )
  return { cases, complaints: said.complaints, coverage: said.coverage }
}

function explain(details) {
  const lines = []
  for (const { state, machine, why, resource, input } of details.unmocked ?? []) {
    const of = machine ? ` of \`${machine}\`` : ''
    lines.push(`\`${state}\`${of} is called and not answered: ${why}`)
    lines.push(`  it calls ${resource}`, `  with     ${JSON.stringify(input)}`)
  }
  for (const mismatch of details.mismatches ?? []) {
    lines.push(mismatch.what)
    const places = mismatch.differences?.length ? mismatch.differences : [mismatch]
    for (const place of places) {
      if (place.path !== undefined) lines.push(`  ${place.path}`)
      lines.push(`    expected  ${shown(place, 'expected')}`, `    is        ${shown(place, 'actual')}`)
    }
    if (mismatch.note) lines.push(`  ${mismatch.note}`)
  }
  return lines.join('\n')
}

function shown(place, key) {
  return key in place ? JSON.stringify(place[key]) : 'nothing'
}

/**
 * Makes a test of each case of test files, with the `test` of node:test, vitest or jest. Await it at
 * the top of a module for node:test and vitest; jest wants its tests at once, so there one test runs
 * all cases: see `runTests`.
 */
async function defineTests(test, paths) {
  const { cases, complaints } = await runTests(paths)
  if (complaints.length > 0) {
    const text = ({ file, line, column, message, help }) =>
      `${[file, line, column].filter((part) => part !== undefined).join(':')}: ${message}${help ? ` (${help})` : ''}`
    throw new StepwrightError(complaints.map(text).join('\n'))
  }
  for (const one of cases) test(`${one.file}: ${one.name}`, () => one.check())
}

/** Starts a server of the Step Functions API on a free port, which keeps everything in memory. */
async function startServer({ config } = {}) {
  const args = ['serve', '--memory', '--listen', '127.0.0.1:0']
  if (config !== undefined) args.push('--config', config)
  const child = spawn(binary(), args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const said = read(child.stderr)
  const url = await new Promise((resolve, reject) => {
    let text = ''
    const look = (chunk) => {
      text += chunk
      const found = /https?:\/\/[^\s,]+/.exec(text)
      if (found) resolve(found[0])
    }
    child.stdout.on('data', look)
    child.once('error', (error) => reject(new StepwrightError(error.message)))
    child.once('exit', async () => {
      reject(new StepwrightError(`the server does not start: ${(await said).trim()}`))
    })
  })
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    await ended
  }
  const credentials = { accessKeyId: 'stepwright', secretAccessKey: 'stepwright' }
  return {
    url,
    region: 'us-east-1',
    account: '123456789012',
    clientConfig: { endpoint: url, region: 'us-east-1', credentials, disableHostPrefix: true },
    environment: {
      AWS_ENDPOINT_URL_SFN: url,
      AWS_ENDPOINT_URL_LAMBDA: url,
      AWS_DISABLE_HOST_PREFIX_INJECTION: 'true',
      AWS_DEFAULT_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'stepwright',
      AWS_SECRET_ACCESS_KEY: 'stepwright'
    },
    stop,
    [Symbol.asyncDispose ?? Symbol('asyncDispose')]: stop
  }
}

module.exports = {
  Execution,
  Simulator,
  StepwrightError,
  TaskFails,
  defineTests,
  runTests,
  simulate,
  startServer
}
