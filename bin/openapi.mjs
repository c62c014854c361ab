/** `npm run openapi`: writes openapi.yaml, the description of the API, from the built service. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { main, prepare, root } from './prepare.mjs';

await main(async () => {
  process.chdir(root);
  prepare();
  const { openapiYaml } = await import('../build/src/openapi.js');
  writeFileSync(join(root, 'openapi.yaml'), await openapiYaml());
});
