// Packs every package of the npm workspace and looks at what would be published: is it whole (publint), do its types
// resolve (attw), is its public surface the committed one (api-extractor, etc/*.api.md), is it small.
//
//   node scripts/packages.mjs           says what is wrong; after tsc -b
//   node scripts/packages.mjs --write   writes etc/*.api.md (npm run api)

import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gunzipSync, gzipSync } from 'node:zlib'

/** The most that a package's JavaScript may take, all of it gzipped together, in bytes. */
const bounds = {
  '@gravito/pulse-protocol': 20_000, // without its comments 14,400
  '@gravito/pulse-adapter-host': 17_000,
}
const usualBound = 10_000

const root = fileURLToPath(new URL('..', import.meta.url))
const run = promisify(execFile)
const readJSON = (...path) => JSON.parse(readFileSync(join(root, ...path), 'utf8'))

/** The folders of the workspace's packages that are published, as npm finds them. */
function workspace() {
  return readJSON('package.json').workspaces.flatMap((pattern) => {
    if (!pattern.endsWith('/*')) return [pattern]
    const parent = pattern.slice(0, -2)
    return readdirSync(join(root, parent)).map((name) => `${parent}/${name}`).filter((dir) => existsSync(join(root, dir, 'package.json')))
  }).filter((dir) => !readJSON(dir, 'package.json').private)
}

