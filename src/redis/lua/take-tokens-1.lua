--[[
Pays from a token bucket for what was spent already, and takes more, all of it or nothing.

KEYS[1]  bucket: the instant at which it is full again, in microseconds; gone when it is full
ARGV[1]  tokens a second            ARGV[2]  tokens in a full bucket
ARGV[3]  tokens that were spent: paid in any case, so the bucket may come to owe some
ARGV[4]  tokens wanted, or 0. More than a full bucket holds are given from a full one, which then owes the rest

Returns  { 1 where what was wanted was given, else 0; tokens that are left, below 0 where some are owed }

The time is that of Redis, so that processes whose clocks differ agree.
]]
local bucket = KEYS[1]
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local spent, wanted = tonumber(ARGV[3]), tonumber(ARGV[4])

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local full_at = tonumber(redis.call('GET', bucket) or '0')
local tokens = burst - spent
if full_at > now then tokens = tokens - (full_at - now) * rate / 1000000 end

local given = 0
if tokens >= math.min(wanted, burst) then
  tokens = tokens - wanted
  given = 1
end
if spent > 0 or (given == 1 and wanted > 0) then
  local wait = math.ceil((burst - tokens) * 1000000 / rate)
  redis.call('SET', bucket, string.format('%.0f', now + wait), 'PX', math.ceil(wait / 1000) + 1)
end
return { given, string.format('%.3f', tokens) }
