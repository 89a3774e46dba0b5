'use strict';

const assert = require('node:assert');
const Module = require('node:module');
const path = require('node:path');
const test = require('node:test');
const { clientOptions, serverOptions } = require('../options');
const manifest = require('../package.json');

const defaults = (name) => manifest.contributes.configuration.properties[`stepwright.${name}`].default;

test('the server is the one of the settings', () => {
  assert.deepStrictEqual(serverOptions({ get: defaults }), { command: 'stepwright', args: ['lsp'] });
  const settings = { get: (name) => (name === 'path' ? '/opt/stepwright' : defaults(name)) };
  assert.strictEqual(serverOptions(settings).command, '/opt/stepwright');
});

test('templates and definitions are told of', () => {
  const { documentSelector } = clientOptions({ get: defaults });
  const patterns = documentSelector.map((filter) => filter.pattern);
  for (const pattern of ['**/*.asl.json', '**/template.yaml', '**/serverless.yml']) {
    assert.ok(patterns.includes(pattern), pattern);
  }
  assert.ok(documentSelector.some((filter) => filter.language === 'fluxio'));
});

test('the extension starts, restarts and stops the server', async () => {
  const said = [];
  let client;
  class LanguageClient {
    constructor(id, name, server, options) {
      this.server = server;
      this.options = options;
      client = this;
    }
    async start() {
      this.running = true;
      said.push(`start ${this.server.command} ${this.server.args}`);
    }
    isRunning() {
      return this.running;
    }
    async stop() {
      said.push('stop');
    }
  }
  const commands = {};
  const vscode = {
    workspace: { getConfiguration: () => ({ get: defaults }), onDidChangeConfiguration: () => ({}) },
    commands: { registerCommand: (name, run) => (commands[name] = run) },
    window: {
      showErrorMessage: (text) => said.push(text),
      createOutputChannel: () => ({ clear() {}, append: (text) => said.push(text), show() {} }),
    },
  };
  const fakes = { vscode, 'vscode-languageclient/node': { LanguageClient } };
  const load = Module._load;
  Module._load = (name, ...rest) => fakes[name] ?? load(name, ...rest);
  try {
    const extension = require(path.join(__dirname, '..', manifest.main));
    await extension.activate({ subscriptions: [] });
    await commands['stepwright.restart']();
    const next = async (command, args) => ({ text: `${command} ${args}` });
    await client.options.middleware.executeCommand('stepwright.test', ['x'], next);
    await extension.deactivate();
  } finally {
    Module._load = load;
  }
  assert.deepStrictEqual(said, ['start stepwright lsp', 'stop', 'start stepwright lsp', 'stepwright.test x', 'stop']);
});
