/**
 * The end of a build: tsc compiles what is TypeScript, this copies the rest (Lua scripts, pages, fixtures) to
 * the same place in build/, and removes from there what no longer has a source, so that a deleted test does
 * not run on.
 */
import { copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { listFiles, listSources, root, sourceFolders } from './prepare.mjs';

const build = join(root, 'build');

for (const path of listSources(root)) {
  if (path.endsWith('.ts')) continue;
  mkdirSync(dirname(join(build, path)), { recursive: true });
  copyFileSync(join(root, path), join(build, path));
}

for (const file of sourceFolders.flatMap((name) => listFiles(join(build, name)))) {
  const path = relative(build, file);
  const source = path.replace(/\.js(\.map)?$/, '.ts');
  if (!existsSync(join(root, path)) && !existsSync(join(root, source))) rmSync(file);
}
