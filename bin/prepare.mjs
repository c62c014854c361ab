/**
 * What `npm start` and `npm test` need before anything of this project can run: a recent Node, the packages
 * of package-lock.json, a build that matches the sources, and a few programs of the system.
 *
 * Every step first looks whether there is anything to do, does nothing if not, and says what it does if so.
 * Nothing here may import a package: on a fresh machine there is none yet. What the system's packages are
 * called is known to the built code (`src/redis/system-packages.ts`), so that step comes after the build.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Folders that are compiled to build/. */
export const sourceFolders = ['src', 'test', 'load'];
/** Files beside them that change what the build does. */
const buildInputs = ['tsconfig.json', 'package.json', 'package-lock.json', 'bin/copy-assets.mjs'];

/** A reason to stop that a person can act on; printed without a stack. */
export class Stop extends Error {}

/**
 * Runs a script's main function and turns its failure into a message and an exit code. What the system refuses (a file
 * that cannot be written) says so in words; anything else is a fault here and comes with its stack.
 */
export async function main(body) {
  try {
    await body();
  } catch (error) {
    console.error(error instanceof Stop || error.code ? `papertrail: ${error.message}` : error);
    process.exit(1);
  }
}

/** Node, packages and build: everything that does not need the rights of an administrator. */
export function prepare() {
  ensureNode();
  ensurePackages();
  ensureBuild();
}

function ensureNode() {
  const { engines } = readJson(join(root, 'package.json'));
  const numbers = (text) => text.match(/\d+/g).map(Number);
  const [least, have] = [numbers(engines.node), numbers(process.versions.node)];
  const differs = least.findIndex((number, index) => number !== have[index]);
  if (differs >= 0 && have[differs] < least[differs]) {
    throw new Stop(`Node ${engines.node} is needed, this is ${process.versions.node}.`);
  }
}

function ensurePackages() {
  if (packagesMatch(root)) return;
  say('installing the packages of package-lock.json (npm ci)');
  const npm = process.env.npm_execpath;
  const command = npm?.endsWith('npm-cli.js') ? [process.execPath, npm] : ['npm'];
  if (!run([...command, 'ci', '--include=dev', '--no-fund', '--no-audit'])) throw new Stop('npm ci failed.');
}

/**
 * Whether node_modules holds what the lock file asks for, by npm's own record of what it installed: it is
 * written last, so an interrupted install does not count.
 */
export function packagesMatch(folder) {
  const record = join(folder, 'node_modules', '.package-lock.json');
  if (!existsSync(record)) return false;
  const installed = readJson(record).packages;
  const wanted = Object.entries(readJson(join(folder, 'package-lock.json')).packages);
  return wanted.every(([path, entry]) => {
    if (path === '' || (entry.optional && installed[path] === undefined)) return true;
    return installed[path]?.version === entry.version && installed[path]?.integrity === entry.integrity;
  });
}

function ensureBuild() {
  const sources = hashSources(root);
  if (buildMatches(root, sources)) return;
  say('building (tsc)');
  const record = join(root, 'build', '.tsbuildinfo');
  rmSync(stampFile(root), { force: true });
  if (!outputsExist(root)) rmSync(record, { force: true });
  const built = run([process.execPath, 'node_modules/typescript/bin/tsc']);
  if (!built || !run([process.execPath, 'bin/copy-assets.mjs'])) throw new Stop('the build failed.');
  writeFileSync(stampFile(root), sources);
}

/** Whether build/ was made from sources with this hash and is still complete. */
export function buildMatches(folder, sources) {
  const stamp = stampFile(folder);
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === sources && outputsExist(folder);
}

function outputsExist(folder) {
  return listSources(folder).every((path) => existsSync(join(folder, 'build', path.replace(/\.ts$/, '.js'))));
}

/** One hash over the names and the contents of everything that the build reads. */
export function hashSources(folder) {
  const hash = createHash('sha256');
  for (const path of [...buildInputs, ...listSources(folder)]) {
    const content = readFileSync(join(folder, path));
    hash.update(`${path}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex');
}

/** Every file of the source folders, by its path relative to the project, sorted. */
export function listSources(folder) {
  return sourceFolders.flatMap((name) => listFiles(join(folder, name))).map((path) => relative(folder, path));
}

/** Every file below a folder, sorted; none where there is no such folder. */
export function listFiles(folder) {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

/**
 * Installs a program by the package manager of this system where it is missing.
 * @param kind a name of `SystemProgram`
 * @param otherwise what a person can do instead
 */
export async function ensureProgram(kind, otherwise = '') {
  const built = pathToFileURL(join(root, 'build/src/redis/system-packages.js'));
  const { executables, findPackageManager, findProgram, installHint } = await import(built);
  if (findProgram(kind) !== null) return;
  const missing = `${executables[kind].join(' or ')} is missing`;
  const manager = findPackageManager();
  const failure = new Stop(
    `${missing} and could not be installed. To do it yourself, ${installHint(kind)}${otherwise}`,
  );
  if (manager === null) throw failure;
  const words = [...manager.install, manager.packages[kind]];
  say(`${missing}, installing it (${words.join(' ')})`);
  if (manager.refresh) runAsRoot(manager, manager.refresh);
  if (!runAsRoot(manager, words) || findProgram(kind) === null) throw failure;
}

function runAsRoot(manager, words) {
  if (manager.asUser) return run(words);
  const command = ['env', 'DEBIAN_FRONTEND=noninteractive', ...words];
  return run(process.getuid?.() === 0 ? command : ['sudo', '-n', ...command]);
}

/** Runs a command in the project folder with our own output; whether it succeeded. */
export function run([program, ...values]) {
  return spawnSync(program, values, { cwd: root, stdio: 'inherit' }).status === 0;
}

export function say(text) {
  console.log(`papertrail: ${text}`);
}

const stampFile = (folder) => join(folder, 'build', '.sources');
const readJson = (file) => JSON.parse(readFileSync(file, 'utf8'));
