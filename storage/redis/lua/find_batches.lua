-- Find a sequence's batches in a range of positions, and send their entries where they are few.
-- KEYS: stream, sequence, index   ARGV: start, end or '', most entries or '', few
-- Reply: batches, entries. Per batch, in order, its offsets as 'first-last'; a batch with no entry
--   left is left out. With a limit: whole batches while they have no more entries than that, and at
--   least one. Entries are theirs, as XRANGE replies, or none where they are more than few.
local stream, sequence, index = KEYS[1], KEYS[2], KEYS[3]
local start, stop, most, few = tonumber(ARGV[1]), ARGV[2], ARGV[3], tonumber(ARGV[4])

-- batches follow one another, so the last one that starts at or before the range may reach into it
local from = redis.call('ZCOUNT', index, '-inf', ARGV[1]) - 1
local ending = tonumber(redis.call('HGET', sequence, 'next') or '0')
if from < 0 then
  from = 0
elseif start >= ending then -- only a bare end mark is found at its own position
  local found = redis.call('ZRANGE', index, from, from, 'WITHSCORES')
  if tonumber(found[2]) ~= start then return {{}, {}} end
end
local to = stop == '' and redis.call('ZCARD', index) - 1 or redis.call('ZCOUNT', index, '-inf', '(' .. stop) - 1
if from > to then return {{}, {}} end

local function id_of(offset)
  return '0-' .. string.format('%.0f', tonumber(offset) + 1)
end

local function is_held(rank) -- entries are trimmed from the first on: the last one tells
  local member = redis.call('ZRANGE', index, rank, rank)[1]
  local id = id_of(string.match(member, '%d+$'))
  return redis.call('XRANGE', stream, id, id)[1] ~= nil
end

if not is_held(from) then
  local gone, held = from, to + 1
  while held - gone > 1 do
    local middle = math.floor((gone + held) / 2)
    if is_held(middle) then held = middle else gone = middle end
  end
  if held > to then return {{}, {}} end
  from = held
end

local function with_entries(batches)
  local sent, count = {}, 0
  if #batches > few then return {batches, sent} end
  for _, member in ipairs(batches) do
    local first, last = string.match(member, '(%d+)-(%d+)')
    count = count + tonumber(last) - tonumber(first) + 1
  end
  if count > few then return {batches, sent} end
  for _, member in ipairs(batches) do
    local first, last = string.match(member, '(%d+)-(%d+)')
    for _, entry in ipairs(redis.call('XRANGE', stream, id_of(first), id_of(last))) do
      sent[#sent + 1] = entry
    end
  end
  return {batches, sent}
end

if most == '' then return with_entries(redis.call('ZRANGE', index, from, to)) end
most = tonumber(most)
local found, entries = {}, 0
for _, member in ipairs(redis.call('ZRANGE', index, from, math.min(to, from + math.max(most, 1) - 1))) do
  local first, last = string.match(member, '(%d+)-(%d+)')
  entries = entries + tonumber(last) - tonumber(first) + 1
  if #found > 0 and entries > most then break end
  found[#found + 1] = member
end
return with_entries(found)
