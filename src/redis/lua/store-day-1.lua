--[[
Puts lists of a day, folded from its hours, in the place of those it has, and says at last what the day is now.
Refused where anything has happened since the hours were read that the lists do not know of. May be called for some
lists at a time: until the last call says what the day is, readers that see it changed go to its hours.

KEYS[1]  the system's record
ARGV[1]  suffix of the day's state    ARGV[2]  seconds it lives from now
ARGV[3]  fencing token    ARGV[4]  epoch    ARGV[5]  changes, as they were before the hours were read
ARGV[6]  msgpack: { tops, digests }
           tops     { suffix, overcounts' suffix, ttl, { item... }, { count... }, { item... }, { overcount... } }...
                    the floor is the overcount of the item ''
           digests  { suffix, ttl, blob }...
ARGV[7]  '' more lists follow, 'rolled', or 'sealed': the hours are not read again
ARGV[8]  epoch seconds: when to look at a rolled day again, or when all lists of a sealed one are gone
ARGV[9]  1 where some hours were gone already, else 0    ARGV[10]  now, epoch seconds
P        parameters, from scripts.ts

Returns  { 'ok' }, or with nothing stored { 'fenced', token in use }, { 'epoch' }, { 'changed' }, { 'sealed' }
]]
local root, call = KEYS[1], redis.call
local suffix, state_ttl, token = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local epoch, changes = ARGV[4], ARGV[5]
local tops, digests = unpack(cmsgpack.unpack(ARGV[6]))
local outcome, look_again, partial, now = ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local prefix, state = root .. ':', root .. ':' .. suffix

-- Names with their numbers as one list, the number first or last.
local function pairs_of(names, numbers, number_first)
  local list = {}
  for i, name in ipairs(names) do
    list[2 * i - 1], list[2 * i] = name, numbers[i]
    if number_first then list[2 * i - 1], list[2 * i] = numbers[i], name end
  end
  return list
end

local function fill(command, key, list, left)
  call('DEL', key)
  for i = 1, #list, P.slice do call(command, key, unpack(list, i, math.min(i + P.slice - 1, #list))) end
  if #list > 0 then call('PEXPIRE', key, left) end
end

-- What a key in the place of this one has left to live.
local function lifetime(key, ttl)
  local left = call('PTTL', key)
  return left > 0 and left or ttl * 1000
end

local seen = call('HMGET', state, 'token', 'changes', 'sealed')
if tonumber(seen[1] or 0) > token then return { 'fenced', tonumber(seen[1]) } end
if call('HGET', root, 'epoch') ~= epoch then return { 'epoch' } end
if seen[3] then
  call('HDEL', root, 'd:' .. suffix)
  return { 'sealed' }
end
if (seen[2] or '0') ~= changes then return { 'changed' } end

call('HSET', state, 'token', string.format('%.0f', token)) -- without memory this fails, before anything is deleted
call('EXPIRE', state, state_ttl)
for _, top in ipairs(tops) do
  local list, overs, ttl, items, counts, over_items, overcounts = unpack(top)
  local left = lifetime(prefix .. list, ttl)
  fill('ZADD', prefix .. list, pairs_of(items, counts, true), left)
  fill('HSET', prefix .. overs, pairs_of(over_items, overcounts, false), left)
end
for _, digest in ipairs(digests) do
  local list, ttl, blob = unpack(digest)
  fill('RPUSH', prefix .. list, { P.digest_header .. epoch, blob }, lifetime(prefix .. list, ttl))
end
if outcome ~= '' then
  call('HSET', state, 'rolled', changes, 'partial', partial)
  if outcome == 'sealed' then
    call('HSET', state, 'sealed', 1)
    call('ZREMRANGEBYSCORE', prefix .. P.sealed_suffix, '-inf', now)
    call('ZADD', prefix .. P.sealed_suffix, look_again, suffix)
    call('EXPIRE', prefix .. P.sealed_suffix, state_ttl)
    call('HDEL', root, 'd:' .. suffix)
  else
    call('HSET', root, 'd:' .. suffix, look_again)
  end
end
return { 'ok' }
