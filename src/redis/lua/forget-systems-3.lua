--[[
Takes systems out of the directory, and notes that they were purged, so that no process puts one back of which it
only believes that it is there.

KEYS[1]  names: sorted set     KEYS[2]  last: hash
KEYS[3]  purged: sorted set, system to when it was purged, microseconds, larger than all before
ARGV[1]  seconds the notes live from now     ARGV[2]  how many notes are kept     ARGV[3]  msgpack: { system... }

Returns  how many systems were in the directory
]]
local names, last, purged = KEYS[1], KEYS[2], KEYS[3]
local ttl, notes_max, systems = tonumber(ARGV[1]), tonumber(ARGV[2]), cmsgpack.unpack(ARGV[3])

local time = redis.call('TIME')
local latest = redis.call('ZREVRANGE', purged, 0, 0, 'WITHSCORES')
local at = math.max(time[1] * 1000000 + time[2], tonumber(latest[2] or 0) + 1)
local found = 0
for _, system in ipairs(systems) do
  found = found + redis.call('ZREM', names, system)
  redis.call('HDEL', last, system)
  redis.call('ZADD', purged, string.format('%.0f', at), system)
end
redis.call('ZREMRANGEBYRANK', purged, 0, -notes_max - 1)
redis.call('EXPIRE', purged, ttl)
return found
