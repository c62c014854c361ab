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
  /** The same text for the same systems, without blanks; empty where it may touch all. */
  restriction: string;
}

export const anyone: Principal = {
  name: 'anyone',
  scopes: new Set(scopes),
  systems: undefined,
  restriction: '',
};

/** Who asks without a key where there are keys: what is open to all, and nothing else. */
export const nobody: Principal = {
  name: 'nobody',
  scopes: new Set(),
  systems: new Set(),
  restriction: 'nobody',
};

/** Whether a principal may send to a system and ask about it. */
export const mayTouch = ({ systems }: Principal, system: string): boolean =>
  systems === undefined || systems.has(system);

declare module 'fastify' {
  interface FastifyRequest {
    readonly principal: Principal;
  }
}
