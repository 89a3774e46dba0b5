import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import test from 'node:test'
import { StepwrightError, TaskFails, defineTests, runTests, simulate, startServer } from '../index.mjs'

const quickstart = fileURLToPath(new URL('../../../examples/quickstart', import.meta.url))

const order = {
  StartAt: 'Wait',
  States: {
    Wait: { Type: 'Wait', Seconds: 86400, Next: 'Charge' },
    Charge: {
      Type: 'Task',
      Resource: 'arn:aws:states:::lambda:invoke',
      Parameters: { FunctionName: 'charge', 'Payload.$': '$' },
      ResultSelector: { 'receipt.$': '$.Payload' },
      Retry: [{ ErrorEquals: ['Busy'], IntervalSeconds: 60 }],
      Catch: [{ ErrorEquals: ['TypeError'], Next: 'Apologise' }],
      End: true
    },
    Apologise: { Type: 'Fail', Error: 'Sorry' }
  }
}

test('functions are mocks', async () => {
  let calls = 0
  const Charge = async (event) => {
    calls += 1
    if (calls === 1) throw new TaskFails('Busy', 'later')
    return { paid: event.id }
  }
  const ran = (await simulate(order, { input: { id: 7 }, mocks: { Charge } })).check()
  assert.deepEqual(ran.output, { receipt: { paid: 7 } })
  assert.equal(ran.elapsedMillis, 86_460_000)
  assert.deepEqual(ran.calls.Charge, [{ id: 7 }, { id: 7 }])
  assert.deepEqual(ran.path, ['Wait', 'Charge'])
  assert.match(ran.timeline, /attempt 2 of 4/)
})

test('any exception fails the task', async () => {
  const Charge = () => {
    throw new TypeError('no money')
  }
  const ran = await simulate(order, { mocks: { Charge } })
  assert.equal(ran.error, 'Sorry')
  assert.throws(() => ran.check(), /caught by TypeError/)
})

test('what cannot be run is an error', async () => {
  await assert.rejects(simulate({ StartAt: 'A', States: { A: { Type: 'Task' } } }), StepwrightError)
})

test('test files are run', async () => {
  const { cases, coverage } = await runTests(quickstart)
  assert.equal(cases.length, 5)
  assert.ok(cases.every((one) => one.passed))
  assert.equal(coverage[0].all.percent, 100)
})

test('a server is started and stopped', async () => {
  const server = await startServer()
  assert.equal((await fetch(`${server.url}/health`)).status, 200)
  assert.equal(server.environment.AWS_ENDPOINT_URL_SFN, server.url)
  await server.stop()
  await assert.rejects(fetch(`${server.url}/health`))
})

test('it can be required', () => {
  const required = createRequire(import.meta.url)('../index.cjs')
  assert.equal(required.simulate, simulate)
})

await defineTests(test, quickstart)
