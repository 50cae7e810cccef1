-- Append by place, all or none, within one slot.
-- KEYS: fence or any key of the slot, then per placement: stream, line, index, time index
-- ARGV: generation or '', then per placement: start, end, closes (0/1), key, count, values...
if ARGV[1] ~= '' then
  local owner = redis.call('GET', KEYS[1])
  if owner and tonumber(owner) > tonumber(ARGV[1]) then return {'FENCED', owner} end
end
local lines, plan = {}, {}
local at, key = 2, 2
while at <= #ARGV do
  local line = KEYS[key + 1]
  local state = lines[line]
  if not state then
    local stored = redis.call('HMGET', line, 'next', 'closed')
    state = { next = tonumber(stored[1] or '0'), closed = stored[2] == '1' }
    lines[line] = state
  end
  local first, last = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  local closes, count = ARGV[at + 2] == '1', tonumber(ARGV[at + 4])
  local stands
  if last > first then
    stands = last <= state.next
  else -- a bare end mark takes no position: it stands if the line went on, or is closed there
    stands = last < state.next or (state.closed and last == state.next)
  end
  if not stands then
    if state.closed then return {'CLOSED', line, state.next, first} end
    if first > state.next then return {'GAP', line, state.next, first} end
    if first < state.next then return {'OVERLAP', line, state.next, first} end
    state.next = last
    state.closed = closes
  end
  plan[#plan + 1] = { key = key, at = at, new = not stands, count = count }
  at = at + 5 + count
  key = key + 4
end
local clock = redis.call('TIME')
local now = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))
local written = {}
for i, step in ipairs(plan) do
  if step.new then
    local stream, line, index, times = KEYS[step.key], KEYS[step.key + 1], KEYS[step.key + 2], KEYS[step.key + 3]
    local from, to
    for v = 1, step.count do
      local id = redis.call('XADD', stream, '0-*', 't', now, 'k', ARGV[step.at + 3], 'v', ARGV[step.at + 4 + v])
      to = tonumber(string.sub(id, 3)) - 1
      from = from or to
    end
    redis.call('ZADD', index, ARGV[step.at], string.format('%d-%d', from, to))
    local newest = redis.call('ZREVRANGE', times, 0, 0, 'WITHSCORES')
    if not newest[2] or tonumber(now) >= tonumber(newest[2]) + 1000 then
      redis.call('ZADD', times, now, from)
    end
    redis.call('HSET', line, 'next', ARGV[step.at + 1], 'closed', ARGV[step.at + 2])
  end
  written[i] = step.new and 1 or 0
end
return {'OK', unpack(written)}