/** The files of a package's tarball, by their paths in it. */
function unpacked(tarball) {
  const files = new Map()
  const tar = gunzipSync(tarball)
  for (let at = 0; tar[at] > 0; ) {
    const text = (from, length) => tar.toString('utf8', at + from, at + from + length).replace(/\0.*$/s, '')
    const size = Number.parseInt(text(124, 12), 8)
    files.set(join(text(345, 155), text(0, 100)).replace(/^package\//, ''), tar.subarray(at + 512, at + 512 + size))
    at += 512 + 512 * Math.ceil(size / 512)
  }
  return files
}

/** What is wrong with a package's description of itself. */
function problemsOfManifest(dir, manifest, versions) {
  const { repository, publishConfig, dependencies = {} } = manifest
  const problems = []
  const must = (holds, sentence) => holds || problems.push(`package.json: ${sentence}`)
  for (const member of ['name', 'version', 'description', 'files', 'exports', 'engines']) must(manifest[member], `${member} is missing`)
  must(manifest.type === 'module', 'type is not "module"')
  must(repository?.type === 'git' && repository.url === `git+https://${modulePath}.git` && repository.directory === dir, `repository is not {"type": "git", "url": "git+https://${modulePath}.git", "directory": "${dir}"}`)
  must(publishConfig?.access === 'public' && publishConfig.provenance === true, 'publishConfig is not {"access": "public", "provenance": true}')
  must(('license' in manifest) === existsSync(join(root, 'LICENSE')), 'license is not that of the repository: either has one, and the other has none')
  for (const [name, version] of Object.entries(dependencies)) must(!(name in versions) || versions[name] === version, `it depends on ${name} ${version}, which is ${versions[name]} here`)
  return problems
}

const modulePath = /^module (.*)$/m.exec(readFileSync(join(root, 'go.mod'), 'utf8'))[1]

/** What is wrong with what would be published. */
async function problemsOfTarball(manifest, path) {
  const problems = []
  const tarball = readFileSync(path)
  const files = unpacked(tarball)
  if (!files.has('README.md')) problems.push('README.md is not in it')
  const scripts = [...files.keys()].filter((name) => name.endsWith('.js'))
  if (scripts.length === 0) problems.push('no JavaScript is in it: tsc -b compiles it')
  const size = gzipSync(Buffer.concat(scripts.sort().map((name) => files.get(name))), { level: 9 }).length
  const bound = bounds[manifest.name] ?? usualBound
  if (size > bound) problems.push(`its JavaScript takes ${size} bytes, gzipped: at most ${bound} (scripts/packages.mjs)`)

  const { publint } = await import('publint')
  const { formatMessage } = await import('publint/utils')
  const { messages } = await publint({ pack: { tarball: tarball.buffer.slice(tarball.byteOffset, tarball.byteOffset + tarball.length) }, strict: true })
  problems.push(...messages.filter(({ code }) => code !== 'LOCAL_DEPENDENCY').map((message) => `publint: ${formatMessage(message, manifest, { color: false })}`))

  const attw = join(root, 'node_modules', '.bin', 'attw')
  const { problem } = await run(attw, [path, '--profile', 'esm-only', '--no-color', '--no-emoji']).then(() => ({}), ({ stdout, stderr, message }) => ({ problem: stdout || stderr || message }))
  if (problem) problems.push(`attw: ${problem.trim()}`)
  return { problems, size }
}

/** Each entry that a package exports: its report's name, and its types. */
function entriesOf({ name, exports }) {
  return Object.entries(exports).filter(([, { types }]) => types).map(([entry, { types }]) => ({ report: [name.replace(/^.*\//, ''), ...entry.split('/').slice(1)].join('-'), types }))
}

/** Compares the public surface of a package with the committed one, or writes that. */
async function problemsOfSurface(dir, manifest, temporary, isWriting) {
  const { Extractor, ExtractorConfig, ExtractorLogLevel } = await import('@microsoft/api-extractor')
  const [warning, none] = [ExtractorLogLevel.Warning, ExtractorLogLevel.None].map((logLevel) => ({ logLevel }))
  const problems = []
  const folder = join(root, dir, 'etc')
  const entries = entriesOf(manifest)
  for (const { report, types } of entries) {
    const configObject = {
      projectFolder: join(root, dir),
      mainEntryPointFilePath: join(root, dir, types),
      compiler: { tsconfigFilePath: join(root, dir, 'tsconfig.json') },
      apiReport: { enabled: true, reportFileName: `${report}.api.md`, reportFolder: folder, reportTempFolder: temporary },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      newlineKind: 'lf',
      messages: {
        compilerMessageReporting: { default: warning },
        extractorMessageReporting: { default: warning, 'ae-missing-release-tag': none, 'ae-undocumented': none },
        tsdocMessageReporting: { default: warning },
      },
    }
    const config = ExtractorConfig.prepare({ configObject, configObjectFullPath: undefined, packageJsonFullPath: join(root, dir, 'package.json') })
    if (isWriting) mkdirSync(folder, { recursive: true })
    const messageCallback = (message) => {
      message.handled = true
      const isOfReport = message.messageId.startsWith('console-api-report-') // said below
      if (!isOfReport && (message.logLevel === 'error' || message.logLevel === 'warning')) problems.push(`api-extractor: ${message.formatMessageWithLocation(join(root, dir))}`)
    }
    const { apiReportChanged } = Extractor.invoke(config, { localBuild: isWriting, messageCallback })
    if (apiReportChanged && !isWriting) problems.push(`its public surface is not that of etc/${report}.api.md: npm run api writes it anew, and the difference is what users will notice`)
  }
  const stale = (existsSync(folder) ? readdirSync(folder) : []).filter((file) => !entries.some(({ report }) => file === `${report}.api.md`))
  if (stale.length > 0) problems.push(`etc holds ${stale.join(', ')}, which no entry has`)
  return problems
}

async function main() {
  const isWriting = process.argv.includes('--write')
  const tools = ['publint', '@arethetypeswrong/cli', '@microsoft/api-extractor'].filter((tool) => !existsSync(join(root, 'node_modules', tool)))
  if (tools.length > 0) {
    console.log(`packages for Node not looked at: ${tools.join(', ')} is not installed (npm install --ignore-scripts)`)
    return process.env.CI === 'true' || isWriting ? 1 : 0
  }
  const dirs = workspace()
  const manifests = dirs.map((dir) => readJSON(dir, 'package.json'))
  const versions = Object.fromEntries(manifests.map(({ name, version }) => [name, version]))
  const temporary = mkdtempSync(join(tmpdir(), 'packages-'))
  let isGood = true
  try {
    await run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', temporary, ...dirs.flatMap((dir) => ['-w', dir])], { cwd: root })
    for (const [i, dir] of dirs.entries()) {
      const manifest = manifests[i]
      const path = join(temporary, `${manifest.name.slice(1).replace('/', '-')}-${manifest.version}.tgz`)
      const surface = await problemsOfSurface(dir, manifest, temporary, isWriting)
      const { problems, size } = await problemsOfTarball(manifest, path)
      const all = [...problemsOfManifest(dir, manifest, versions), ...problems, ...surface]
      isGood &&= all.length === 0
      console.log(`${manifest.name}: ${size} bytes of JavaScript, gzipped${all.map((problem) => `\n  ${problem.replaceAll('\n', '\n    ')}`).join('')}`)
    }
  } finally {
    rmSync(temporary, { recursive: true })
  }
  return isGood ? 0 : 1
}

process.exitCode = await main()
