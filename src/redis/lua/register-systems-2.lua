--[[
Notes systems and the time of their last event in the directory.

KEYS[1]  names: sorted set, every score 0, so that it can be paged by name
KEYS[2]  last: hash, system to epoch milliseconds of its latest event
ARGV[1]  seconds both live from now (they are in use as long as anything is written)
ARGV[2]  msgpack: { system, last event, system, last event... }

Returns  how many systems there are
]]
local names, last = KEYS[1], KEYS[2]
local ttl, entries = tonumber(ARGV[1]), cmsgpack.unpack(ARGV[2])

redis.call('ZCARD', names)
for i = 1, #entries, 2 do
  local known = tonumber(redis.call('HGET', last, entries[i]) or '-inf')
  if entries[i + 1] > known then
    if known == -math.huge then redis.call('ZADD', names, 0, entries[i]) end
    redis.call('HSET', last, entries[i], string.format('%.0f', entries[i + 1]))
  end
end
redis.call('EXPIRE', names, ttl)
redis.call('EXPIRE', last, ttl)
return redis.call('ZCARD', names)
