--[[
Claims a request that carries an idempotency key, for the caller to carry out under a lease; or tells what has become
of it. The lease is by the clock of Redis, which all callers share.

KEYS[1]  the claim: hash of form, digest, at, cut and id, as the first caller gave them (id: his token); token and
         until (epoch milliseconds) of the lease; chunk:<number>, see note-chunk-1.lua; status and answer at the end
ARGV[1]  the caller's token, nobody else's    ARGV[2]  milliseconds of the lease
ARGV[3]  milliseconds the claim lives from now, where it is new
ARGV[4]  form, what else than the body makes the request    ARGV[5]  digest of the body, '' where it is not known yet
ARGV[6]  at, epoch milliseconds    ARGV[7]  cut

Returns  { 'new' | 'taken_over', id, at, cut }   the caller is to carry it out, with these
         { 'in_flight' }                         somebody else is at it
         { 'reused' }                            the key belongs to another request
         { 'replayed', digest, status, answer }  it is finished
]]
local claim, call = KEYS[1], redis.call
local token, lease_ms, ttl = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local form, digest, at, cut = ARGV[4], ARGV[5], ARGV[6], ARGV[7]

local time = call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local lease = { 'token', token, 'until', string.format('%.0f', now + lease_ms) }

local found = call('HMGET', claim, 'form', 'digest', 'status', 'answer', 'until', 'id', 'at', 'cut')
if not found[1] then
  call('HSET', claim, 'form', form, 'digest', digest, 'at', at, 'cut', cut, 'id', token, unpack(lease))
  call('PEXPIRE', claim, ttl)
  return { 'new', token, at, cut }
end
if found[1] ~= form or (digest ~= '' and found[2] ~= digest) then return { 'reused' } end
if found[3] then return { 'replayed', found[2], found[3], found[4] } end
if tonumber(found[5] or 0) > now then return { 'in_flight' } end
call('HSET', claim, unpack(lease))
return { 'taken_over', found[6], found[7], found[8] }
