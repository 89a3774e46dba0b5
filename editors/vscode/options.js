'use strict';

/** How the server is started. */
function serverOptions(settings) {
  return { command: settings.get('path') || 'stepwright', args: ['lsp'] };
}

/** Which documents the server is told of. */
function clientOptions(settings) {
  const files = settings.get('files') || [];
  const named = files.map((pattern) => ({ scheme: 'file', pattern }));
  const languages = ['asl', 'fluxio'].map((language) => ({ language }));
  return { documentSelector: [...languages, ...named] };
}

module.exports = { serverOptions, clientOptions };
