--[[
Deletes keys of a system that is being purged. A top list and its overcounts go together, so that neither is ever
read with what belongs to another life of the other. The hours written of a day that the record notes stay: from them
finish-purge knows what was written since the purge began.

KEYS[1]  the system's record; the other keys are its key .. ':' .. suffix
ARGV[1]  epoch that the purge has given it    the others: suffixes

Returns  how many keys were deleted, -1 where the epoch is another one
]]
local root, epoch, call = KEYS[1], ARGV[1], redis.call

if call('HGET', root, 'epoch') ~= epoch then return -1 end
local deleted = 0
for i = 2, #ARGV do
  local kind, rest = ARGV[i]:match('^(%a+)(:.*)$')
  local other = kind == 'top' and 'over' or kind == 'over' and 'top'
  if other then
    deleted = deleted + call('UNLINK', root .. ':' .. ARGV[i], root .. ':' .. other .. rest)
  elseif kind ~= 'written' or call('HEXISTS', root, 'd:roll' .. rest) == 0 then
    deleted = deleted + call('UNLINK', root .. ':' .. ARGV[i])
  end
end
return deleted
