// SPDX-License-Identifier: Apache-2.0
// The in-sandbox API of a real local sandbox, used by the official E2B SDK for JavaScript.
//
// usage: node test_e2b.mjs SANDBOXKIT     the command line to start the sandbox with
//
// In its debug mode the SDK looks for the API at localhost:49983; a relay leads from there to the sandbox's Unix socket.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { after, before, test } from 'node:test'

process.env.E2B_DEBUG = 'true'
const { CommandExitError, NotFoundError, Sandbox, TimeoutError } = await import('e2b')

const sandboxkit = process.argv[2]
const directory = mkdtempSync(path.join(process.cwd(), 'sdk-test-'))
const run = (...command) =>
  JSON.parse(execFileSync(sandboxkit, ['--store', path.join(directory, 'store.db'), '--json', ...command]))

let session, relay, sandbox

before(async () => {
  writeFileSync(path.join(directory, 'profile.json'), JSON.stringify({ name: 'sdk', network: { egress: 'none' } }))
  const profile = run('profile', 'create', path.join(directory, 'profile.json')).id
  run('profile', 'publish', profile, '--wait')
  session = run('session', 'start', profile)
  const socket = path.join(directory, 'store.db.state/local/sandboxes', session.sandbox_id, 'guest.sock')
  process.chdir(path.dirname(socket)) // the name of a Unix socket has at most 107 bytes
  relay = net.createServer((client) => {
    const guest = net.connect('guest.sock')
    const end = () => (client.destroy(), guest.destroy())
    client.pipe(guest).pipe(client)
    for (const side of [client, guest]) side.on('error', end).on('close', end)
  })
  await new Promise((done, fail) => relay.once('error', fail).listen(49983, 'localhost', done))
  sandbox = await Sandbox.create()
})

after(() => {
  relay?.close()
  process.chdir(directory)
  if (session) run('session', 'rm', session.id)
  process.chdir('/')
  rmSync(directory, { recursive: true })
})

test('a command in the foreground', async () => {
  const chunks = []
  const result = await sandbox.commands.run('echo out; echo err >&2; echo "$A $PWD"', {
    envs: { A: '1' },
    cwd: '/tmp',
    onStdout: (text) => void chunks.push(text),
  })
  assert.deepEqual([result.exitCode, result.stdout, result.stderr], [0, 'out\n1 /tmp\n', 'err\n'])
  assert.equal(chunks.join(''), result.stdout)
  const failed = await sandbox.commands.run('echo no; exit 3').catch((e) => e)
  assert.ok(failed instanceof CommandExitError)
  assert.deepEqual([failed.exitCode, failed.stdout], [3, 'no\n'])
})

test('a time limit kills the command', async () => {
  await assert.rejects(sandbox.commands.run('echo $$ > /tmp/pid; sleep 100', { timeoutMs: 500 }), TimeoutError)
  const alive = await sandbox.commands.run('while kill -0 $(cat /tmp/pid) 2>/dev/null; do sleep 0.01; done; echo gone')
  assert.equal(alive.stdout, 'gone\n')
})

test('a command in the background: input, listing, reconnection, signals', async () => {
  const cat = await sandbox.commands.run('cat', { background: true, stdin: true })
  assert.ok((await sandbox.commands.list()).some((each) => each.pid === cat.pid && each.args.at(-1) === 'cat'))
  await sandbox.commands.sendStdin(cat.pid, 'one\n')
  const again = await sandbox.commands.connect(cat.pid)
  await sandbox.commands.sendStdin(cat.pid, 'two\n')
  await sandbox.commands.closeStdin(cat.pid)
  assert.equal((await cat.wait()).stdout, 'one\ntwo\n')
  assert.ok((await again.wait()).stdout.endsWith('two\n'))

  const sleeper = await sandbox.commands.run('sleep 100 & sleep 100', { background: true })
  assert.equal(await sleeper.kill(), true)
  const killed = await sleeper.wait().catch((e) => e)
  assert.ok(killed instanceof CommandExitError)
  assert.equal(await sandbox.commands.kill(99999), false)
  const left = await sandbox.commands.run('ps -eo args 2>/dev/null | grep -c "^sleep 100$" || true')
  assert.equal(left.stdout, '0\n') // its whole group
})

test('files', async () => {
  const written = await sandbox.files.write('/root/a/b.txt', 'hello')
  assert.deepEqual([written.path, written.name, written.type], ['/root/a/b.txt', 'b.txt', 'file'])
  assert.equal(await sandbox.files.read('/root/a/b.txt'), 'hello')
  const bytes = new Uint8Array(3 << 20).map((_, i) => i * 7)
  await sandbox.files.write('/root/a/big', bytes.buffer)
  assert.deepEqual(await sandbox.files.read('/root/a/big', { format: 'bytes' }), bytes)
  await sandbox.files.write([
    { path: '/root/a/1', data: 'x' },
    { path: '/root/a/2', data: 'y' },
  ])
  assert.deepEqual((await sandbox.files.list('/root/a')).map((each) => each.name).sort(), ['1', '2', 'b.txt', 'big'])
  assert.equal(await sandbox.files.makeDir('/root/d/e'), true)
  assert.equal(await sandbox.files.makeDir('/root/d/e'), false)
  assert.deepEqual((await sandbox.files.list('/root', { depth: 2 })).map((each) => each.path).includes('/root/d/e'), true)
  assert.equal((await sandbox.files.rename('/root/a/1', '/root/d/one')).path, '/root/d/one')
  const info = await sandbox.files.getInfo('/root/d/one')
  assert.deepEqual([info.type, info.size, info.owner], ['file', 1, 'root'])
  assert.equal(await sandbox.files.exists('/root/a/1'), false)
  await sandbox.files.remove('/root/d')
  assert.equal(await sandbox.files.exists('/root/d'), false)
  await assert.rejects(sandbox.files.read('/root/none'), NotFoundError)
})
