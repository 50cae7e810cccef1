-- Find a sequence's batches in a range of positions, and send their entries where they are few.
-- KEYS: stream, scope, index   ARGV: name in its scope, start, end or '', most entries or '', few
-- Reply: OK, batches, entries | TRIMMED and the first position stored, or where the sequence ends; 0
--   of a forgotten scope.
--   Per batch, in order, its offsets as 'first-last'. With a limit: whole batches while they have no
--   more entries than that, and at least one. Entries are theirs, as XRANGE replies, or none where
--   they are more than few.
local stream, scope, index, name = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
local start, stop, most, few = tonumber(ARGV[2]), ARGV[3], ARGV[4], tonumber(ARGV[5])

local function before(position) -- how many batches of the scope come before that position
  return redis.call('ZLEXCOUNT', index, '-', string.format('(%s|%016.0f', name, position))
end

local function start_of(rank)
  local member = redis.call('ZRANGE', index, rank, rank)[1]
  return string.format('%.0f', tonumber(string.sub(member, #name + 2, #name + 17)))
end

local function offsets_in(member)
  return string.match(member, '(%d+)-(%d+)$')
end

local function id_of(offset)
  return '0-' .. string.format('%.0f', tonumber(offset) + 1)
end

local stored = redis.call('HMGET', scope, name, 'forgotten')
if stored[2] then return { 'TRIMMED', '0' } end
local state = stored[1] or '0'
local ending, closed = string.match(state, '%d+'), string.sub(state, -1) == '.'
local low = redis.call('ZLEXCOUNT', index, '-', '(' .. name .. '|')
local high = redis.call('ZLEXCOUNT', index, '-', '(' .. name .. '}') -- the character after '|'

-- batches follow one another, so the last one that starts at or before the range may reach into it
local from = before(start + 1) - 1
if start >= tonumber(ending) then -- only a bare end mark is found at its own position
  if from < low or start_of(from) ~= string.format('%.0f', start) then
    -- which may be archived, as all before it then is
    if closed and low == high and string.format('%.0f', start) == ending then return { 'TRIMMED', ending } end
    return { 'OK', {}, {} }
  end
elseif from < low then
  return { 'TRIMMED', low < high and start_of(low) or ending }
end
local to = stop == '' and high - 1 or before(tonumber(stop)) - 1
if from > to then return { 'OK', {}, {} } end

local function is_held(rank) -- entries are trimmed from the first on: the first one tells
  local id = id_of((offsets_in(redis.call('ZRANGE', index, rank, rank)[1])))
  return redis.call('XRANGE', stream, id, id)[1] ~= nil
end

if not is_held(from) then
  local gone, held = from, high
  while held - gone > 1 do
    local middle = math.floor((gone + held) / 2)
    if is_held(middle) then held = middle else gone = middle end
  end
  return { 'TRIMMED', held < high and start_of(held) or ending }
end

local found, entries = {}, 0
local last_rank = most == '' and to or math.min(to, from + math.max(tonumber(most), 1) - 1)
for _, member in ipairs(redis.call('ZRANGE', index, from, last_rank)) do
  local first, last = offsets_in(member)
  entries = entries + tonumber(last) - tonumber(first) + 1
  if most ~= '' and #found > 0 and entries > tonumber(most) then break end
  found[#found + 1] = first .. '-' .. last
end

local sent = {}
if #found > few then return { 'OK', found, sent } end
local count = 0
for _, batch in ipairs(found) do
  local first, last = offsets_in(batch)
  count = count + tonumber(last) - tonumber(first) + 1
end
if count > few then return { 'OK', found, sent } end
for _, batch in ipairs(found) do
  local first, last = offsets_in(batch)
  for _, entry in ipairs(redis.call('XRANGE', stream, id_of(first), id_of(last))) do
    sent[#sent + 1] = entry
  end
end
return { 'OK', found, sent }
