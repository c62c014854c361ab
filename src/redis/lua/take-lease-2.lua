--[[
Takes a lease, or renews it. Every taking gives out a larger fencing token than any before.

KEYS[1]  holder: the id of who holds the lease, gone when the lease has run out
KEYS[2]  token: the last one given out
ARGV[1]  id of who asks     ARGV[2]  milliseconds the lease lasts from now
ARGV[3]  seconds the token is kept from now
ARGV[4]  a token that was seen in use, or 0: one that is taken is larger, also where Redis has lost the last one

Returns  the token, 0 where somebody else holds the lease
]]
local holder, counter = KEYS[1], KEYS[2]
local id, lease_ms = ARGV[1], tonumber(ARGV[2])
local token_ttl, seen = tonumber(ARGV[3]), tonumber(ARGV[4])

local held = redis.call('GET', holder)
if held and held ~= id then return 0 end
local token = tonumber(redis.call('GET', counter) or 0)
if not held or token == 0 then token = math.max(token, seen) + 1 end
redis.call('SET', holder, id, 'PX', lease_ms)
redis.call('SET', counter, string.format('%.0f', token), 'EX', token_ttl)
return token
