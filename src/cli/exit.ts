/**
 * How a command ends. Scripts decide by the exit status, so it is one table; and the two ways to fail that a
 * person can act on are errors of their own, printed as one line without a stack.
 */
export const exitStatus = {
  done: 0,
  /** Some rows were refused, or an SLA is not met. */
  negative: 1,
  /** Wrong use, an input that cannot be read, or a question that the service does not take or about no such system. */
  usage: 2,
  /** The service cannot be reached or failed. */
  service: 3,
  interrupted: 130,
  terminated: 143,
} as const;

export type ExitStatus = (typeof exitStatus)[keyof typeof exitStatus];

/** A reason to stop, with the status to end with. */
export class Failure extends Error {
  constructor(
    readonly status: ExitStatus,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export const usageFailure = (message: string) => new Failure(exitStatus.usage, message);
export const serviceFailure = (message: string) => new Failure(exitStatus.service, message);
