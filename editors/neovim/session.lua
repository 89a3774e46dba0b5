-- A session in Neovim: nvim --headless -u NONE -l is not in every version, so this is run as
--   nvim --headless -u NONE -S editors/neovim/session.lua
-- in a folder that holds `flow.asl.json`, with the program in the environment variable STEPWRIGHT. What it sees is
-- printed line by line; it ends with `done`, and with a code other than 0 if something does not come.

local function say(what, value)
  io.stdout:write(what .. ': ' .. tostring(value) .. '\n')
end

local function session()
  vim.cmd('edit flow.asl.json')
  local buffer = vim.api.nvim_get_current_buf()
  local client = vim.lsp.start_client({
    name = 'stepwright',
    cmd = { vim.env.STEPWRIGHT, 'lsp' },
    root_dir = vim.fn.getcwd(),
  })
  vim.lsp.buf_attach_client(buffer, client)

  local function until_diagnostics(wanted)
    local function is_so()
      return wanted(vim.diagnostic.get(buffer))
    end
    assert(vim.wait(20000, is_so, 20), 'the diagnostics do not come: ' .. vim.inspect(vim.diagnostic.get(buffer)))
  end
  local function errors()
    return vim.diagnostic.get(buffer, { severity = vim.diagnostic.severity.ERROR })
  end
  local function ask(method, params)
    local answers = assert(vim.lsp.buf_request_sync(buffer, method, params, 20000), method .. ' is not answered')
    local answer = answers[client]
    assert(answer and not answer.err, method .. ': ' .. vim.inspect(answer))
    return answer.result
  end
  local document = { uri = vim.uri_from_bufnr(buffer) }
  local function place(text, after)
    for number, line in ipairs(vim.api.nvim_buf_get_lines(buffer, 0, -1, false)) do
      local from, to = line:find(text, 1, true)
      if from then
        return { line = number - 1, character = (after and to or from) }
      end
    end
    error('there is no ' .. text)
  end

  -- What is wrong is shown.
  until_diagnostics(function() return #errors() > 0 end)
  local wrong = errors()[1]
  say('error', wrong.code or wrong.message)
  say('line', wrong.lnum + 1)

  -- The fix that is offered is made.
  local actions = ask('textDocument/codeAction', {
    textDocument = document,
    range = { start = { line = wrong.lnum, character = wrong.col }, ['end'] = { line = wrong.end_lnum, character = wrong.end_col } },
    context = { diagnostics = { wrong.user_data.lsp and wrong.user_data.lsp.diagnostic or {
      range = { start = { line = wrong.lnum, character = wrong.col }, ['end'] = { line = wrong.end_lnum, character = wrong.end_col } },
      message = wrong.message, code = wrong.code, severity = 1, source = wrong.source,
    } } },
  })
  say('fix', actions[1].title)
  vim.lsp.util.apply_workspace_edit(actions[1].edit, 'utf-16')
  until_diagnostics(function() return #errors() == 0 end)

  -- A state has another name everywhere.
  local edit = ask('textDocument/rename', { textDocument = document, position = place('"Work"'), newName = 'Labour' })
  vim.lsp.util.apply_workspace_edit(edit, 'utf-16')
  local text = table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), '\n')
  local _, count = text:gsub('"Labour"', '')
  say('renamed', count)

  -- A key, and what is offered after it.
  local at = place('"Next": "', true)
  local offered = ask('textDocument/completion', { textDocument = document, position = at })
  local labels = {}
  for _, item in ipairs(offered.items or offered) do
    labels[#labels + 1] = item.label
  end
  table.sort(labels)
  say('offered', table.concat(labels, ' '))

  local hover = ask('textDocument/hover', { textDocument = document, position = place('"Retry"') })
  say('hover', vim.inspect(hover.contents):find('Retry', 1, true) ~= nil)

  -- What the test beside the file says of a state, and a lens that runs it.
  local value = ask('textDocument/hover', { textDocument = document, position = place('"Done": {') })
  say('value', value.contents.value:match('In the test .*'))
  local lens = ask('textDocument/codeLens', { textDocument = document })[1]
  say('lens', lens.command.title)
  local ran = ask('workspace/executeCommand', lens.command)
  say('passed', ran.passed)

  -- Formatted and written.
  local edits = ask('textDocument/formatting', { textDocument = document, options = { tabSize = 2, insertSpaces = true } })
  vim.lsp.util.apply_text_edits(edits or {}, buffer, 'utf-16')
  vim.cmd('write')
  say('modified', vim.bo.modified)
  vim.lsp.stop_client(client)
end

local ok, why = pcall(session)
say(ok and 'done' or 'failed', ok or why)
vim.cmd(ok and 'qall!' or 'cquit')
