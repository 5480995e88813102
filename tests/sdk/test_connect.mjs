// SPDX-License-Identifier: Apache-2.0
// The in-sandbox API of a real local sandbox, used by the Connect client of the protocol's own makers.
//
// usage: node test_connect.mjs SANDBOXKIT     the command line to start the sandbox with

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Code, ConnectError, createClient } from '@connectrpc/connect'
import { compressionGzip, createConnectTransport } from '@connectrpc/connect-node'
import { endSandbox, relay, startSandbox } from './sandbox.mjs'
import { Filesystem, Process } from './services.mjs'

const megabyte = 1 << 20
const directory = 2, file = 1 // of the enumeration FileType
const encode = (text) => new TextEncoder().encode(text)
const decode = (bytes) => new TextDecoder().decode(bytes)

let server, processes, files

function client(service, options = {}) {
  const baseUrl = `http://localhost:${server.address().port}`
  return createClient(service, createConnectTransport({ baseUrl, httpVersion: '1.1', useBinaryFormat: false, ...options }))
}

const shell = (script) => ({ process: { cmd: '/bin/sh', args: ['-c', script] }, stdin: false })
const error = (promise) => promise.then(assert.fail, (error) => (assert.ok(error instanceof ConnectError, error), error))
const code = async (promise) => (await error(promise)).code
// The whole of a stream, or of the rest of one: the output joined, and the other events.
async function read(stream) {
  const result = { stdout: [], stderr: [], pty: [], keepalives: 0 }
  for await (const { event } of stream) {
    for (const [name, bytes] of Object.entries(event.data ?? {})) result[name]?.push(bytes)
    if (event.start) result.pid = event.start.pid
    if (event.keepalive) ++result.keepalives
    if (event.end) result.end = event.end
  }
  for (const name of ['stdout', 'stderr', 'pty']) result[name] = Buffer.concat(result[name])
  return result
}
// A stream whose process runs.
async function started(stream) {
  const events = stream[Symbol.asyncIterator]()
  const { pid } = (await events.next()).value.event.start
  return { pid, selector: { pid }, rest: { [Symbol.asyncIterator]: () => events } }
}

before(async () => {
  server = await relay(0, startSandbox())
  processes = client(Process)
  files = client(Filesystem)
})

after(() => {
  server?.close()
  endSandbox()
})

test('unary calls with every type of field', async () => {
  const { entry } = await files.makeDir({ path: '/root/ä "dir"' })
  assert.deepEqual([entry.name, entry.path, entry.type, entry.mode], ['ä "dir"', '/root/ä "dir"', directory, 0o755])
  await read(processes.start(shell("truncate -s 5000000000 '/root/ä \"dir\"/large' && ln -s large '/root/ä \"dir\"/link'")))
  const { entries } = await files.listDir({ path: '/root/ä "dir"', depth: 1 })
  const [large, link] = entries.sort((a, b) => (a.name < b.name ? -1 : 1))
  assert.deepEqual([large.name, large.type, large.size, large.owner], ['large', file, 5000000000n, 'root'])
  assert.ok(large.modifiedTime.seconds > 1700000000n)
  assert.ok(link.symlinkTarget.endsWith('large'))
  const moved = await files.move({ source: large.path, destination: '/root/moved' })
  assert.equal(moved.entry.path, '/root/moved')
  await files.remove({ path: '/root/moved' })
  assert.equal(await code(files.stat({ path: '/root/moved' })), Code.NotFound)
})

test('a stream of the server, and the end of a process', async () => {
  const result = await read(processes.start({ ...shell('echo "$A"; echo err >&2; pwd; exit 3') }))
  assert.deepEqual([decode(result.stdout), decode(result.stderr)], ['\n/root\n', 'err\n'])
  assert.deepEqual([result.end.exitCode, result.end.exited, result.end.status], [3, true, 'exit status 3'])
  const { process } = shell('echo "$A"; pwd')
  const other = await read(processes.start({ process: { ...process, envs: { A: 'ä€😀' }, cwd: '/tmp' }, stdin: false }))
  assert.equal(decode(other.stdout), 'ä€😀\n/tmp\n')
  const killed = await read(processes.start(shell('kill -9 $$')))
  assert.deepEqual([killed.end.exitCode, killed.end.status], [-1, 'signal: killed'])
})

test('bytes of every value, and much of them, both ways', async () => {
  const bytes = new Uint8Array(5 * megabyte).map((_, i) => i * 31 + (i >> 8))
  const cat = await started(processes.start({ process: { cmd: '/bin/cat' }, tag: 'the cat', stdin: true }))
  const result = read(cat.rest)
  const listed = (await processes.list({})).processes.find(({ pid }) => pid === cat.pid)
  assert.deepEqual([listed.config.cmd, listed.tag], ['/bin/cat', 'the cat'])
  await processes.sendInput({ process: { tag: 'the cat' }, input: { stdin: bytes } })
  await processes.sendInput({ process: cat.selector, input: { stdin: bytes } })
  await processes.closeStdin({ process: cat.selector })
  assert.deepEqual(await result.then(({ stdout }) => stdout), Buffer.concat([bytes, bytes]))
})

