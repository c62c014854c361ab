/**
 * Who asks. Every request has a principal before any of its hooks runs that depends on it; where no keys are
 * configured that is `anyone`, who may do everything.
 */
export const scopes = ['ingest', 'query', 'admin'] as const;
export type Scope = (typeof scopes)[number];

export interface Principal {
  /** Of the key; never the key itself. */
  name: string;
  scopes: ReadonlySet<Scope>;
  /** The systems it may touch; undefined: all of them. */
  systems: ReadonlySet<string> | undefined;
}

export const anyone: Principal = { name: 'anyone', scopes: new Set(scopes), systems: undefined };

declare module 'fastify' {
  interface FastifyRequest {
    readonly principal: Principal;
  }
}
