/**
 * Screens: each asks all its questions at once, as a browser does, then again after some seconds whether or not the
 * answers have come. They begin evenly spread, since autocannon would ask for a second's worth at its start.
 */
import { Agent, get } from 'node:http';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { ranksOf } from '../results/statistics.js';
import type { Shot } from './cannon.js';

interface Wall {
  screens: number;
  everySeconds: number;
  seconds: number;
  /** Addresses of what a screen asks, by its number. */
  questionsOf: (screen: number) => string[];
  /** Told of every answer with 2xx. */
  note?: (ms: number) => void;
}

/** Whether the answer was a 2xx and came whole. */
function isAnswered(url: string, agent: Agent): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get(url, { agent }, (answer) => {
      const status = answer.statusCode ?? 0;
      answer.resume();
      answer.on('end', () => resolve(status >= 200 && status < 300));
      answer.on('error', () => resolve(false));
    });
    request.on('error', () => resolve(false));
  });
}

/** Lets a wall of screens ask for some seconds. Latencies are in milliseconds. */
export async function lookAtScreens(wall: Wall): Promise<Shot> {
  const { screens, everySeconds, seconds, questionsOf, note } = wall;
  const agent = new Agent({ keepAlive: true, maxSockets: screens });
  const times: number[] = [];
  let failures = 0;

  async function ask(url: string): Promise<void> {
    const start = performance.now();
    if (!(await isAnswered(url, agent))) {
      failures++;
      return;
    }
    const ms = performance.now() - start;
    times.push(ms);
    note?.(ms);
  }

  async function look(screen: number): Promise<void> {
    const urls = questionsOf(screen);
    const asked: Promise<void>[] = [];
    for (let at = (screen / screens) * everySeconds; at < seconds; at += everySeconds) {
      await pause(start + at * 1_000 - performance.now());
      asked.push(...urls.map(ask));
    }
    await Promise.all(asked);
  }

  const start = performance.now();
  await Promise.all(Array.from({ length: screens }, (_, screen) => look(screen)));
  const took = Math.max(seconds, (performance.now() - start) / 1_000);
  agent.destroy();
  return {
    requests: times.length / took,
    ...ranksOf(times),
    failures,
    seconds: took,
  };
}
