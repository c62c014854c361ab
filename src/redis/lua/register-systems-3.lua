--[[
Notes systems and the time of their last event in the directory, but for those that were purged since the caller
looked: he does not know yet whether they have any event.

KEYS[1]  names: sorted set, every score 0, so that it can be paged by name
KEYS[2]  last: hash, system to epoch milliseconds of its latest event
KEYS[3]  purged: sorted set, system to when it was purged
ARGV[1]  seconds the first two live from now (they are in use as long as anything is written)
ARGV[2]  msgpack: { system, last event, system, last event... }
ARGV[3]  the latest purge that the caller knows

Returns  how many systems there are
]]
local names, last, purged = KEYS[1], KEYS[2], KEYS[3]
local ttl, entries, known_purge = tonumber(ARGV[1]), cmsgpack.unpack(ARGV[2]), tonumber(ARGV[3])

local any_purged = redis.call('EXISTS', purged) == 1
redis.call('ZCARD', names)
for i = 1, #entries, 2 do
  local known = tonumber(redis.call('HGET', last, entries[i]) or '-inf')
  local purge = any_purged and tonumber(redis.call('ZSCORE', purged, entries[i]) or '') or 0
  if purge <= known_purge and entries[i + 1] > known then
    if known == -math.huge then redis.call('ZADD', names, 0, entries[i]) end
    redis.call('HSET', last, entries[i], string.format('%.0f', entries[i + 1]))
  end
end
redis.call('EXPIRE', names, ttl)
redis.call('EXPIRE', last, ttl)
return redis.call('ZCARD', names)
