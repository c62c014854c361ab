/**
 * What is no HTTP request, or too large for one: Fastify never sees it, so its answer is written to the socket
 * here, as the same kind of problem, and the connection ends. A sender that is too slow is cut without an
 * answer: it will try again, while several would take a 408 for final.
 */
import type { Socket } from 'node:net';
import { Problem, problems } from '../errors.js';
import { problemBody } from './errors.js';

function toProblem(code: string | undefined): Problem | undefined {
  if (code === 'HPE_HEADER_OVERFLOW') {
    return new Problem('headers_too_large', 'the address and the headers must be shorter');
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT' || code === 'ECONNRESET') return undefined;
  return new Problem('request_invalid', 'this is not an HTTP request');
}

/** The handler of a server's `clientError`. */
export function answerClientErrors(randomId: () => string) {
  return (error: Error & { code?: string }, socket: Socket): void => {
    const problem = toProblem(error.code);
    if (problem && socket.writable) {
      const { status, title } = problems[problem.code];
      const body = problemBody(problem, randomId());
      const head = [
        `HTTP/1.1 ${status} ${title}`,
        'Content-Type: application/problem+json',
        `Content-Length: ${Buffer.byteLength(body)}`,
        'Connection: close',
      ];
      socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
    }
    socket.destroySoon();
  };
}
