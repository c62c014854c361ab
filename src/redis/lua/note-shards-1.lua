--[[
Notes over how many shards systems are spread, and drops what was noted and is over. A note stays for as long as
something may be there that was written under it.

KEYS[1]  notes: sorted set, `<shards>:<system>` to the epoch seconds from when its shards have no key any more
ARGV[1]  now, epoch seconds   ARGV[2]  the same of these notes   ARGV[3]  msgpack: { note... }

Returns  1
]]
local notes = KEYS[1]
local now, until_then, used = tonumber(ARGV[1]), tonumber(ARGV[2]), cmsgpack.unpack(ARGV[3])

redis.call('ZREMRANGEBYSCORE', notes, '-inf', now)
for _, note in ipairs(used) do redis.call('ZADD', notes, 'GT', until_then, note) end
if #used > 0 and redis.call('TTL', notes) < until_then - now then redis.call('EXPIRE', notes, until_then - now) end
return 1
