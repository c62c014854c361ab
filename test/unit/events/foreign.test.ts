/** What a body or file that is no JSON looks like. */
import { brotliCompressSync, gzipSync } from 'node:zlib';
import t from 'tap';
import { foreignFormat, foreignLines } from '../../../src/events/formats/foreign.js';

const seen: [start: string | Buffer, name: RegExp][] = [
  [gzipSync('x'), /gzip/],
  [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0]), /zstd/],
  ['PK\x03\x04\x14\0', /ZIP/],
  ['ElfFile\0\0\0', /EVTX/],
  [Buffer.from('{"a":1}', 'utf16le'), /UTF-16/],
  [Buffer.from('\ufeff{"a":1}', 'utf16le'), /UTF-16/],
  [Buffer.from('\ufeff{"a":1}', 'utf16le').swap16(), /UTF-16/],
  ['192.0.2.1 - frank [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 2326\n', /an nginx access log/],
  ['\n\n2001:db8::1 - - [10/Oct/2026:13:55:36 +0000] "GET / HTTP/2.0" 200 0 "-" "x"', /an nginx access log/],
  ['2026/01/31 13:37:00 [error] 12#12: *1 open() failed', /an nginx error log/],
  ['Jan  3 13:37:00 host sshd[12]: Failed password for root', /syslog/],
  ['<34>Oct 11 22:14:15 mymachine su: failed', /syslog/],
  ['<165>1 2026-10-11T22:14:15.003Z host app 1 ID47 - text', /syslog/],
  ['2026-01-31T13:37:00.123456+01:00 host systemd[1]: Started', /syslog/],
  ['CEF:0|Vendor|Product|1.0|100|name|5|src=192.0.2.1', /CEF/],
  ['#Software: Microsoft Internet Information Services 10.0', /W3C/],
  ['<?xml version="1.0"?>', /XML/],
  ['<Event xmlns="x">', /XML/],
  ['time,user,ip\n1,2,3', /CSV/],
  ['"time";"user";"ip"\n', /CSV/],
  ['time\tuser\tip\n', /tab-separated/],
  ['level=info msg="user logged in" user=alice', /logfmt/],
  ["{'event_type': 'user_login'}", /single quotes/],
];

t.test('a format is told by its first bytes or its first line', async (t) => {
  for (const [start, name] of seen) {
    const bytes = Buffer.from(start as string);
    t.match(foreignFormat(bytes)?.name, name, bytes.toString().slice(0, 40));
    t.match(foreignLines(bytes)?.name, name);
  }
});

t.test('what is none of them is not guessed at', async (t) => {
  for (const start of [
    '',
    'nonsense',
    '{"event_type":"user_',
    '[2026-01-31 13:37:00] INFO started',
    '{bad',
    '42',
  ]) {
    t.equal(foreignLines(Buffer.from(start)), undefined, start);
  }
  t.equal(foreignFormat(brotliCompressSync('x'.repeat(100))), undefined, 'Brotli has no magic');
});

t.test('JSON over several lines is told from a line that is cut short', async (t) => {
  for (const start of ['[\n', '[{"a":1},\n', '{\n', ' {"events": [', '\ufeff[\r\n']) {
    t.match(foreignLines(Buffer.from(start)), { isOpaque: true, name: /several lines/ }, start);
  }
  t.equal(foreignLines(Buffer.from('{"event_type":"custom",\n')), undefined);
});