test('a stream of the client', async () => {
  const script = 'sleep 0.1; wc -c; exit 3' // reads late: what comes waits for it
  const { selector, rest } = await started(processes.start({ ...shell(script), stdin: true }))
  async function* input() {
    yield { start: { process: selector } }
    yield { keepalive: {} }
    for (let i = 0; i < 64; ++i) yield { data: { input: { stdin: new Uint8Array(megabyte / 4) } } }
  }
  await processes.streamInput(input())
  await processes.closeStdin({ process: selector })
  const { stdout, end } = await read(rest)
  assert.deepEqual([decode(stdout).trim(), end.exitCode], [`${16 * megabyte}`, 3])
  assert.equal(await code(processes.streamInput(input())), Code.NotFound)
})

test('a terminal', async () => {
  const process = { cmd: '/bin/sh', args: ['-c', 'read line; stty size; echo "got $line"'] }
  const terminal = await started(processes.start({ process, pty: { size: { cols: 100, rows: 30 } } }))
  const result = read(terminal.rest)
  await processes.update({ process: terminal.selector, pty: { size: { cols: 132, rows: 43 } } })
  await processes.sendInput({ process: terminal.selector, input: { pty: encode('it\n') } })
  assert.match(decode((await result).pty), /43 132\r\ngot it\r\n$/)
})

test('keepalives', async () => {
  const headers = { 'Keepalive-Ping-Interval': '1' }
  const waiting = await started(processes.start({ process: { cmd: '/bin/cat' }, stdin: true }, { headers }))
  const events = waiting.rest[Symbol.asyncIterator]()
  assert.ok((await events.next()).value.event.keepalive)
  await processes.closeStdin({ process: waiting.selector })
  assert.ok((await read(waiting.rest)).end)
})

test('errors', async () => {
  const as = (user) => ({ headers: { Authorization: `Basic ${btoa(`${user}:`)}` } })
  const missing = await error(files.stat({ path: '/none' }))
  assert.deepEqual([missing.code, missing.details], [Code.NotFound, []])
  assert.match(missing.rawMessage, /\/none/)
  assert.equal(await code(files.makeDir({ path: '/root' })), Code.AlreadyExists)
  assert.equal(await code(files.listDir({ path: '/etc/passwd' })), Code.InvalidArgument)
  assert.equal(await code(files.stat({ path: '/' }, as('nobody-of-that-name'))), Code.Unauthenticated)
  assert.equal(await code(files.remove({ path: '/etc/passwd' }, as('daemon'))), Code.PermissionDenied)
  assert.equal(await code(files.getWatcherEvents({ watcherId: 'none' })), Code.NotFound)
  assert.equal(await code(processes.sendSignal({ process: { pid: 99999 }, signal: 9 })), Code.NotFound)
  assert.equal(await code(processes.sendSignal({ process: { pid: 1 }, signal: 0 })), Code.InvalidArgument)
  assert.equal(await code(processes.closeStdin({})), Code.InvalidArgument)
  assert.equal(await code(processes.notThere({})), Code.Unimplemented)
  // Of streams they come in the last message.
  assert.equal(await code(read(processes.connect({ process: { pid: 99999 } }))), Code.NotFound)
  assert.equal(await code(read(processes.start({ process: { cmd: '/bin/true', cwd: '/none' } }))), Code.InvalidArgument)
  assert.equal(await code(read(processes.start(shell('true'), as('nobody-of-that-name')))), Code.Unauthenticated)
  assert.equal(await code(read(files.watchDir({ path: '/none' }))), Code.NotFound)
  assert.equal(await code(read(processes.notThereEither({}))), Code.Unimplemented)
})

test('a token', async () => {
  const init = (token, body) =>
    fetch(`http://localhost:${server.address().port}/init`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: token ? { 'X-Access-Token': token } : {},
    })
  assert.equal((await init(undefined, { accessToken: 'secret' })).status, 204)
  try {
    assert.equal(await code(processes.list({})), Code.Unauthenticated)
    assert.equal(await code(read(processes.start(shell('true')))), Code.Unauthenticated)
    await processes.list({}, { headers: { 'X-Access-Token': 'secret' } })
  } finally {
    assert.equal((await init('secret', {})).status, 204)
  }
})

test('a time limit ends the stream and the process', async () => {
  const sleep = { process: { cmd: '/bin/sleep', args: ['1000'] }, stdin: false }
  // A client that knows of its limit would not wait for the server to keep it.
  const sleeper = await started(processes.start(sleep, { headers: { 'Connect-Timeout-Ms': '300' } }))
  assert.equal(await code(read(sleeper.rest)), Code.DeadlineExceeded)
  const { end } = await read(processes.connect({ process: sleeper.selector }))
  assert.equal(end.status, 'signal: killed')
  assert.equal(await code(read(processes.start(sleep, { timeoutMs: 300 }))), Code.DeadlineExceeded)
})

