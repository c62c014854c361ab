/** Answers without the instant as of which they hold, to be compared with answers of another moment. */
const instants = new Set(['as_of', 'computed_at']);

/** The same body without that instant, wherever it stands. */
export const withoutAsOf = <Body>(body: Body): Body =>
  JSON.parse(JSON.stringify(body), (name, value) => (instants.has(name) ? undefined : value));
