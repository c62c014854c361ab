/** The page at /docs, in a real browser: it is there, it works, and it loads nothing from elsewhere. */
import t from 'tap';
import { startApp } from '../support/app.js';
import { openPage } from '../support/browser.js';
import { get } from '../support/http.js';

interface Document {
  paths: Record<string, Record<string, { summary: string }>>;
}

const { base, stop } = await startApp();
t.teardown(stop);
const document = (await get<Document>(base, '/openapi.json')).body;
const summaries = Object.values(document.paths).flatMap((methods) =>
  Object.values(methods).map(({ summary }) => summary),
);

t.test('the page lists every operation, without an error and without another host', async (t) => {
  const { page, errors, hosts } = await openPage(t);
  const answer = await page.goto(`${base}/docs`);
  t.equal(answer?.status(), 200);
  await page.waitForSelector('.opblock');
  t.match(await page.title(), /\S/);
  const shown = await page.locator('.opblock .opblock-summary-description').allTextContents();
  t.ok(shown.length > 15);
  t.strictSame(shown.sort(), summaries.sort());
  await page.waitForLoadState('networkidle');
  t.strictSame(errors, [], 'no error on the console');
  t.strictSame([...hosts], [new URL(base).host], 'no other host was asked');
});

t.test('an operation can be tried from the page', async (t) => {
  const { page, errors } = await openPage(t);
  await page.goto(`${base}/docs`);
  const operation = page.locator('.opblock', { hasText: '/livez' });
  await operation.locator('.opblock-summary-control').click();
  await operation.locator('.try-out__btn').click();
  await operation.locator('.execute').click();
  const live = operation.locator('.live-responses-table .response').first();
  await live.waitFor();
  t.match(await live.locator('.response-col_status').innerText(), '200');
  t.match(await live.locator('.response-col_description').innerText(), '"status": "ok"');
  t.strictSame(errors, []);
});

t.test('the page reads the description that the service gives to everyone', async (t) => {
  for (const path of ['/docs/json', '/docs/yaml']) t.equal((await get(base, path)).status, 200, path);
  t.strictSame((await get(base, '/docs/json')).body, document);
});

t.test('what the page may load is said in a header, too', async (t) => {
  const policy = String((await get(base, '/docs/')).headers['content-security-policy']);
  t.match(policy, /default-src 'self'/);
  t.notMatch(policy, /https?:\/\//);
});
