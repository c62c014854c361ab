--[[
Ends a claimed request that is stored in full: keeps its answer, which every later try gets. What only the work was in
need of goes. It makes no difference who holds the lease: whoever has stored all may say so.

KEYS[1]  the claim, see claim-request-1.lua
ARGV[1]  the caller's token    ARGV[2]  milliseconds the answer is kept from now
ARGV[3]  form    ARGV[4]  digest of the body    ARGV[5]  how many chunks were noted
ARGV[6]  status    ARGV[7]  answer

Returns  { 'finished', 1 where the caller alone has ever worked on it, else 0 }
         { 'done', status, answer }   somebody else had finished it
         { 'reused' }                 an earlier try brought more chunks: another body
]]
local claim, call = KEYS[1], redis.call
local token, ttl, form, digest = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local chunks, status, answer = tonumber(ARGV[5]), ARGV[6], ARGV[7]

local found = call('HMGET', claim, 'status', 'answer', 'id', 'token', 'chunk:' .. chunks)
if found[1] then return { 'done', found[1], found[2] } end
if found[5] then return { 'reused' } end
call('HSET', claim, 'form', form, 'digest', digest, 'status', status, 'answer', answer)
call('HDEL', claim, 'id', 'at', 'cut', 'token', 'until')
for chunk = 0, chunks - 1 do call('HDEL', claim, 'chunk:' .. chunk) end
call('PEXPIRE', claim, ttl)
return { 'finished', found[3] == token and found[4] == token and 1 or 0 }
