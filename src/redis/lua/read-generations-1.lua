--[[
How often answers were invalidated, if that has changed since the caller asked last.

KEYS[1]  the generations: hash of base (another one in each life of the hash), total and a counter for each field
ARGV[1]  base for a new hash        ARGV[2]  base and total that the caller knows, with a dot between
ARGV[3]  seconds the hash lives from now

Returns  { field, value... } of the whole hash; {} where the caller knows it
]]
local key, base, known, ttl = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])

if redis.call('HSETNX', key, 'base', base) == 1 then redis.call('HSET', key, 'total', 0) end
redis.call('EXPIRE', key, ttl)
local now = redis.call('HMGET', key, 'base', 'total')
if now[1] .. '.' .. now[2] == known then return {} end
return redis.call('HGETALL', key)
