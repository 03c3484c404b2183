import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countReplies, encodeReplies, encodeSettings, parseRequests } from '../dist/resp.js'
import { readCommands, withSubcommands } from '../dist/read-commands.js'

const bytes = (text) => Buffer.from(text, 'latin1')
const encoded = (replies) => encodeReplies(replies).toString('latin1')

test('settings: the app, the source, then the others by name; an empty one is not set', () => {
  const settings = { zebra: 'z', source: 'node', 'ärger': 'ü', app: 'shop', empty: '', Apple: 'a', _x: '1' }
  assert.equal(
    encodeSettings(settings).toString(),
    '*12\r\n$3\r\napp\r\n$4\r\nshop\r\n$6\r\nsource\r\n$4\r\nnode\r\n$5\r\nApple\r\n$1\r\na\r\n$2\r\n_x\r\n$1\r\n1\r\n$5\r\nzebra\r\n$1\r\nz\r\n$6\r\närger\r\n$2\r\nü\r\n',
  )
  assert.equal(encodeSettings({ source: 's', app: 'a' }).toString(), encodeSettings({ app: 'a', source: 's' }).toString())
})

test('replies of every kind', () => {
  assert.equal(encoded([]), '')
  assert.equal(encoded([0, -5, 2 ** 53 - 1, 12345678901234567890n]), ':0\r\n:-5\r\n:9007199254740991\r\n:12345678901234567890\r\n')
  assert.equal(encoded([null, undefined]), '$-1\r\n$-1\r\n')
  assert.equal(encoded(['', 'ü', bytes('\xff\0\r\n'), new Uint8Array([65])]), '$0\r\n\r\n$2\r\n\xc3\xbc\r\n$4\r\n\xff\0\r\n\r\n$1\r\nA\r\n')
  assert.equal(encoded([[], [1, ['a', null]]]), '*0\r\n*2\r\n:1\r\n*2\r\n$1\r\na\r\n$-1\r\n')
  assert.equal(encoded([new Error('NOPERM no\r\n:1\r\nü')]), '-NOPERM no  :1  \xc3\xbc\r\n')
})

test('what RESP3 has beside is what RESP2 has in its place', () => {
  assert.equal(encoded([true, false, 1.5, Infinity, -Infinity]), ':1\r\n:0\r\n$3\r\n1.5\r\n$3\r\ninf\r\n$4\r\n-inf\r\n')
  assert.equal(encoded([new Map([['length', 3]]), new Set(['a'])]), '*2\r\n$6\r\nlength\r\n:3\r\n*1\r\n$1\r\na\r\n')
})

test('replies grow the buffer that they are written to', () => {
  const replies = [bytes('x'.repeat(5000)), 'y'.repeat(70_000), new Error('ERR ' + 'z'.repeat(9000)), ...Array(2000).fill(7)]
  assert.equal(countReplies(encodeReplies(replies)), replies.length)
})

test('what is no reply', () => {
  for (const reply of [{}, Symbol('x'), () => {}, new Date()]) assert.throws(() => encodeReplies([reply]), TypeError)
  let deep = 1
  for (let i = 0; i < 33; i++) deep = [deep]
  assert.throws(() => encodeReplies([deep]), /nests deeper than 32/)
  assert.doesNotThrow(() => encodeReplies([deep[0]]))
})

test('replies are counted, and must be RESP2', () => {
  assert.equal(countReplies(bytes('')), 0)
  assert.equal(countReplies(bytes(':1\r\n+OK\r\n-ERR x\r\n$-1\r\n*-1\r\n$3\r\na\r\n\r\n*2\r\n*0\r\n:-7\r\n')), 7)
  for (const broken of ['x', ':1', ':1\r', ':1\n', ':\r\n', ':1x\r\n', '$2\r\na\r\n', '$1\r\nab\r\n', '$5\r\na', '$-2\r\n', '$a\r\n', '*2\r\n:1\r\n', '*1000000\r\n', '+OK', '%1\r\n', '$01234567890\r\n']) {
    assert.throws(() => countReplies(bytes(broken)), /not RESP2/, JSON.stringify(broken))
  }
  assert.throws(() => countReplies(bytes('*1\r\n'.repeat(33) + ':1\r\n')), /nest deeper than 32/)
  assert.equal(countReplies(bytes('*1\r\n'.repeat(32) + ':1\r\n')), 1)
})

test('requests are views of what was read, byte for byte', () => {
  const data = bytes('*2\r\n$4\r\nLLEN\r\n$3\r\n\xff\0\r\r\n*2\r\n$4\r\nLLEN\r\n$0\r\n\r\n*1\r\n$4\r\nROLE\r\n')
  const requests = parseRequests(data, 3)
  assert.deepEqual(requests.map((r) => r.map((w) => w.toString('latin1'))), [['LLEN', '\xff\0\r'], ['LLEN', ''], ['ROLE']])
  assert.equal(requests[0][0].buffer, data.buffer)
  assert.throws(() => parseRequests(data, 2), /more than 2 requests/)
  assert.deepEqual(parseRequests(bytes(''), 1), [])
})

test('a command of two words is one whose first word has subcommands', () => {
  for (const name of readCommands.keys()) assert.equal(withSubcommands.has(name.split(' ')[0]), name.includes(' '), name)
})
