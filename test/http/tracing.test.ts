/** Traces, as a collector gets them: a real OTLP/HTTP exporter sends to a server of the test. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { startApp } from '../support/app.js';
import { compliance, event, postRows, send } from '../support/http.js';

interface ReceivedSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  status: { code: number };
  attributes: { key: string; value: { stringValue?: string; intValue?: number } }[];
}
interface Export {
  resourceSpans: { resource: { attributes: object[] }; scopeSpans: { spans: ReceivedSpan[] }[] }[];
}

/** A collector that keeps what it gets. */
async function startCollector() {
  const bodies: string[] = [];
  const paths: string[] = [];
  const server = createServer(async (request, response) => {
    paths.push(request.url ?? '');
    bodies.push(await text(request));
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const spans = () =>
    bodies
      .flatMap((body) => (JSON.parse(body) as Export).resourceSpans)
      .flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans));
  return { endpoint, bodies, paths, spans, stop: () => server.close() };
}

const traceId = '0af7651916cd43dd8448eb211c80319c';
const parentId = 'b7ad6b7169203331';
const sampled = { traceparent: `00-${traceId}-${parentId}-01` };
const attribute = (span: ReceivedSpan, key: string) => span.attributes.find((one) => one.key === key)?.value;

t.test('requests and their round trips to Redis go on the trace of their caller, without ids', async (t) => {
  const collector = await startCollector();
  const { base, stop } = await startApp({ config: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint } });
  const rows = [event({ user_id: 'secret-person', metadata: { ip: '203.0.113.77' } })];
  await postRows(base, rows, { ...sampled, 'x-request-id': 'of-the-write' });
  const question = compliance('activity/check', { system: 'crm', user_id: 'secret-person' });
  await send(base, { path: question, headers: sampled });
  const missing = await send<{ traceId: string }>(base, { path: '/nothing', headers: sampled });
  await stop(); // what is still held goes out
  collector.stop();

  t.equal(missing.body.traceId, traceId, 'a problem names its trace');
  t.ok(collector.paths.every((path) => path === '/v1/traces'));
  t.notMatch(collector.bodies.join(), /secret-person|203\.0\.113\.77/);
  const spans = collector.spans().filter((span) => span.traceId === traceId);
  const requests = spans.filter(({ parentSpanId }) => parentSpanId === parentId);
  t.same(requests.map(({ name }) => name).sort(), [
    'GET /api/v1/compliance/activity/check',
    'GET none',
    'POST /api/v1/events/batch',
  ]);
  const write = requests.find(({ name }) => name.startsWith('POST'));
  t.match(write && attribute(write, 'http.response.status_code'), { intValue: 201 });
  t.match(write && attribute(write, 'papertrail.request_id'), { stringValue: 'of-the-write' });
  for (const request of requests.filter(({ name }) => name !== 'GET none')) {
    const trips = spans.filter(({ parentSpanId }) => parentSpanId === request.spanId);
    t.ok(trips.length > 0 && trips.every(({ name }) => name === 'redis'), `${request.name} and Redis`);
  }
});

t.test('a caller that decided against sampling is followed, and so is a share of zero', async (t) => {
  const collector = await startCollector();
  const { base, stop } = await startApp({
    config: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint, OTEL_TRACES_SAMPLER_ARG: 0 },
  });
  await send(base, { path: '/livez', headers: { traceparent: `00-${traceId}-${parentId}-00` } });
  await send(base, { path: '/livez' });
  await send(base, { path: '/livez', headers: sampled });
  await stop();
  collector.stop();
  t.same(
    collector.spans().map((span) => [span.traceId, span.name]),
    [[traceId, 'GET /livez']],
  );
});

t.test('a collector that is away fails no request and does not hold up the stop', async (t) => {
  const { base, stop } = await startApp({ config: { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' } });
  t.equal((await postRows(base, [event()])).status, 201);
  await stop();
});

t.test('without a collector a problem has no trace', async (t) => {
  const { base, stop } = await startApp();
  const { body } = await send<object>(base, { path: '/nothing', headers: sampled });
  t.notOk('traceId' in body);
  await stop();
});
