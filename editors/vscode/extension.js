'use strict';

const crypto = require('node:crypto');
const vscode = require('vscode');
const { LanguageClient } = require('vscode-languageclient/node');
const { Graph } = require('./graph');
const { serverOptions, clientOptions } = require('./options');

let client;
let output;

/** Shows what a command of a lens has printed. */
async function executed(command, args, next) {
  const result = await next(command, args);
  if (result?.text) {
    output ??= vscode.window.createOutputChannel('Stepwright');
    output.clear();
    output.append(result.text);
    output.show(true);
  }
  return result;
}

async function start() {
  const settings = vscode.workspace.getConfiguration('stepwright');
  const options = { ...clientOptions(settings), middleware: { executeCommand: executed } };
  client = new LanguageClient('stepwright', 'Stepwright', serverOptions(settings), options);
  try {
    await client.start();
  } catch (error) {
    vscode.window.showErrorMessage(
      `Stepwright's language server cannot be started: ${error.message}. Is \`stepwright\` installed, or \`stepwright.path\` set?`,
    );
  }
}

async function stop() {
  const running = client;
  client = undefined;
  if (running?.isRunning()) await running.stop();
}

async function activate(context) {
  const restart = async () => {
    await stop();
    await start();
  };
  const ask = (method, params) => client.sendRequest(method, params);
  const graph = new Graph(vscode, ask, () => crypto.randomBytes(16).toString('base64'));
  const changed = (event) => event.affectsConfiguration('stepwright') && restart();
  context.subscriptions.push(
    vscode.commands.registerCommand('stepwright.restart', restart),
    vscode.commands.registerCommand('stepwright.graph', () => graph.open()),
    vscode.workspace.onDidChangeConfiguration(changed),
  );
  await start();
}

module.exports = { activate, deactivate: stop };
