--[[
Notes over how many shards systems are spread, and drops what was noted and is over. A note stays for as long as
something may be there that was written under it, by the clock of Redis, which all callers share.

KEYS[1]  notes: sorted set, `<shards>:<system>` to the epoch seconds from when its shards have no key any more
ARGV[1]  seconds these notes live from now     ARGV[2]  msgpack: { note... }

Returns  1
]]
local notes = KEYS[1]
local seconds, used = tonumber(ARGV[1]), cmsgpack.unpack(ARGV[2])
local now = tonumber(redis.call('TIME')[1])

redis.call('ZREMRANGEBYSCORE', notes, '-inf', now)
for _, note in ipairs(used) do redis.call('ZADD', notes, 'GT', now + seconds, note) end
if #used > 0 and redis.call('TTL', notes) < seconds then redis.call('EXPIRE', notes, seconds) end
return 1
