// SPDX-License-Identifier: Apache-2.0
// The in-sandbox API of a real local sandbox, used by the official E2B SDK for JavaScript.
//
// usage: node test_e2b.mjs SANDBOXKIT     the command line to start the sandbox with
//
// In its debug mode the SDK looks for the API at localhost:49983; a relay leads from there to the sandbox's Unix socket.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Told, endSandbox, relay, startSandbox } from './sandbox.mjs'

process.env.E2B_DEBUG = 'true'
const { AuthenticationError, CommandExitError, InvalidArgumentError, NotFoundError, Sandbox, TimeoutError } = await import('e2b')

const api = 'http://localhost:49983'
const encode = (text) => new TextEncoder().encode(text)
const failure = (promise) => promise.then(assert.fail, (error) => error)

let server, sandbox

before(async () => {
  server = await relay(49983, startSandbox())
  sandbox = await Sandbox.create()
})

after(() => {
  server?.close()
  endSandbox()
})

test('a command in the foreground', async () => {
  const out = new Told()
  const result = await sandbox.commands.run('echo out; echo err >&2; echo "$A $PWD"', {
    envs: { A: '1' },
    cwd: '/tmp',
    onStdout: out.add,
  })
  assert.deepEqual([result.exitCode, result.stdout, result.stderr], [0, 'out\n1 /tmp\n', 'err\n'])
  await out.until((texts) => texts.join('') === result.stdout)
  const failed = await failure(sandbox.commands.run('echo no; exit 3'))
  assert.ok(failed instanceof CommandExitError)
  assert.deepEqual([failed.exitCode, failed.stdout], [3, 'no\n'])
})

test('a command as another user, and as one that is not there', async () => {
  const result = await sandbox.commands.run('id -un; echo $HOME', { user: 'daemon', cwd: '/' })
  assert.equal(result.stdout, 'daemon\n/usr/sbin\n')
  assert.ok((await failure(sandbox.commands.run('true', { user: 'nobody-of-that-name' }))) instanceof AuthenticationError)
  assert.ok((await failure(sandbox.commands.run('true', { cwd: '/none' }))) instanceof InvalidArgumentError)
})

test('much output, and letters that are cut between two messages', async () => {
  const result = await sandbox.commands.run("yes 'ä€😀' | head -n 200000")
  assert.equal(result.stdout, 'ä€😀\n'.repeat(200000))
})

test('a time limit kills the command', async () => {
  await assert.rejects(sandbox.commands.run('echo $$ > /tmp/pid; sleep 100', { timeoutMs: 500 }), TimeoutError)
  const alive = await sandbox.commands.run('while kill -0 $(cat /tmp/pid) 2>/dev/null; do sleep 0.01; done; echo gone')
  assert.equal(alive.stdout, 'gone\n')
})

test('a command in the background: input, listing, reconnection, signals', async () => {
  const cat = await sandbox.commands.run('cat', { background: true, stdin: true, envs: { A: '1' }, cwd: '/tmp' })
  const listed = (await sandbox.commands.list()).find((each) => each.pid === cat.pid)
  assert.deepEqual([listed.cmd, listed.args.at(-1), listed.envs, listed.cwd], ['/bin/bash', 'cat', { A: '1' }, '/tmp'])
  await sandbox.commands.sendStdin(cat.pid, 'one\n')
  const again = await sandbox.commands.connect(cat.pid)
  await sandbox.commands.sendStdin(cat.pid, encode('two\n'))
  await sandbox.commands.closeStdin(cat.pid)
  assert.equal((await cat.wait()).stdout, 'one\ntwo\n')
  assert.ok((await again.wait()).stdout.endsWith('two\n'))
  assert.ok((await sandbox.commands.list()).every((each) => each.pid !== cat.pid))

  const sleeper = await sandbox.commands.run('sleep 100 & sleep 100', { background: true })
  assert.equal(await sleeper.kill(), true)
  assert.ok((await failure(sleeper.wait())) instanceof CommandExitError)
  assert.equal(await sandbox.commands.kill(99999), false)
  assert.ok((await failure(sandbox.commands.connect(99999))) instanceof NotFoundError)
  assert.ok((await failure(sandbox.commands.sendStdin(99999, 'x'))) instanceof NotFoundError)
  const left = await sandbox.commands.run('ps -eo args 2>/dev/null | grep -c "^sleep 100$" || true')
  assert.equal(left.stdout, '0\n') // its whole group
})

