--[[
Notes the next chunk of a claimed request whose body comes as a stream, before it is stored, and renews the lease.

KEYS[1]  the claim, see claim-request-1.lua
ARGV[1]  the caller's token    ARGV[2]  milliseconds of the lease
ARGV[3]  number of the chunk, from 0    ARGV[4]  digest of the body up to the end of the chunk

Returns  'ok', 'reused' (an earlier try brought other bytes) or 'lost' (the lease is somebody else's, or over and done)
]]
local claim, call = KEYS[1], redis.call
local token, lease_ms, chunk, digest = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]

local time = call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local found = call('HMGET', claim, 'token', 'chunk:' .. chunk)
if found[1] ~= token then return 'lost' end
if found[2] and found[2] ~= digest then return 'reused' end
call('HSET', claim, 'chunk:' .. chunk, digest, 'until', string.format('%.0f', now + lease_ms))
return 'ok'
