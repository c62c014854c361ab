--[[
Invalidates answers by raising counters. Where the hash would have too many, it begins anew under another base,
which invalidates everything.

KEYS[1]  the generations: hash of base, total and a counter for each field
ARGV[1]  base for a new hash             ARGV[2]  seconds the hash lives from now
ARGV[3]  how many fields it may have     ARGV[4]  msgpack: { field... } to raise

Returns  { field, value... } of the whole hash
]]
local key, base, ttl = KEYS[1], ARGV[1], tonumber(ARGV[2])
local fields_max, fields = tonumber(ARGV[3]), cmsgpack.unpack(ARGV[4])

if redis.call('HLEN', key) + #fields > fields_max then redis.call('DEL', key) end
redis.call('HSETNX', key, 'base', base)
redis.call('HINCRBY', key, 'total', 1)
for _, field in ipairs(fields) do redis.call('HINCRBY', key, field, 1) end
redis.call('EXPIRE', key, ttl)
return redis.call('HGETALL', key)
