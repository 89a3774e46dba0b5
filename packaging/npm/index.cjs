'use strict'

const path = require('node:path')

const carrier = `stepwright-${process.platform}-${process.arch}`

/** The path of the program: that of the package for this platform. */
function find() {
  try {
    return path.join(path.dirname(require.resolve(`${carrier}/package.json`)), 'bin', 'stepwright')
  } catch {
    throw new Error(
      `stepwright: the package ${carrier} is not installed. Either there is none for this platform, or ` +
        'optional dependencies were left out (--omit=optional)'
    )
  }
}

Object.defineProperty(module.exports, 'binary', { enumerable: true, get: find })
