--[[
Ends the purge of a system in one instant: deletes whatever can have been written since it began, and the record.
Refused where more was written meanwhile than the caller knows of, which the record or the hours of a day tell.

KEYS[1]  the system's record; the other keys are its key .. ':' .. suffix
ARGV[1]  epoch that the purge has given it    ARGV[2]  fields of the record as it was read
ARGV[3]  msgpack: { { suffix of the written hours of a day... }, { how many hours... }, { suffix to delete... } }
P        parameters, from scripts.ts

Returns  { 'done', keys deleted }, or with nothing deleted { 'changed' }, { 'epoch' }
]]
local root, epoch, fields = KEYS[1], ARGV[1], tonumber(ARGV[2])
local days, hours, suffixes = unpack(cmsgpack.unpack(ARGV[3]))
local call, prefix = redis.call, root .. ':'

if call('HGET', root, 'epoch') ~= epoch then return { 'epoch' } end
if call('HLEN', root) ~= fields then return { 'changed' } end
for i, day in ipairs(days) do
  if call('HLEN', prefix .. day) ~= hours[i] then return { 'changed' } end
end
for i = 1, #suffixes do suffixes[i] = prefix .. suffixes[i] end
local deleted = call('UNLINK', root)
for i = 1, #suffixes, P.slice do
  deleted = deleted + call('UNLINK', unpack(suffixes, i, math.min(i + P.slice - 1, #suffixes)))
end
return { 'done', deleted }
