-- Markers: a part of a request with an idempotency key leaves one when all of it is stored, as the last write, and
-- a part whose marker is there is stored no second time. They live in the slot of the system, so that part and marker
-- come, are replicated and are lost together.

local function check_marker(prefix, marker)
  if not marker or #marker == 0 then return nil end
  local suffix, ttl = unpack(heads[marker[1]])
  local mark = { key = prefix .. suffix, ttl = ttl + 0, field = marker[2], value = marker[3] or '' }
  assert(type(mark.field) == 'string' and mark.field ~= '', 'a marker has no field')
  mark.found = call('HGET', mark.key, mark.field)
  mark.is_there = mark.found ~= false
  mark.is_first = not mark.is_there and call('EXISTS', mark.key) == 0
  return mark
end

local function write_marker(mark)
  if not mark then return end
  call('HSET', mark.key, mark.field, mark.value)
  if mark.is_first then call('EXPIRE', mark.key, mark.ttl) end
end
