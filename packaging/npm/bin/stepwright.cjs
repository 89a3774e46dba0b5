#!/usr/bin/env node
'use strict'

const { spawn } = require('node:child_process')
const os = require('node:os')

let program
try {
  program = require('../index.cjs').binary
} catch (error) {
  console.error(error.message)
  process.exit(2)
}
const child = spawn(program, process.argv.slice(2), { stdio: 'inherit' })
// A terminal sends Ctrl-C to both; whoever ends only this process means the program.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    if (signal !== 'SIGINT') child.kill(signal)
  })
}
child.once('error', (error) => {
  console.error(`stepwright: ${error.message}`)
  process.exit(2)
})
child.once('exit', (code, signal) => {
  process.exit(signal ? 128 + (os.constants.signals[signal] ?? 0) : code)
})