test('a command goes on when its client leaves', async () => {
  const command = await sandbox.commands.run('read line; echo "got $line"', { background: true, stdin: true })
  await command.disconnect()
  const again = await sandbox.commands.connect(command.pid)
  await sandbox.commands.sendStdin(command.pid, 'it\n')
  assert.equal((await again.wait()).stdout, 'got it\n')
})

test('a terminal', async () => {
  const told = new Told()
  const text = (items) => items.map((bytes) => new TextDecoder().decode(bytes)).join('')
  const terminal = await sandbox.pty.create({ cols: 80, rows: 24, onData: told.add, envs: { A: '1' }, cwd: '/tmp' })
  const type = (line) => sandbox.pty.sendInput(terminal.pid, encode(line))
  await type('stty size; test -t 0 && test -t 1 && echo is"-"terminal $TERM $A $PWD\n')
  await told.until((items) => /\b24 80\r\n/.test(text(items)) && text(items).includes('is-terminal xterm-256color 1 /tmp'))
  await sandbox.pty.resize(terminal.pid, { cols: 100, rows: 30 })
  await type('stty size\n')
  await told.until((items) => /\b30 100\r\n/.test(text(items)))

  const second = new Told()
  await terminal.disconnect()
  const again = await sandbox.pty.connect(terminal.pid, { onData: second.add })
  await type(`sh -c 'echo second" "client; exec sleep 100'\n`)
  await second.until((items) => text(items).includes('second client\r\n'))
  await type('\x03') // ends it
  await type('exit 4\n')
  assert.equal((await failure(again.wait())).exitCode, 4)
  assert.ok((await failure(sandbox.pty.resize(terminal.pid, { cols: 80, rows: 24 }))) instanceof NotFoundError)
})

test('a terminal is killed', async () => {
  const terminal = await sandbox.pty.create({ cols: 80, rows: 24, onData: () => {} })
  assert.equal(await sandbox.pty.kill(terminal.pid), true)
  assert.ok((await failure(terminal.wait())) instanceof CommandExitError)
  assert.equal(await sandbox.pty.kill(terminal.pid), false)
})

test('files', async () => {
  const written = await sandbox.files.write('/root/a/b.txt', 'hello')
  assert.deepEqual([written.path, written.name, written.type], ['/root/a/b.txt', 'b.txt', 'file'])
  assert.equal(await sandbox.files.read('/root/a/b.txt'), 'hello')
  await sandbox.files.write('/root/a/b.txt', 'again')
  assert.equal(await sandbox.files.read('/root/a/b.txt'), 'again')
  const several = await sandbox.files.write([
    { path: '/root/a/1', data: 'x' },
    { path: '/root/a/2', data: new Blob(['y']) },
  ])
  assert.deepEqual(several.map((each) => each.path), ['/root/a/1', '/root/a/2'])
  assert.deepEqual((await sandbox.files.list('/root/a')).map((each) => each.name).sort(), ['1', '2', 'b.txt'])
  assert.equal(await sandbox.files.makeDir('/root/d/e'), true)
  assert.equal(await sandbox.files.makeDir('/root/d/e'), false)
  const near = (await sandbox.files.list('/root', { depth: 1 })).map((each) => each.path)
  assert.deepEqual([near.includes('/root/d'), near.includes('/root/d/e')], [true, false])
  assert.ok((await sandbox.files.list('/root', { depth: 2 })).some((each) => each.path === '/root/d/e' && each.type === 'dir'))
  assert.equal((await sandbox.files.rename('/root/a/1', '/root/d/one')).path, '/root/d/one')
  const info = await sandbox.files.getInfo('/root/d/one')
  assert.deepEqual([info.type, info.size, info.mode, info.owner, info.group], ['file', 1, 0o644, 'root', 'root'])
  assert.ok(info.modifiedTime instanceof Date && info.permissions === '-rw-r--r--')
  await sandbox.commands.run('ln -s one /root/d/link')
  assert.equal((await sandbox.files.getInfo('/root/d/link')).symlinkTarget, '/root/d/one')
  assert.equal(await sandbox.files.exists('/root/d/one'), true)
  assert.equal(await sandbox.files.exists('/root/a/1'), false)
  await sandbox.files.remove('/root/d')
  assert.equal(await sandbox.files.exists('/root/d'), false)
  for (const call of [sandbox.files.read('/root/none'), sandbox.files.getInfo('/root/none'), sandbox.files.list('/root/none')])
    assert.ok((await failure(call)) instanceof NotFoundError)
  assert.ok((await failure(sandbox.files.read('/root'))) instanceof InvalidArgumentError)
})

