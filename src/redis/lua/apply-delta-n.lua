--[[
Adds a delta to the sketches of some systems, each system in isolation: what one holds that it should not fails
that system alone.

KEYS     the systems' records (hash: epoch, since, failed_logins: since when they are counted, numeric, n:<numeric key>,
         d:<suffix of a day's state>: when the rollups have to look at it); every other key of a system is the key of its record .. ':' .. suffix
ARGV[1]  now, epoch seconds
ARGV[2]  seconds a record lives from now
ARGV[3]  the delta, msgpack: { heads, { part of a system... } }, the parts in the order of KEYS. A head says where
         an operation goes; operations name it by its place. A part is { epoch that the caller's repeat filter
         relies on or '', epoch to give the system where it has none, distinct, membership, tops, digests,
         counters, written, frequency, marker, ids }, each of the seven before the marker a list of operations:
           distinct    { head, { value... } }         head: { suffix, ttl, suffix, ttl... }
           membership  { head, bloom keys }           head: { suffix, ttl }; keys of 12 bytes, end to end
           tops        { head, { item... }, { count... } }   head: { suffix, overcounts' suffix, ttl }
           digests     { head, samples, blob }        head: { numeric key, suffix, ttl }
           counters    { head, { field... }, { count... } }  head: { suffix, ttl }
           written     { head, { hour of day... } }   head: { suffix, ttl, suffix of the day's state }
           frequency   { head, records }              head: { suffix, ttl }; records of 12 bytes, end to end
         The marker may be absent or empty: { head, field, value or nothing }, head: { suffix, ttl } of a hash; see
         apply-delta/marker.lua. So may the ids: { head, hashes of 14 bytes, end to end }, head: { what begins the
         suffix, seconds that ids are known, seconds of a slice }; see apply-delta/known-ids.lua.
         Heads of tops and digests go on where the day of the hour is over, see apply-delta/late.lua.
         Of tops, digests, counters and frequency there is one operation a key; of the others there may be several.
P        parameters, from scripts.ts

Returns  for each system, in order, one of
         { 'ok', epoch, samples dropped, suffix, length... }  stored; the digest lists that want folding
         { 'done', value }     the marker is there: it was stored before, and nothing is stored now
         { 'known', place... } nothing stored: these of the ids, from 1 on, are known; send the rest without them. An id
                               may be named twice
         { 'epoch', epoch }    nothing stored: the epoch differs, send everything again under this one
         { 'fold', suffix... } nothing stored: these digest lists are full, fold them first
         { 'error', message }  nothing stored

or an error TRYAGAIN, on a cluster, where the call is about one system: nothing stored, its slot is being moved.

A script is isolated but does not roll back, so everything that can be wrong with a system is looked at before
its first write. A TTL is set where a key is created and never touched again, but for what is only noted:
the record and the states of days live from their last change on.
]]
local now, record_ttl = tonumber(ARGV[1]), tonumber(ARGV[2])
local heads, parts = unpack(cmsgpack.unpack(ARGV[3]))
local call = redis.call

--- @include apply-delta/checks.lua
--- @include apply-delta/hyperloglog.lua
--- @include apply-delta/bloom.lua
--- @include apply-delta/space-saving.lua
--- @include apply-delta/digests.lua
--- @include apply-delta/counters.lua
--- @include apply-delta/late.lua
--- @include apply-delta/count-min.lua
--- @include apply-delta/marker.lua
--- @include apply-delta/known-ids.lua

-- What the record of a system holds: its epoch, how many numeric keys it has, and which of those asked for.
local function read_record(root, digests)
  local fields, record = { 'epoch', 'numeric' }, { names = { [P.reserved_numeric_key] = true } }
  for _, op in ipairs(digests) do fields[#fields + 1] = 'n:' .. heads[op[1]][1] end
  local found = call('HMGET', root, unpack(fields))
  record.epoch, record.numeric = found[1], tonumber(found[2] or 0)
  for i, op in ipairs(digests) do
    if found[i + 2] then record.names[heads[op[1]][1]] = true end
  end
  return record
end

local function begin_record(root, epoch)
  call('HSET', root, 'epoch', epoch, 'since', now, 'failed_logins', now)
  call('EXPIRE', root, record_ttl)
end

-- Whether an error says that a key is on another node: on a cluster, while the system's slot is being moved.
local function is_elsewhere(message)
  return message:find('access a non local key', 1, true) or message:find('undeclared keys were accessed', 1, true)
end

local function apply(root, part)
  local believed, fresh, distinct, membership, tops, digests, counters, written, frequency, marker, ids = unpack(part)
  local prefix = root .. ':'
  local mark = check_marker(prefix, marker)
  if mark and mark.is_there then return { 'done', mark.found } end
  local known = check_ids(prefix, ids)
  if known and #known.places > 0 then return { 'known', unpack(known.places) } end
  local record = read_record(root, digests)
  if believed ~= '' and record.epoch ~= believed then
    if not record.epoch then begin_record(root, fresh) end
    return { 'epoch', record.epoch or fresh }
  end

  local days = check_late(prefix, { tops, digests })
  tops = with_sealed_tops(tops, days)
  local sets, filters = check_distinct(prefix, distinct), check_membership(prefix, membership)
  local lists, found = check_tops(prefix, tops), check_digests(prefix, digests, record)
  admit_to_sealed(prefix, found, days)
  local hashes, hours = check_counters(prefix, counters), check_written(prefix, written)
  local sketches = check_frequency(prefix, frequency)
  if #found.full > 0 then return { 'fold', unpack(found.full) } end

  local epoch = record.epoch or fresh
  local reply = { 'ok', epoch, found.dropped }
  if not record.epoch then begin_record(root, epoch) end
  if #found.new > 0 then
    for _, field in ipairs(found.new) do call('HSET', root, field, 1) end
    call('HSET', root, 'numeric', found.numeric)
  end
  write_distinct(prefix, distinct, sets)
  write_membership(prefix, membership, filters)
  write_tops(tops, lists)
  write_digests(prefix, found.admitted, epoch, reply)
  write_counters(counters, hashes)
  write_written(root, written, hours)
  mark_late(root, days)
  write_frequency(frequency, sketches)
  if #written > 0 then call('EXPIRE', root, record_ttl) end
  write_ids(known)
  write_marker(mark)
  return reply
end

local replies = {}
for i, root in ipairs(KEYS) do
  local stored, reply = pcall(apply, root, parts[i])
  if not stored and type(reply) == 'table' then reply = reply.err end
  if not stored and is_elsewhere(reply) then return redis.error_reply('TRYAGAIN ' .. reply) end
  replies[i] = stored and reply or { 'error', reply }
end
return replies
