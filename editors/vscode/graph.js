'use strict';

/** How long the cursor or the text rests before the drawing follows, in milliseconds. */
const REST = 150;

const STYLE = `
body { margin: 0; padding: 8px; font: 12px var(--vscode-font-family); color: var(--vscode-descriptionForeground); }
svg { max-width: 100%; height: auto; }
.state { cursor: pointer; outline: none; }
.state rect { fill: var(--vscode-editorWidget-background); stroke: var(--vscode-descriptionForeground); }
.state.around rect { fill-opacity: .4; }
text { fill: var(--vscode-descriptionForeground); }
.state text:first-of-type { fill: var(--vscode-foreground); }
rect.label { fill: var(--vscode-editor-background); fill-opacity: .9; }
.state.entered rect { stroke: var(--vscode-testing-iconPassed, #2ea043); stroke-width: 2; }
.state.current rect { stroke: var(--vscode-focusBorder); stroke-width: 3.5; }
.state:focus-visible rect { stroke-width: 3.5; }
path { stroke: var(--vscode-descriptionForeground); }
path.catch { stroke: var(--vscode-errorForeground); }
marker path { fill: var(--vscode-descriptionForeground); stroke: none; }
marker#catch path { fill: var(--vscode-errorForeground); }
circle { fill: var(--vscode-editor-background); stroke: var(--vscode-descriptionForeground); }
circle.full { fill: var(--vscode-descriptionForeground); stroke: none; }
`;

const SCRIPT = `
const vscode = acquireVsCodeApi();
const show = (state) => vscode.postMessage({ state: Number(state.dataset.state) });
const place = document.getElementById('graph');
addEventListener('message', ({ data }) => {
  if (data.svg !== undefined) place.innerHTML = data.svg;
  document.getElementById('test').textContent = data.test ? 'Green: what the test "' + data.test + '" comes to.' : '';
  for (const state of document.querySelectorAll('.state')) {
    const number = Number(state.dataset.state);
    state.setAttribute('tabindex', '0');
    state.classList.toggle('entered', data.entered.includes(number));
    state.classList.toggle('current', data.current === number);
  }
  document.querySelector('.state.current')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
});
place.addEventListener('click', (event) => {
  const state = event.target.closest('.state');
  if (state) show(state);
});
place.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && document.activeElement.dataset.state) show(document.activeElement);
});
vscode.postMessage({ ready: true });
`;

/** The page of the panel. Only what has the nonce runs. */
function page(nonce) {
  const policy = `default-src 'none'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'`;
  return `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<style nonce="${nonce}">${STYLE}</style></head>
<body><div id="graph"></div><p id="test"></p><script nonce="${nonce}">${SCRIPT}</script></body></html>`;
}

/**
 * The drawing beside the text: it follows the cursor, and a click on a state moves the cursor there.
 * `ask` sends a request to the server.
 */
class Graph {
  constructor(vscode, ask, nonce) {
    this.vscode = vscode;
    this.ask = ask;
    this.nonce = nonce;
  }

  open() {
    if (this.panel) return this.panel.reveal();
    this.editor = this.vscode.window.activeTextEditor;
    const column = this.vscode.ViewColumn.Beside;
    const place = { viewColumn: column, preserveFocus: true };
    this.panel = this.vscode.window.createWebviewPanel('stepwright.graph', 'Graph', place, { enableScripts: true });
    const { window, workspace } = this.vscode;
    const followed = [
      window.onDidChangeTextEditorSelection(({ textEditor }) => this.follow(textEditor)),
      workspace.onDidChangeTextDocument(({ document }) => document === this.editor?.document && this.rest()),
      this.panel.webview.onDidReceiveMessage((message) => this.take(message)),
    ];
    this.panel.onDidDispose(() => {
      clearTimeout(this.timer);
      followed.forEach((one) => one.dispose());
      this.panel = this.svg = undefined;
    });
    this.panel.webview.html = page(this.nonce());
  }

  follow(editor) {
    this.editor = editor;
    this.rest();
  }

  rest() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.draw(), REST);
  }

  async draw() {
    const { editor } = this;
    if (!editor || !this.panel) return;
    const textDocument = { uri: editor.document.uri.toString() };
    const { line, character } = editor.selection.active;
    let drawing;
    try {
      drawing = await this.ask('stepwright/graph', { textDocument, position: { line, character } });
    } catch {
      // The document is none of the server's, or the server restarts: the last drawing stays.
      return;
    }
    // While the text cannot be read, the last drawing stays.
    if (!drawing || !this.panel) return;
    this.drawing = drawing;
    const { svg, current, entered, test } = drawing;
    this.panel.webview.postMessage({ svg: svg === this.svg ? undefined : svg, current, entered, test });
    this.svg = svg;
  }

  take(message) {
    if (message.ready) {
      this.svg = undefined;
      return this.draw();
    }
    const place = this.drawing?.places[message.state];
    if (!place || !this.editor) return undefined;
    const { Position, Selection, Range, window } = this.vscode;
    const at = new Position(place.line, place.character);
    const options = { viewColumn: this.editor.viewColumn, selection: new Selection(at, at) };
    return window.showTextDocument(this.editor.document, options).then((editor) => editor.revealRange(new Range(at, at)));
  }
}

module.exports = { Graph, page };
