--[[
Notes over how many shards systems are spread, and tells what was noted and still counts. A note stays for as long as
something may be there that was written under it, so it is renewed while it is in use, once an hour.

KEYS[1]  notes: sorted set, `<shards>:<system>` to the epoch seconds from when its shards have no key any more
ARGV[1]  now, epoch seconds   ARGV[2]  seconds that what is written now may live   ARGV[3]  msgpack: { note... }

Returns  { note... }
]]
local notes = KEYS[1]
local now, ttl, used = tonumber(ARGV[1]), tonumber(ARGV[2]), cmsgpack.unpack(ARGV[3])
local renewed_seconds = 3600
local until_then = now + ttl + renewed_seconds

-- Nothing is written where nothing changes: that a server takes no writes is for events to find out.
if redis.call('ZCOUNT', notes, '-inf', now) > 0 then redis.call('ZREMRANGEBYSCORE', notes, '-inf', now) end
local is_renewed = false
for _, note in ipairs(used) do
  if tonumber(redis.call('ZSCORE', notes, note) or 0) < until_then - renewed_seconds then
    redis.call('ZADD', notes, until_then, note)
    is_renewed = true
  end
end
if is_renewed and redis.call('TTL', notes) < ttl + renewed_seconds then
  redis.call('EXPIRE', notes, ttl + renewed_seconds)
end
return redis.call('ZRANGE', notes, 0, -1)
