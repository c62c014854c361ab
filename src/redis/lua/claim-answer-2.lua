--[[
Looks for the answer to a question; where there is none that will do, the caller becomes the one to compute it,
unless another process is computing it. All times are those of Redis, epoch milliseconds: the clocks of processes differ.

KEYS[1]  the answer: hash of computed, fresh (until when it is) and answer
KEYS[2]  the lock: the token of who computes it
ARGV[1]  the caller's token
ARGV[2]  milliseconds that its lock would live; 0: it computes beside others and takes none
ARGV[3]  an answer computed at or before this is of no use to the caller; 'now': only one that begins after this call

Returns  { 'fresh' | 'locked' | 'busy' | 'apart', now, computed or -1, answer or '' }
         fresh: the answer will do; locked: the caller is to compute; busy: another process is computing it, ask again;
         apart: the caller is to compute and holds no lock.
         An answer that came after ARGV[3] is handed over in every case, so that it can go out though stale. One that
         was computed after now has no age (the clock went back) and is as good as none.
]]
local entry, lock = KEYS[1], KEYS[2]
local token, lock_ms = ARGV[1], tonumber(ARGV[2])

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local newer_than = ARGV[3] == 'now' and now or tonumber(ARGV[3])

local times = redis.call('HMGET', entry, 'computed', 'fresh')
local computed, fresh = tonumber(times[1] or -1), tonumber(times[2] or -1)
if computed > now then computed = -1 end
local answer = computed > newer_than and redis.call('HGET', entry, 'answer') or ''

if answer ~= '' and fresh > now then return { 'fresh', now, computed, answer } end
if lock_ms == 0 then return { 'apart', now, computed, answer } end
if redis.call('SET', lock, token, 'NX', 'PX', lock_ms) then return { 'locked', now, computed, answer } end
return { 'busy', now, computed, answer }
