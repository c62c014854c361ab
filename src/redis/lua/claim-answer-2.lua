--[[
Looks for the answer to a question; where there is none that will do, the caller becomes the one to compute it,
unless somebody else is at it.

KEYS[1]  the answer: hash of computed, fresh (both epoch milliseconds) and answer
KEYS[2]  the lock: the token of who computes it
ARGV[1]  the caller's token            ARGV[2]  milliseconds that its lock would live
ARGV[3]  now, epoch milliseconds       ARGV[4]  an answer computed at or before this is of no use to the caller

Returns  { 'fresh' | 'locked' | 'busy', milliseconds the lock has left, computed or -1, answer or '' }
         fresh: the answer will do; locked: the caller is to compute; busy: somebody else is, ask again.
         An answer that came after ARGV[4] is handed over in every case, so that it can go out though stale.
]]
local entry, lock = KEYS[1], KEYS[2]
local token, lock_ms = ARGV[1], tonumber(ARGV[2])
local now, newer_than = tonumber(ARGV[3]), tonumber(ARGV[4])

local times = redis.call('HMGET', entry, 'computed', 'fresh')
local computed, fresh = tonumber(times[1] or -1), tonumber(times[2] or -1)
local answer = computed > newer_than and redis.call('HGET', entry, 'answer') or ''

if answer ~= '' and fresh > now then return { 'fresh', 0, computed, answer } end
if redis.call('SET', lock, token, 'NX', 'PX', lock_ms) then return { 'locked', lock_ms, computed, answer } end
return { 'busy', redis.call('PTTL', lock), computed, answer }
