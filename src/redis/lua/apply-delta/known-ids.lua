-- Known ids: of the events of the last seconds, hashed, in a set for each slice of time in which they came (by the clock
-- of Redis, which all callers share). A part that brings one of them is not stored; else its ids are stored with it,
-- among the last writes, in the slot of the system: so they come, are replicated and are lost together.
-- A slice out of time is unlinked by whoever opens a new one, which frees it in the background; its TTL, a slice longer
-- than needed, is for systems that have fallen silent.

local function check_ids(prefix, ids)
  if not ids then return nil end
  local suffix, seconds, slice = unpack(heads[ids[1]])
  local time = tonumber(call('TIME')[1])
  local known = { prefix = prefix .. suffix, hashes = {}, places = {}, ttl = seconds + 2 * slice }
  known.first, known.now = math.floor((time - seconds) / slice), math.floor(time / slice)
  assert(#ids[2] > 0 and #ids[2] % P.id_hash_bytes == 0, 'ids are broken')
  for at = 1, #ids[2], P.id_hash_bytes do
    known.hashes[#known.hashes + 1] = ids[2]:sub(at, at + P.id_hash_bytes - 1)
  end
  -- The slice after this one too: the clock may have been put back.
  for number = known.first, known.now + 1 do
    local key = known.prefix .. number
    if call('EXISTS', key) == 1 then
      if number == known.now then known.is_open = true end
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
  local key = known.prefix .. known.now
  in_slices('SADD', key, known.hashes)
  if known.is_open then return end
  call('EXPIRE', key, known.ttl)
  call('UNLINK', known.prefix .. known.first - 1, known.prefix .. known.first - 2, known.prefix .. known.first - 3)
end
