/**
 * Traces by OpenTelemetry, where OTEL_EXPORTER_OTLP_ENDPOINT names a collector: a span for every request and, below
 * it, one for every round trip to Redis that the request itself sets off. Of a group commit that is the request that
 * sends the group; the others wait for it without a span of their own.
 *
 * The trace of a caller goes on (W3C Trace Context, `traceparent`), and its sampling decision counts. A span bears
 * the pattern of the route, the status and the request id: never a path, a query or an argument, which may hold ids.
 * Off, none of it is loaded and no hook runs.
 *
 * The collector away: spans are dropped after a bounded queue is full; nothing waits for it.
 */
import { tracingChannel } from 'node:diagnostics_channel';
import type { Context, Span } from '@opentelemetry/api';
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import { type RoundTrip, roundTripChannel } from '../redis/pipeline.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** The trace that a request belongs to, where requests are traced. */
    traceId?: string | undefined;
  }
}

/** How long a collector may take, also while the service stops. */
const EXPORT_MS_MAX = 2_000;

interface TracingOptions {
  /** The base address of an OTLP/HTTP collector; empty: no traces. */
  endpoint: string;
  serviceName: string;
  /** 0 to 1: of the requests whose caller has not decided, how many are sampled. */
  sampledShare: number;
}

/** The parts of OpenTelemetry, loaded only where they are used. */
async function load({ endpoint, serviceName, sampledShare }: TracingOptions) {
  const [api, sdk, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace-node'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ]);
  const url = `${endpoint.replace(/\/$/, '')}/v1/traces`;
  const exporter = new OTLPTraceExporter({ url, timeoutMillis: EXPORT_MS_MAX });
  const provider = new sdk.NodeTracerProvider({
    resource: resourceFromAttributes({ 'service.name': serviceName }),
    sampler: new sdk.ParentBasedSampler({ root: new sdk.TraceIdRatioBasedSampler(sampledShare) }),
    spanProcessors: [new sdk.BatchSpanProcessor(exporter)],
  });
  provider.register();
  return { api, provider, tracer: provider.getTracer('papertrail') };
}

type Tracing = Awaited<ReturnType<typeof load>>;

/** A span for each round trip to Redis, below that of the request it belongs to. Returns what ends it all. */
function traceRoundTrips({ api, tracer }: Tracing): () => void {
  const spans = new WeakMap<object, Span>();
  const handlers = {
    start(trip: RoundTrip) {
      const attributes = { 'db.system.name': 'redis', 'db.operation.batch.size': trip.calls };
      spans.set(trip, tracer.startSpan('redis', { kind: api.SpanKind.CLIENT, attributes }));
    },
    end() {},
    asyncStart() {},
    asyncEnd(trip: RoundTrip & { failed?: number }) {
      const span = spans.get(trip);
      if (trip.failed) span?.setStatus({ code: api.SpanStatusCode.ERROR });
      span?.end();
    },
    error() {},
  };
  const channel = tracingChannel<RoundTrip, RoundTrip>(roundTripChannel);
  channel.subscribe(handlers);
  return () => channel.unsubscribe(handlers);
}

function traceRequests(app: FastifyInstance, { api, tracer }: Tracing): void {
  const contexts = new WeakMap<object, Context>();
  app.decorateRequest('traceId', undefined);

  app.addHook('onRequest', (request, _reply, done) => {
    const { method, headers, routeOptions } = request;
    const route = routeOptions.url ?? 'none';
    const parent = api.propagation.extract(api.ROOT_CONTEXT, headers);
    const attributes = {
      'http.request.method': method,
      'http.route': route,
      'papertrail.request_id': request.id,
    };
    const span = tracer.startSpan(`${method} ${route}`, { kind: api.SpanKind.SERVER, attributes }, parent);
    request.traceId = span.spanContext().traceId;
    const context = api.trace.setSpan(parent, span);
    contexts.set(request, context);
    api.context.with(context, done);
  });
  // A body arrives in the connection's own context, so what follows it has to be brought back into the request's.
  app.addHook('preValidation', (request, _reply, done) => {
    api.context.with(contexts.get(request) ?? api.ROOT_CONTEXT, done);
  });
  app.addHook('onResponse', (request, reply, done) => {
    const span = api.trace.getSpan(contexts.get(request) ?? api.ROOT_CONTEXT);
    span?.setAttribute('http.response.status_code', reply.statusCode);
    if (reply.statusCode >= 500) span?.setStatus({ code: api.SpanStatusCode.ERROR });
    span?.end();
    done();
  });
}

export default fp(
  async (app: FastifyInstance, options: TracingOptions) => {
    if (options.endpoint === '') return;
    const tracing = await load(options);
    const end = traceRoundTrips(tracing);
    traceRequests(app, tracing);
    app.addHook('onClose', async () => {
      end();
      // What a collector does not take now is lost; the stop of the service does not depend on it.
      await tracing.provider
        .shutdown()
        .catch((error: Error) => app.log.warn({ err: error }, 'traces were lost'));
    });
  },
  { name: 'tracing' },
);