test('a stream that its client cancels ends, and its process does not', async () => {
  const canceller = new AbortController()
  const { signal } = canceller
  const cat = await started(processes.start({ process: { cmd: '/bin/cat' }, stdin: true }, { signal }))
  canceller.abort()
  assert.equal(await code(read(cat.rest)), Code.Canceled)
  const again = await started(processes.connect({ process: cat.selector }))
  assert.equal(again.pid, cat.pid)
  await processes.sendInput({ process: cat.selector, input: { stdin: encode('still here') } })
  await processes.closeStdin({ process: cat.selector })
  const { stdout, end } = await read(again.rest)
  assert.deepEqual([decode(stdout), end.exitCode], ['still here', 0])
})

test('watches', async () => {
  await files.makeDir({ path: '/root/watched' })
  const canceller = new AbortController()
  const { signal } = canceller
  const events = files.watchDir({ path: '/root/watched', includeEntry: true }, { signal })[Symbol.asyncIterator]()
  assert.ok((await events.next()).value.start)
  const { watcherId } = await files.createWatcher({ path: '/root', recursive: true })
  await files.makeDir({ path: '/root/watched/dir' })
  const { filesystem } = (await events.next()).value
  assert.deepEqual([filesystem.name, filesystem.type, filesystem.entry.type], ['dir', 1, directory])
  canceller.abort()
  assert.equal(await code(events.next()), Code.Canceled)

  const told = []
  while (!told.some(({ name, type }) => name === 'watched/dir' && type === 1))
    told.push(...(await files.getWatcherEvents({ watcherId })).events)
  await files.removeWatcher({ watcherId })
  assert.equal(await code(files.getWatcherEvents({ watcherId })), Code.NotFound)
})

test('messages as large as may be', async () => {
  const path = (size) => '/'.padEnd(size - '{"path":""}'.length, 'a')
  // The largest is read, and no such name can be.
  assert.equal(await code(files.stat({ path: path(8 * megabyte) })), Code.InvalidArgument)
  assert.equal(await code(files.stat({ path: path(8 * megabyte + 100) })), Code.ResourceExhausted)
  const tag = (size) => ({ process: { tag: ''.padEnd(size - '{"process":{"tag":""}}'.length, 'a') } })
  assert.equal(await code(read(processes.connect(tag(8 * megabyte)))), Code.NotFound)
  assert.equal(await code(read(processes.connect(tag(8 * megabyte + 100)))), Code.ResourceExhausted)

  await read(processes.start(shell('mkdir /root/many && cd /root/many && seq 20000 | xargs touch')))
  const { entries } = await files.listDir({ path: '/root/many' })
  assert.equal(new Set(entries.map(({ name }) => name)).size, 20000)
  await files.remove({ path: '/root/many' })
})

test('fields by the names of the schema, and enumerations as numbers', async () => {
  const snakes = client(Filesystem, { jsonOptions: { useProtoFieldName: true } })
  const { watcherId } = await snakes.createWatcher({ path: '/root', includeEntry: true })
  await snakes.makeDir({ path: '/root/told' })
  const told = []
  while (told.length === 0) told.push(...(await snakes.getWatcherEvents({ watcherId })).events)
  assert.equal(told[0].entry.path, '/root/told')
  await snakes.removeWatcher({ watcherId })
  const numbers = client(Process, { jsonOptions: { enumAsInteger: true } })
  const cat = await started(processes.start({ process: { cmd: '/bin/cat' }, stdin: true }))
  await numbers.sendSignal({ process: cat.selector, signal: 9 })
  assert.equal((await read(cat.rest)).end.status, 'signal: killed')
})

test('what is not served is refused: compressed messages, and the binary format', async () => {
  const compressing = { sendCompression: compressionGzip, compressMinBytes: 0 }
  assert.equal(await code(client(Filesystem, compressing).stat({ path: '/' })), Code.Unimplemented)
  assert.equal(await code(read(client(Process, compressing).start(shell('true')))), Code.Unimplemented)
  for (const [method, types] of [
    ['filesystem.Filesystem/Stat', ['application/proto', 'application/json']],
    ['process.Process/Start', ['application/connect+proto', 'application/connect+json']],
  ]) {
    const url = `http://localhost:${server.address().port}/${method}`
    const reply = await fetch(url, { method: 'POST', headers: { 'Content-Type': types[0] } })
    assert.equal(reply.status, 415)
    assert.ok(reply.headers.get('Accept-Post').split(', ').includes(types[1]))
  }
  const binary = { useBinaryFormat: true }
  assert.match((await error(client(Filesystem, binary).stat({ path: '/' }))).message, /415/)
  assert.match((await error(read(client(Process, binary).start(shell('true'))))).message, /415/)
})