test('files of another user', async () => {
  await sandbox.commands.run('install -d -o daemon /var/tmp/daemons')
  await sandbox.files.write('/var/tmp/daemons/file', 'x', { user: 'daemon' })
  assert.equal((await sandbox.files.getInfo('/var/tmp/daemons/file')).owner, 'daemon')
  await assert.rejects(sandbox.files.write('/root/daemons', 'x', { user: 'daemon' }))
  assert.equal(await sandbox.files.exists('/root/daemons'), false)
})

test('the content of files in every form that the SDK knows', async () => {
  const bytes = new Uint8Array(3 << 20).map((_, i) => i * 7)
  const stream = () => new Blob([bytes]).stream()
  const whole = async (content) => new Uint8Array(await new Response(content).arrayBuffer())
  for (const [data, options] of [
    [bytes.buffer, {}],
    [bytes.buffer, { useOctetStream: true }],
    [bytes.buffer, { gzip: true }],
    [new Blob([bytes]), {}],
    [stream(), {}],
    [stream(), { gzip: true }],
    [stream(), { useOctetStream: false }],
  ]) {
    await sandbox.files.remove('/root/content')
    await sandbox.files.write('/root/content', data, options)
    for (const gzip of [false, true]) {
      assert.deepEqual(await sandbox.files.read('/root/content', { format: 'bytes', gzip }), bytes)
      assert.deepEqual(await whole(await sandbox.files.read('/root/content', { format: 'blob', gzip })), bytes)
      assert.deepEqual(await whole(await sandbox.files.read('/root/content', { format: 'stream', gzip })), bytes)
    }
  }
  await sandbox.files.write('/root/empty', '')
  assert.equal(await sandbox.files.read('/root/empty'), '')
})

test('metadata of files', async () => {
  const written = await sandbox.files.write('/root/noted', 'x', { metadata: { Color: 'blue', shape: 'a b' } })
  assert.deepEqual(written.metadata, { color: 'blue', shape: 'a b' })
  assert.deepEqual((await sandbox.files.getInfo('/root/noted')).metadata, written.metadata)
  await sandbox.files.rename('/root/noted', '/root/moved')
  const listed = (await sandbox.files.list('/root')).find((each) => each.name === 'moved')
  assert.deepEqual(listed.metadata, written.metadata)
  await sandbox.files.write('/root/moved', 'x')
  assert.equal((await sandbox.files.getInfo('/root/moved')).metadata, undefined)
})

test('a watch of a directory', async () => {
  await sandbox.files.makeDir('/root/near/deep')
  const told = new Told()
  const watch = await sandbox.files.watchDir('/root/near', told.add, { includeEntry: true })
  const seen = (type, name) => told.until((events) => events.some((each) => each.name === name && each.type === type))
  await sandbox.files.write('/root/near/deep/below', 'x') // of which it is not to tell
  await sandbox.files.write('/root/near/file', 'x')
  await seen('create', 'file')
  await seen('write', 'file')
  await sandbox.commands.run('chmod 600 /root/near/file')
  await seen('chmod', 'file')
  await sandbox.files.rename('/root/near/file', '/root/near/other')
  await seen('rename', 'file')
  await seen('create', 'other')
  await sandbox.files.remove('/root/near/other')
  await seen('remove', 'other')
  const events = await told.until(() => true)
  assert.ok(events.every(({ name }) => !name.includes('below')))
  const { entry } = events.find(({ name, type }) => name === 'other' && type === 'create')
  assert.deepEqual([entry.path, entry.size], ['/root/near/other', 1])
  await watch.stop()
  assert.ok((await failure(sandbox.files.watchDir('/root/none', () => {}))) instanceof NotFoundError)
})

