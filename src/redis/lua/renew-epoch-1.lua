--[[
Gives a system a new epoch, so that no process believes anything to be written any more: whatever is written from
now on comes in full. A record that is begun anew knows no day and no numeric key but those written since.

KEYS[1]  the system's record
ARGV[1]  epoch    ARGV[2]  now, epoch seconds    ARGV[3]  seconds the record lives from now
ARGV[4]  seconds for which its days are not to be folded from now on, by the clock of Redis, 0: they may be
ARGV[5]  1 where the record begins anew, 0 where the rest of it stays

Returns  1
]]
local root, epoch, now, ttl = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local unfolded, anew = tonumber(ARGV[4]), ARGV[5] == '1'
local until_then = unfolded > 0 and tonumber(redis.call('TIME')[1]) + unfolded or 0

if anew then
  redis.call('DEL', root)
  redis.call('HSET', root, 'failed_logins', now)
end
redis.call('HSETNX', root, 'since', now)
redis.call('HSET', root, 'epoch', epoch, 'purging', until_then)
redis.call('EXPIRE', root, ttl)
return 1
