/** A JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** What a state's task answers: a function that gets the task's input, or the result itself. */
export type Mock = ((input: any) => unknown) | Json

/** Something could not be run: no binary, or a file that cannot be used. */
export class StepwrightError extends Error {}

/** Thrown by a mock: the task fails with this error. Any other exception fails it with its own name. */
export class TaskFails extends Error {
  constructor(error: string, cause?: string)
  readonly error: string
  readonly causeText: string
}

export interface SimulateOptions {
  /** The execution's input; `{}` unless given. */
  input?: unknown
  /** Answers tasks by the name of their state. A `lambda:invoke` task sends its `Payload` to the mock. */
  mocks?: Record<string, Mock>
  /** Which state machine of a template. */
  stateMachine?: string
  /** Values for `${Name}`. */
  values?: Record<string, string>
  /** The seed of random numbers; 1 unless given. */
  seed?: number
}

/** How an execution ended, and what happened on the way. */
export class Execution {
  readonly status: 'SUCCEEDED' | 'FAILED' | 'TIMED_OUT' | 'ABORTED' | 'RUNNING'
  readonly output: any
  readonly error?: string
  readonly cause?: string
  /** Milliseconds of virtual time: a wait of three days takes none of yours. */
  readonly elapsedMillis: number
  /** The history as AWS's `GetExecutionHistory` gives it. */
  readonly events: any[]
  /** The inputs that each mock was called with, by state. */
  readonly calls: Record<string, any[]>
  /** The timeline, for a person. */
  readonly timeline: string
  readonly succeeded: boolean
  /** The states in the order in which they were entered. */
  readonly path: string[]
  /** Throws, with the timeline, unless the execution has succeeded. */
  check(): this
}

/** Runs state machines in virtual time. */
export class Simulator {
  constructor(command?: string)
  /** Runs a definition: an object, or the path of a definition, template or project. */
  run(definition: object | string, options?: SimulateOptions): Promise<Execution>
}

/** Runs a definition in virtual time, with functions as mocks. */
export function simulate(definition: object | string, options?: SimulateOptions): Promise<Execution>

/** How one case of a test file went. */
export interface Case {
  readonly file: string
  readonly name: string
  readonly passed: boolean
  readonly details: any
  /** What is not as it should be, in lines for a person. */
  explain(): string
  /** Throws unless the case has passed. */
  check(): void
}

export interface TestResult {
  cases: Case[]
  /** What is wrong with test files. */
  complaints: any[]
  coverage: any[]
}

/** Runs test files, or those in directories. */
export function runTests(paths: string | string[], options?: { filter?: string }): Promise<TestResult>

/** Makes a test of each case of test files, with the `test` of node:test or vitest. */
export function defineTests(test: (name: string, run: () => void) => unknown, paths: string | string[]): Promise<void>

/** A server of the Step Functions API. */
export interface Server {
  readonly url: string
  readonly region: string
  readonly account: string
  /** The configuration of a client of the AWS SDK. */
  readonly clientConfig: {
    endpoint: string
    region: string
    credentials: { accessKeyId: string; secretAccessKey: string }
    disableHostPrefix: boolean
  }
  /** What SDKs and tools of AWS need to find it. */
  readonly environment: Record<string, string>
  /** Ends the server. */
  stop(): Promise<void>
}

/** Starts a server on a free port, which keeps everything in memory. */
export function startServer(options?: { config?: string }): Promise<Server>

declare const stepwright: {
  Execution: typeof Execution
  Simulator: typeof Simulator
  StepwrightError: typeof StepwrightError
  TaskFails: typeof TaskFails
  defineTests: typeof defineTests
  runTests: typeof runTests
  simulate: typeof simulate
  startServer: typeof startServer
}
export default stepwright
