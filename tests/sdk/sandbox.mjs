// SPDX-License-Identifier: Apache-2.0
// A real local sandbox for the tests of a file, and how they wait for what they are told.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import path from 'node:path'

const sandboxkit = process.argv[2]
const run = (...command) =>
  JSON.parse(execFileSync(sandboxkit, ['--store', path.join(directory, 'store.db'), '--json', ...command]))

let directory, session

// The name of its Unix socket, from the directory where the process is then: such a name has at most 107 bytes.
export function startSandbox() {
  directory = mkdtempSync(path.join(process.cwd(), 'sdk-test-'))
  writeFileSync(path.join(directory, 'profile.json'), JSON.stringify({ name: 'sdk', network: { egress: 'none' } }))
  const profile = run('profile', 'create', path.join(directory, 'profile.json')).id
  run('profile', 'publish', profile, '--wait')
  session = run('session', 'start', profile)
  process.chdir(path.join(directory, 'store.db.state/local/sandboxes', session.sandbox_id))
  return 'guest.sock'
}

export function endSandbox() {
  process.chdir(directory) // the sandbox's own is removed with it
  if (session) run('session', 'rm', session.id)
  process.chdir('/')
  rmSync(directory, { recursive: true })
}

// Leads from a port of this machine to a Unix socket.
export async function relay(port, socket) {
  const server = net.createServer((client) => {
    const guest = net.connect(socket)
    const end = () => (client.destroy(), guest.destroy())
    client.pipe(guest).pipe(client)
    for (const side of [client, guest]) side.on('error', end).on('close', end)
  })
  await new Promise((done, fail) => server.once('error', fail).listen(port, 'localhost', done))
  return server
}

// Collects what callbacks tell, and waits for something among it. A wait ends after a minute with what was told.
export class Told {
  #items = []
  #waiting = new Set()
  add = (item) => {
    this.#items.push(item)
    for (const look of this.#waiting) look()
  }
  until = (found) =>
    new Promise((done, fail) => {
      const limit = setTimeout(() => fail(new Error(`what was told: ${JSON.stringify(this.#items)}`)), 60_000)
      const look = () => {
        if (!found(this.#items)) return
        clearTimeout(limit)
        this.#waiting.delete(look)
        done(this.#items)
      }
      this.#waiting.add(look)
      look()
    })
}
