'use strict';

const assert = require('node:assert');
const test = require('node:test');
const { Graph, page } = require('../graph');

/** A stand-in for the editor, with one document that has its cursor on a line. */
function editor(line) {
  const heard = {};
  const on = (name) => (run) => {
    heard[name] = run;
    return { dispose: () => delete heard[name] };
  };
  const document = { uri: 'file:///a.asl.json' };
  const active = { document, selection: { active: { line, character: 4 } }, viewColumn: 1, revealRange() {} };
  const posted = [];
  const shown = [];
  const panel = {
    webview: { onDidReceiveMessage: on('message'), postMessage: (message) => posted.push(message) },
    onDidDispose: on('dispose'),
    reveal: () => shown.push('revealed'),
  };
  class Position {
    constructor(line, character) {
      Object.assign(this, { line, character });
    }
  }
  const vscode = {
    Position,
    Selection: class {
      constructor(from) {
        this.active = from;
      }
    },
    Range: class {},
    ViewColumn: { Beside: -2 },
    window: {
      activeTextEditor: active,
      createWebviewPanel: () => panel,
      onDidChangeTextEditorSelection: on('selection'),
      showTextDocument: async (document, { selection }) => {
        shown.push(selection.active.line);
        return active;
      },
    },
    workspace: { onDidChangeTextDocument: on('change') },
  };
  return { vscode, panel, heard, posted, shown, active };
}

const drawing = {
  svg: '<svg></svg>', current: 1, entered: [0], test: 'it is paid', places: [{ line: 3, character: 4 }, { line: 9, character: 4 }],
};

test('nothing runs in the page but its own script', () => {
  const html = page('abc');
  assert.match(html, /default-src 'none'; style-src 'nonce-abc'; script-src 'nonce-abc'/);
  assert.doesNotMatch(html, /unsafe|https?:/);
});

test('the drawing follows the cursor, and a click moves it', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const fake = editor(9);
  const asked = [];
  let answer = drawing;
  const ask = async (method, params) => {
    asked.push([method, params.position.line]);
    return answer;
  };
  const graph = new Graph(fake.vscode, ask, () => 'abc');
  graph.open();
  await fake.heard.message({ ready: true });
  assert.deepStrictEqual(fake.posted[0], { svg: '<svg></svg>', current: 1, entered: [0], test: 'it is paid' });
  // The cursor moves twice, and is followed once it rests; the same drawing is not sent again.
  fake.active.selection.active.line = 3;
  fake.heard.selection({ textEditor: fake.active });
  fake.heard.selection({ textEditor: fake.active });
  t.mock.timers.tick(150);
  await new Promise(setImmediate);
  assert.deepStrictEqual(asked, [['stepwright/graph', 9], ['stepwright/graph', 3]]);
  assert.strictEqual(fake.posted[1].svg, undefined);
  // A text that cannot be read, and a server that does not answer, leave the last drawing.
  answer = null;
  await graph.draw();
  answer = Promise.reject(new Error('it restarts'));
  await graph.draw();
  assert.strictEqual(fake.posted.length, 2);
  await fake.heard.message({ state: 0 });
  assert.deepStrictEqual(fake.shown, [3]);
  graph.open();
  assert.deepStrictEqual(fake.shown, [3, 'revealed']);
  fake.heard.dispose();
  assert.deepStrictEqual(Object.keys(fake.heard).filter((name) => name !== 'dispose'), []);
});
