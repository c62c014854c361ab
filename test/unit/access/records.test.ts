/** Records of keys: what is wrong with one ends in a message that names it. */
import t from 'tap';
import { parseKeyFile } from '../../../src/access/key-file.js';
import {
  keySystemsMax,
  keysMax,
  principalOf,
  readRecords,
  refuseTwins,
} from '../../../src/access/records.js';
import { makeKey } from '../../support/keys.js';

const { record } = makeKey({ name: 'shipper', scopes: ['ingest'], systems: ['crm', 'erp'] });
const fileOf = (value: unknown) => JSON.stringify(value);

t.test('a record that is right comes back as it is', async (t) => {
  const other = makeKey({ expires: '2027-01-31T00:00:00Z' }).record;
  t.strictSame(readRecords([record, other]), [record, other]);
  t.strictSame(parseKeyFile(fileOf({ version: 1, keys: [record] })), [record]);
  t.strictSame(parseKeyFile(fileOf({ version: 1, keys: [] })), []);
  const withMark = `\ufeff${fileOf({ version: 1, keys: [record] })}`;
  t.strictSame(parseKeyFile(withMark), [record], 'with a byte order mark');
});

t.test('a record that is wrong is named, with what is wrong', async (t) => {
  const { sha256: _, ...withoutHash } = record;
  const wrong: [entry: unknown, message: RegExp][] = [
    [null, /^key 2: /],
    ['shipper', /^key 2: /],
    [{ ...record, system: 'crm' }, /^key 2 \("shipper"\): \/system is not a field/],
    [withoutHash, /^key 2 \("shipper"\): .*sha256/],
    [{ ...record, sha256: record.sha256.toUpperCase() }, /\/sha256 /],
    [{ ...record, name: 'two words' }, /^key 2 \("two words"\): \/name /],
    [{ ...record, name: '' }, /\/name /],
    [{ ...record, name: 'x'.repeat(65) }, /\/name /],
    [{ ...record, name: 'anyone' }, /\/name is reserved/],
    [{ ...record, name: 'nobody' }, /\/name is reserved/],
    [{ ...record, scopes: ['read'] }, /\/scopes\/0 /],
    [{ ...record, scopes: ['query', 'query'] }, /\/scopes /],
    [{ ...record, scopes: 'query' }, /\/scopes /],
    [{ ...record, systems: [] }, /\/systems /],
    [{ ...record, systems: 'crm' }, /\/systems /],
    [{ ...record, systems: ['*'] }, /\/systems must not hold "\*"/],
    [{ ...record, systems: Array.from({ length: keySystemsMax + 1 }, String) }, /\/systems /],
    [{ ...record, scopes: ['admin'] }, /\/systems cannot go with the scope admin/],
    [{ ...record, created: 'yesterday' }, /\/created must be RFC 3339/],
    [{ ...record, expires: '2027-01-31' }, /\/expires must be RFC 3339/],
    [{ ...record, expires: null }, /\/expires /],
  ];
  const first = makeKey().record;
  for (const [entry, message] of wrong)
    t.throws(() => readRecords([first, entry]), { message }, `${message}`);
});

t.test('a list is a list, and not too long', async (t) => {
  for (const value of [undefined, null, {}, 'x']) {
    t.throws(() => readRecords(value), { message: 'the keys must be a list' });
  }
  const many = Array.from({ length: keysMax + 1 }, () => record);
  t.throws(() => readRecords(many), { message: /more than 1000 keys/ });
});

t.test('two records never share a name or a key', async (t) => {
  const other = makeKey().record;
  t.throws(() => refuseTwins([record, { ...other, name: record.name }]), { message: /same name/ });
  t.throws(() => refuseTwins([record, { ...other, sha256: record.sha256 }]), { message: /same sha256/ });
  t.doesNotThrow(() => refuseTwins([record, other]));
});

t.test('a file of another form or version is refused, and never quoted', async (t) => {
  for (const [text, message] of [
    ['', /^it is not JSON$/],
    ['{"secret', /^it is not JSON$/],
    ['[]', /must be an object/],
    ['null', /must be an object/],
    [fileOf({ version: 2, keys: [] }), /version must be 1/],
    [fileOf({ keys: [] }), /version must be 1/],
    [fileOf({ version: 1 }), /keys must be a list/],
    [fileOf({ version: 1, keys: [], key: 1 }), /unknown member "key"/],
    [fileOf({ version: 1, keys: [record, record] }), /same name/],
  ] as const) {
    t.throws(() => parseKeyFile(text), { message }, text);
  }
});

t.test('restrictions are the same text for the same systems, and for no others', async (t) => {
  const of = (systems?: string[]) => principalOf({ ...record, systems }).restriction;
  t.equal(of(['crm', 'erp']), of(['erp', 'crm']));
  t.equal(of(), '');
  const all = [of(), of(['crm']), of(['crm', 'erp']), of(['crm,erp']), of(['crm"', '"erp']), of(['erp'])];
  t.equal(new Set(all).size, all.length);
  t.notMatch(all.join(''), /\s/);
});
