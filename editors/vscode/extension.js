'use strict';

const vscode = require('vscode');
const { LanguageClient } = require('vscode-languageclient/node');
const { serverOptions, clientOptions } = require('./options');

let client;

async function start() {
  const settings = vscode.workspace.getConfiguration('stepwright');
  client = new LanguageClient('stepwright', 'Stepwright', serverOptions(settings), clientOptions(settings));
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
  const changed = (event) => event.affectsConfiguration('stepwright') && restart();
  context.subscriptions.push(
    vscode.commands.registerCommand('stepwright.restart', restart),
    vscode.workspace.onDidChangeConfiguration(changed),
  );
  await start();
}

module.exports = { activate, deactivate: stop };
