/**
 * The system's own Chromium, driven by playwright-core. A page tells what it did beside what it shows: errors
 * of the console and the hosts it asked.
 */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium, type Page } from 'playwright-core';
import type { Test } from 'tap';
import { findProgram, installHint } from '../../src/redis/system-packages.js';
import './watch.js';

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Where the browser is; a browser's driver wants its path. */
function chromiumPath(): string {
  const name = findProgram('chromium')?.name;
  const folders = (process.env.PATH ?? '').split(delimiter);
  const file = name && folders.map((folder) => join(folder, name)).find(isExecutable);
  if (!file) throw new Error(`no Chromium found; to install it, ${installHint('chromium')}`);
  return file;
}

export interface OpenPage {
  page: Page;
  /** Errors of the console, and exceptions that nothing caught. */
  errors: string[];
  /** Hosts that were asked for anything, `host:port`. */
  hosts: Set<string>;
}

/** Opens an empty page in a browser that is closed with the test. */
export async function openPage(test: Pick<Test, 'teardown'>): Promise<OpenPage> {
  // Chromium's own sandbox needs rights that containers do not give; only this service's pages are loaded.
  const browser = await chromium.launch({ executablePath: chromiumPath(), args: ['--no-sandbox'] });
  test.teardown(() => browser.close());
  const page = await browser.newPage();
  const errors: string[] = [];
  const hosts = new Set<string>();
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('request', (request) => {
    const { protocol, host } = new URL(request.url());
    if (protocol !== 'data:' && protocol !== 'blob:') hosts.add(host);
  });
  return { page, errors, hosts };
}