test('a watch of a directory tree', async () => {
  await sandbox.files.makeDir('/root/watched/deep')
  const told = new Told()
  const ended = new Told()
  const options = { recursive: true, allowNetworkMounts: true, onExit: ended.add }
  const watch = await sandbox.files.watchDir('/root/watched', told.add, options)
  const seen = (type, name) => told.until((events) => events.some((each) => each.name === name && each.type === type))
  await sandbox.files.write('/root/watched/deep/file', 'x')
  await seen('write', 'deep/file')
  await sandbox.files.makeDir('/root/watched/new')
  await seen('create', 'new')
  await sandbox.files.rename('/root/watched/deep/file', '/root/watched/new/moved')
  await seen('rename', 'deep/file')
  await seen('create', 'new/moved')
  await sandbox.files.remove('/root/watched/new')
  await seen('remove', 'new/moved')
  await seen('remove', 'new')
  await watch.stop()
  await ended.until((errors) => errors.length === 1)
})

test('URLs of files, signed when the sandbox has a token', async () => {
  const upload = async (url, text) => {
    const form = new FormData()
    form.append('file', new Blob([text]), 'ignored')
    return (await fetch(url, { method: 'POST', body: form })).status
  }
  const text = async (url) => (await fetch(url)).text()
  assert.equal(await upload(await sandbox.uploadUrl('/root/by-url'), 'plain'), 200)
  assert.equal(await text(await sandbox.downloadUrl('/root/by-url')), 'plain')

  const init = (token, body) =>
    fetch(`${api}/init`, { method: 'POST', body: JSON.stringify(body), headers: token ? { 'X-Access-Token': token } : {} })
  assert.equal((await init(undefined, { accessToken: 'secret' })).status, 204)
  try {
    assert.ok((await failure(sandbox.files.exists('/root/by-url'))) instanceof AuthenticationError)
    assert.ok((await failure(sandbox.files.read('/root/by-url'))) instanceof AuthenticationError)
    assert.ok((await failure(sandbox.commands.run('true'))) instanceof AuthenticationError)
    assert.equal((await fetch(await sandbox.downloadUrl('/root/by-url'))).status, 401)

    const secured = new Sandbox({ sandboxId: 'debug', envdVersion: '0.6.13', envdAccessToken: 'secret' })
    assert.equal((await secured.commands.run('echo known')).stdout, 'known\n')
    assert.equal(await upload(await secured.uploadUrl('/root/by-url'), 'signed'), 200)
    assert.equal(await text(await secured.downloadUrl('/root/by-url')), 'signed')
    assert.equal(await text(await secured.downloadUrl('/root/by-url', { user: 'root', useSignatureExpiration: 1000 })), 'signed')
    const expired = await secured.downloadUrl('/root/by-url', { useSignatureExpiration: -1000 })
    assert.equal((await fetch(expired)).status, 401)
    const ofReading = new URL(await secured.downloadUrl('/root/by-url'))
    assert.equal(await upload(ofReading, 'with the signature of a download'), 401)
    ofReading.searchParams.set('path', '/etc/passwd')
    assert.equal((await fetch(ofReading)).status, 401)
  } finally {
    assert.equal((await init('secret', {})).status, 204)
  }
  assert.equal(await sandbox.files.read('/root/by-url'), 'signed')
})

test('Git, as the SDK uses it by commands', async () => {
  const repository = '/root/repository'
  await sandbox.git.init(repository)
  await sandbox.files.write(`${repository}/new`, 'x')
  assert.equal((await sandbox.git.status(repository)).hasUntracked, true)
  await sandbox.git.add(repository)
  await sandbox.git.commit(repository, 'first', { authorName: 'A', authorEmail: 'a@example.org' })
  assert.equal((await sandbox.git.status(repository)).isClean, true)
})

test('health and metrics', async () => {
  assert.equal(await sandbox.isRunning(), true)
  // In its debug mode the SDK does not ask for metrics itself.
  const metrics = await (await fetch(`${api}/metrics`)).json()
  assert.ok(metrics.cpu_count >= 1 && metrics.mem_total > metrics.mem_used && metrics.mem_used > 0)
  assert.ok(metrics.disk_total > metrics.disk_used && metrics.disk_used > 0 && metrics.cpu_used_pct >= 0)
})
