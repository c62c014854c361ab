--[[
Ends a try that failed, so that the next one need not wait for the end of its lease.

KEYS[1]  the claim, see claim-request-1.lua
ARGV[1]  the caller's token    ARGV[2]  1: forget the claim, since nothing was stored under it; 0: keep it

Returns  1, or 0 where the lease is not the caller's
]]
local claim, token, forget = KEYS[1], ARGV[1], ARGV[2]

if redis.call('HGET', claim, 'token') ~= token then return 0 end
if forget == '1' then
  redis.call('DEL', claim)
else
  redis.call('HDEL', claim, 'token', 'until')
end
return 1
