/**
 * A Redis that speaks TLS, under a certificate of its own for localhost that nobody trusts who is not told to. The key
 * is public, and good for this alone.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startRedis, type TestRedis } from './redis-server.js';
import { freePort } from './replication.js';

const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBmjCCAUGgAwIBAgIUX2+BvADXg+9WV6JLj9QmhqJQ9cUwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMjAwMDI1MloYDzIxMjYxMDI5
MDAwMjUyWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQnr89O6pA03ONuw/PbZ+ghnvHgYqlNcFUKdb2ogULppjYCt/QcKlia
FDP3IaBnbr4Yhjh48LYVvh3Y9kreTXDeo28wbTAdBgNVHQ4EFgQU1mmirT77SzGV
PUk5rt+7NjD3W6EwHwYDVR0jBBgwFoAU1mmirT77SzGVPUk5rt+7NjD3W6EwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDRwAwRAIgA764ykvJEmnc6CU8CB6pBGkBTuYOiFHKt8zixQ1SbUsCIB9z
Im3ECxDyJ8Wyf3tgvJ100ifnbanQDenmHNUYo7v5
-----END CERTIFICATE-----
`;
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgfTcjc2VA94AegcmD
fUzvJMNTDUkAlYPOG8KujXo3QbChRANCAAQnr89O6pA03ONuw/PbZ+ghnvHgYqlN
cFUKdb2ogULppjYCt/QcKliaFDP3IaBnbr4Yhjh48LYVvh3Y9kreTXDe
-----END PRIVATE KEY-----
`;

/** `url`: over TLS; `certificate`: the file of the one to be trusted. */
export async function startTlsRedis(): Promise<TestRedis & { certificate: string }> {
  const dir = mkdtempSync(join(tmpdir(), 'pt-tls-'));
  const certificate = join(dir, 'certificate.pem');
  const key = join(dir, 'key.pem');
  writeFileSync(certificate, CERTIFICATE);
  writeFileSync(key, KEY, { mode: 0o600 });
  const port = await freePort();
  const own = ['--tls-cert-file', certificate, '--tls-key-file', key, '--tls-auth-clients', 'no'];
  const redis = await startRedis(['--tls-port', String(port), '--bind', '127.0.0.1', ...own]);
  return {
    ...redis,
    url: `rediss://localhost:${port}`,
    certificate,
    async stop() {
      await redis.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
