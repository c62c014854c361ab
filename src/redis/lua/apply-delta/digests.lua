-- Digest lists: a header, then blobs that are only appended. One operation a list. The numeric keys of a system
-- are bounded; samples under others are dropped.

-- What is admitted, how many samples are not, the new fields of the record, and the lists that are full.
local function check_digests(prefix, operations, record)
  local found = { admitted = {}, dropped = 0, full = {}, numeric = record.numeric, new = {} }
  local seen = {}
  for _, op in ipairs(operations) do
    local head = heads[op[1]]
    local name, suffix, ttl = unpack(head)
    assert(type(op[3]) == 'string', 'a digest operation has no blob')
    expect_once(seen, suffix)
    if not record.names[name] and found.numeric < P.numeric_keys_max - 1 then
      found.numeric = found.numeric + 1
      record.names[name], found.new[#found.new + 1] = true, 'n:' .. name
    end
    if record.names[name] then
      local length = call('LLEN', prefix .. suffix)
      found.admitted[#found.admitted + 1] = { suffix = suffix, ttl = ttl + 0, length = length, blob = op[3], head = head }
      if length >= P.digest_elements_max then found.full[#found.full + 1] = suffix end
    else
      found.dropped = found.dropped + op[2]
    end
  end
  return found
end

-- Adds to the reply the lists that have grown long.
local function write_digests(prefix, admitted, epoch, reply)
  for _, list in ipairs(admitted) do
    local key, length = prefix .. list.suffix, nil
    if list.length == 0 then
      length = call('RPUSH', key, P.digest_header .. epoch, list.blob)
      call('EXPIRE', key, list.ttl)
    else
      length = call('RPUSH', key, list.blob)
    end
    if length > P.digest_fold_length then reply[#reply + 1], reply[#reply + 2] = list.suffix, length end
  end
end
