-- Find a sequence's batches in a range of positions, without sending any entry.
-- KEYS: stream, sequence, index   ARGV: start, end or '', most entries or ''
-- Reply: per batch, in order, its offsets as 'first-last'; a batch with no entry left is left out.
--   With a limit: whole batches while they have no more entries than that, and at least one.
local stream, sequence, index = KEYS[1], KEYS[2], KEYS[3]
local start, stop, most = tonumber(ARGV[1]), ARGV[2], ARGV[3]

-- batches follow one another, so the last one that starts at or before the range may reach into it
local from = redis.call('ZCOUNT', index, '-inf', ARGV[1]) - 1
local ending = tonumber(redis.call('HGET', sequence, 'next') or '0')
if from < 0 then
  from = 0
elseif start >= ending then -- only a bare end mark is found at its own position
  local found = redis.call('ZRANGE', index, from, from, 'WITHSCORES')
  if tonumber(found[2]) ~= start then return {} end
end
local to = stop == '' and redis.call('ZCARD', index) - 1 or redis.call('ZCOUNT', index, '-inf', '(' .. stop) - 1
if from > to then return {} end

local function is_held(rank) -- entries are trimmed from the first on: the last one tells
  local member = redis.call('ZRANGE', index, rank, rank)[1]
  local id = '0-' .. string.format('%.0f', tonumber(string.match(member, '%d+$')) + 1)
  return redis.call('XRANGE', stream, id, id)[1] ~= nil
end

if not is_held(from) then
  local gone, held = from, to + 1
  while held - gone > 1 do
    local middle = math.floor((gone + held) / 2)
    if is_held(middle) then held = middle else gone = middle end
  end
  if held > to then return {} end
  from = held
end

if most == '' then return redis.call('ZRANGE', index, from, to) end
most = tonumber(most)
local reply, entries = {}, 0
for _, member in ipairs(redis.call('ZRANGE', index, from, math.min(to, from + math.max(most, 1) - 1))) do
  local first, last = string.match(member, '(%d+)-(%d+)')
  entries = entries + tonumber(last) - tonumber(first) + 1
  if #reply > 0 and entries > most then break end
  reply[#reply + 1] = member
end
return reply
