// Reads a recording without Penstock, from the description in audit/README.md
// ("Recordings"): Node 20, and the programs age and zstd.
//
//   node reader.mjs FOLDER IDENTITY CHANNEL MARK > BYTES
//
// FOLDER is a session's (recordings/2026/11/22/S-17), IDENTITY a file with the
// age key that opens it, CHANNEL its number, MARK i, o, e, w or p. It holds every
// frame of the channel to the hash chain, the seal and close.json, and writes
// what passed. At the end it says which hashes to compare with the log's
// session.started and session.ended. Anything that does not fit ends it, exit 3.
import { createDecipheriv, createHash, hkdfSync } from 'node:crypto'
import { readdirSync, readFileSync, writeSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const sha256 = (...parts) => {
  const h = createHash('sha256')
  for (const p of parts) h.update(p)
  return h.digest()
}
const refuse = (what) => {
  console.error(`not whole: ${what}`)
  process.exit(3)
}

// tool runs a program with input on stdin and gives its output.
function tool(name, args, input) {
  const r = spawnSync(name, args, { input, maxBuffer: 256 << 20 })
  if (r.error || r.status !== 0) refuse(`${name} failed: ${r.error ?? r.stderr}`)
  return r.stdout
}

const [folder, identity, channelText, mark] = process.argv.slice(2)
if (!/^[0-9]+$/.test(channelText ?? '') || !['i', 'o', 'e', 'w', 'p'].includes(mark)) {
  console.error('usage: node reader.mjs FOLDER IDENTITY CHANNEL i|o|e|w|p')
  process.exit(2)
}
const channel = Number(channelText)
const header = readFileSync(join(folder, 'session.json'))
const headerHash = sha256(header)
const session = JSON.parse(header).session

// keys.age: 32 bytes of key, then the session's name.
const opened = tool('age', ['-d', '-i', identity, join(folder, 'keys.age')])
if (opened.subarray(32).toString() !== session) refuse('keys.age holds the key of another session')
const sessionKey = opened.subarray(0, 32)

const names = readdirSync(folder)
const files = names
  .map((name) => ({ name, m: /^c(\d{2,5})-([a-z][a-z0-9-]*)\.(\d{3,8})\.brf$/.exec(name) }))
  .filter((f) => f.m && Number(f.m[1]) === channel)
  .sort((a, b) => Number(a.m[3]) - Number(b.m[3]))
if (files.length === 0) refuse(`there is no channel ${channel}`)
const kind = files[0].m[2]

// The key of the channel, and where its chain begins.
const number = Buffer.alloc(2)
number.writeUInt16BE(channel)
const info = Buffer.concat([Buffer.from('penstock brf1 channel '), number, Buffer.from(kind)])
const key = Buffer.from(hkdfSync('sha256', sessionKey, headerHash, info, 32))
let chain = sha256('brf1 start', headerHash, number, kind)
let seq = 0n

// frame reads the frame at a place of a part, checks it, and opens it.
function frame(file, bytes, at) {
  const here = `${file} byte ${at}`
  if (bytes.length - at < 36 + 16 + 32) refuse(`${here}: a frame is cut off`)
  const head = bytes.subarray(at, at + 36)
  const length = head.readUInt32BE(4)
  const end = at + 36 + length + 32
  if (head.toString('latin1', 0, 4) !== 'BRF1' || length < 16 || length > 66580 || end > bytes.length) refuse(`${here}: no frame`)
  if (head.readUInt16BE(10) !== channel || head.readBigUInt64BE(12) !== seq) refuse(`${here}: not frame ${seq} of channel ${channel}`)
  const sealed = bytes.subarray(at + 36, end - 32)
  chain = sha256('brf1', chain, head, sealed)
  if (!chain.equals(bytes.subarray(end - 32, end))) refuse(`${here}: the chain breaks`)
  const nonce = Buffer.alloc(12)
  nonce.writeBigUInt64BE(seq, 4)
  const open = createDecipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 })
  open.setAAD(head, { plaintextLength: length - 16 })
  open.setAuthTag(sealed.subarray(length - 16))
  let data
  try {
    data = Buffer.concat([open.update(sealed.subarray(0, length - 16)), open.final()])
  } catch {
    refuse(`${here}: the seal does not fit`)
  }
  seq++
  return { mark: String.fromCharCode(head[8]), flags: head[9], data, end }
}

// unpack gives a part's packed frames back their data. A stream is flushed and
// never ended: an empty last block (RFC 8878 section 3.1.1.2) ends it for zstd.
const lastBlock = Buffer.from([1, 0, 0])
function unpack(file, frames) {
  const packed = frames.filter((f) => f.flags & 1)
  if (packed.length === 0) return
  const input = []
  for (const [i, f] of packed.entries()) {
    if (i > 0 && f.flags & 4) input.push(lastBlock)
    input.push(f.data.subarray(4))
  }
  const plain = tool('zstd', ['-dcq'], Buffer.concat([...input, lastBlock]))
  let at = 0
  for (const f of packed) {
    const n = f.data.readUInt32BE(0)
    f.data = plain.subarray(at, (at += n))
  }
  if (at !== plain.length) refuse(`${file}: the data is of another length than its frames say`)
}

const closed = names.includes('close.json') ? readFileSync(join(folder, 'close.json')) : null
const listed = closed && JSON.parse(closed).files.filter((f) => f.file.startsWith(files[0].m[0].split('.')[0] + '.'))
if (listed && listed.length !== files.length) refuse('close.json names other files')
for (const [i, { name }] of files.entries()) {
  const bytes = readFileSync(join(folder, name))
  const frames = []
  for (let at = 0; at < bytes.length; at = frames.at(-1).end) frames.push(frame(name, bytes, at))
  const want = listed?.[i]
  const head = `sha256:${chain.toString('hex')}`
  if (want && (want.file !== name || want.bytes !== bytes.length || want.frames !== frames.length || want.head !== head)) refuse(`${name} is not as it was closed`)
  unpack(name, frames)
  for (const f of frames) {
    if (f.mark !== mark) continue
    for (let done = 0; done < f.data.length; ) done += writeSync(1, f.data, done)
  }
}
console.error(`whole: ${seq} frames of ${session}; compare with the log: session.json sha256:${headerHash.toString('hex')}` +
  (closed ? `, close.json sha256:${sha256(closed).toString('hex')}` : ', still open'))
