-- Known ids: of the events of the last seconds, hashed, in a set for each slice of time in which they came (by the clock
-- of Redis, which all callers share). A part that brings one of them is not stored; else its ids are stored with it,
-- among the last writes, in the slot of the system: so they come, are replicated and are lost together.
-- A slice out of time is unlinked by whoever opens a new one, which frees it in the background; its TTL, one slice more
-- than needed, is for systems that have fallen silent. So of those, three at most can be there.

local function check_ids(prefix, ids)
  if not ids then return nil end
  local suffix, seconds, slice = unpack(heads[ids[1]])
  local time = tonumber(call('TIME')[1])
  local known = { hashes = {}, places = {}, stale = {}, ttl = seconds + 2 * slice }
  local first, now = math.floor((time - seconds) / slice), math.floor(time / slice)
  known.key = prefix .. suffix .. now
  known.is_open = call('EXISTS', known.key) == 1
  assert(#ids[2] > 0 and #ids[2] % P.id_hash_bytes == 0, 'ids are broken')
  for at = 1, #ids[2], P.id_hash_bytes do
    known.hashes[#known.hashes + 1] = ids[2]:sub(at, at + P.id_hash_bytes - 1)
  end
  -- The slice after this one too: the clock may have been put back.
  for number = known.is_open and first or first - 3, now + 1 do
    local key = prefix .. suffix .. number
    local is_there = call('EXISTS', key) == 1
    if is_there and number < first then
      known.stale[#known.stale + 1] = key
    elseif is_there then
      local found = in_slices('SMISMEMBER', key, known.hashes)
      for place = 1, #found do
        if found[place] == 1 then known.places[#known.places + 1] = place end
      end
    end
  end
  return known
end

local function write_ids(known)
  if not known then return end
  in_slices('SADD', known.key, known.hashes)
  if not known.is_open then call('EXPIRE', known.key, known.ttl) end
  if #known.stale > 0 then call('UNLINK', unpack(known.stale)) end
end
