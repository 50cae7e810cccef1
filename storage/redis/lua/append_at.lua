-- Append at positions within one slot: every batch is judged, in order, before the first is written.
-- KEYS: epochs, fence (or any key of the slot), then per batch: stream, scope, index, time index
-- ARGV: generation or '', the run of the server that the writer knows or '', together (0/1), then per batch: name in its scope, start, end, last (0/1),
--   by start (0/1), continues (0/1), key, count, values...
-- Reply: OK and for each the offset after its last entry, 0 where it is already stored | FENCED and the owner |
--   RESTARTED | FOREIGN and the stream | GAP, OVERLAP, CLOSED or FORGOTTEN, the batch's number from 0, and where its sequence ends
-- part: opening
local FIELDS = 8 -- of a batch in ARGV, before its values
if ARGV[1] ~= '' then
  local owner = redis.call('GET', KEYS[2])
  if owner and tonumber(owner) > tonumber(ARGV[1]) then return { 'FENCED', owner } end
end

local run = server_run()
if ARGV[2] ~= '' and ARGV[2] ~= run then return { 'RESTARTED' } end

local ends, begun = {}, {}

local function ending_of(scope, name)
  local which = scope .. '|' .. name
  if not ends[which] then
    local stored = redis.call('HMGET', scope, name, 'forgotten')
    local state = stored[1] or '0' -- '12', or '12.' once closed
    ends[which] = {
      next = tonumber(string.match(state, '%d+')),
      closed = string.sub(state, -1) == '.',
      known = stored[1] and true or false,
      forgotten = stored[2] and true or false,
    }
  end
  return ends[which]
end

local function is_stored(first, last, by_start, ending)
  if first == last then -- a bare end mark takes no position, so it needs one after it, or a closed sequence
    return first < ending.next or (ending.closed and first == ending.next)
  elseif by_start then
    return first < ending.next
  end
  return last <= ending.next
end

local function refusal_of(scope, ending, first, continues)
  if ending.forgotten then return 'FORGOTTEN' end
  if continues and not ending.known and not begun[scope] and redis.call('EXISTS', scope) == 0 then
    return 'FORGOTTEN'
  end
  if ending.closed then return 'CLOSED' end
  if first > ending.next then return 'GAP' end
  if first < ending.next then return 'OVERLAP' end
end

local plan = {}
local at, key = 4, 3
while at <= #ARGV do
  local scope = KEYS[key + 1]
  local ending = ending_of(scope, ARGV[at])
  local first, last, count = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 7])
  local stored = is_stored(first, last, ARGV[at + 4] == '1', ending)
  if not stored then
    local refusal = refusal_of(scope, ending, first, ARGV[at + 5] == '1')
    if refusal then return { refusal, #plan, string.format('%.0f', ending.next) } end
    ending.next = last
    ending.closed = ARGV[at + 3] == '1'
    begun[scope] = true
  end
  plan[#plan + 1] = { key = key, at = at, new = not stored, count = count }
  at = at + FIELDS + count
  key = key + 4
end

if ARGV[3] == '1' then -- new ones beside stored ones were made from a state that is past
  for i, step in ipairs(plan) do
    if step.new ~= plan[1].new then
      local old = plan[step.new and 1 or i]
      local stored = redis.call('HGET', KEYS[old.key + 1], ARGV[old.at])
      return { 'OVERLAP', (step.new and 1 or i) - 1, string.match(stored, '%d+') }
    end
  end
end

local clock = redis.call('TIME')
local now_ms = clock[1] * 1000 + math.floor(clock[2] / 1000)
local now = string.format('%.0f', now_ms)

local clean = {} -- streams without ids other than 0-n; after such an id, ours would be refused
for _, step in ipairs(plan) do
  local stream = KEYS[step.key]
  if step.new and not clean[stream] then
    if redis.call('XRANGE', stream, '1', '+', 'COUNT', 1)[1] then return { 'FOREIGN', stream } end
    clean[stream] = true
    opened(KEYS[1], string.match(ARGV[step.at], '^[^:]+'), stream, run)
  end
end

local function write(step)
  local stream, at = KEYS[step.key], step.at
  for v = at + FIELDS, at + FIELDS - 1 + step.count do
    local id = redis.pcall('XADD', stream, '0-*', 't', now, 'k', ARGV[at + 6], 'v', ARGV[v])
    if type(id) == 'table' then return id end
    step.last = tonumber(string.sub(id, 3))
    step.first = step.first or step.last
  end
end

local function unwrite()
  for _, step in ipairs(plan) do
    for number = step.first or 1, step.last or 0 do
      redis.call('XDEL', KEYS[step.key], '0-' .. string.format('%.0f', number))
    end
  end
end

for _, step in ipairs(plan) do
  local failed = step.new and write(step)
  if failed then -- a foreign id that was deleted is still the stream's last: leave no half of a batch
    unwrite()
    if string.find(failed.err, 'target stream top item', 1, true) then return { 'FOREIGN', KEYS[step.key] } end
    return failed
  end
end

local reply, indexed = { 'OK' }, {}
for i, step in ipairs(plan) do
  if step.new then
    local scope, index, times = KEYS[step.key + 1], KEYS[step.key + 2], KEYS[step.key + 3]
    local name = ARGV[step.at]
    redis.call('HSET', scope, name, ARGV[step.at + 2] .. (ARGV[step.at + 3] == '1' and '.' or ''))
    redis.call('ZADD', index, 0, string.format(
      '%s|%016.0f|%.0f-%.0f', name, tonumber(ARGV[step.at + 1]), step.first - 1, step.last - 1))
    if not indexed[times] then -- all entries of one call have one time: the first one is enough
      indexed[times] = true
      local newest = redis.call('ZREVRANGE', times, 0, 0, 'WITHSCORES')
      if not newest[2] or now_ms >= tonumber(newest[2]) + 1000 then
        redis.call('ZADD', times, now, string.format('%.0f', step.first - 1))
      end
    end
  end
  reply[i + 1] = step.new and (step.last or -1) or 0
end
return reply
