-- The state of a consumer group, moved on by each member's call; clocks are the server's alone.
-- KEYS: state hash, leases zset, metadata hash, joined set, assignments hash
-- ARGV: verb, member, lease ms, rebalance ms, initial delay ms, payload...
local STATE, LEASES, META, JOINED, PLAN = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local verb, member = ARGV[1], ARGV[2]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function get(field) return redis.call('HGET', STATE, field) end
local function set(field, value) redis.call('HSET', STATE, field, value) end
local state = get('state') or 'empty'
local generation = tonumber(get('generation') or '0')

local function prepare(delay)
  if state ~= 'preparing' then
    state = 'preparing'
    set('state', state)
    redis.call('DEL', JOINED)
    set('deadline', string.format('%.0f', now + delay))
    set('earliest', '0')
  end
end

local function forget(who)
  redis.call('ZREM', LEASES, who)
  redis.call('HDEL', META, who)
  redis.call('SREM', JOINED, who)
end

local function evict()
  local lapsed = redis.call('ZRANGEBYSCORE', LEASES, '-inf', string.format('%.0f', now))
  for _, who in ipairs(lapsed) do forget(who) end
  if #lapsed > 0 and (state == 'stable' or state == 'syncing') then prepare(tonumber(ARGV[4])) end
  if redis.call('ZCARD', LEASES) == 0 and state ~= 'empty' then
    state = 'empty'
    set('state', state)
    redis.call('DEL', JOINED)
  end
end

local function close_barrier()
  if state ~= 'preparing' then return end
  local joined, living = redis.call('SCARD', JOINED), redis.call('ZCARD', LEASES)
  if joined == 0 then return end
  local deadline = tonumber(get('deadline') or '0')
  local earliest = tonumber(get('earliest') or '0')
  if (joined >= living and now >= earliest) or now >= deadline then
    for _, who in ipairs(redis.call('ZRANGE', LEASES, 0, -1)) do
      if redis.call('SISMEMBER', JOINED, who) == 0 then forget(who) end
    end
    generation = generation + 1
    state = 'syncing'
    set('state', state)
    set('generation', generation)
    redis.call('DEL', PLAN)
    local leader = get('leader')
    if not leader or redis.call('SISMEMBER', JOINED, leader) == 0 then
      local all = redis.call('SMEMBERS', JOINED)
      table.sort(all)
      set('leader', all[1])
    end
  end
end

local function renew() redis.call('ZADD', LEASES, string.format('%.0f', now + tonumber(ARGV[3])), member) end

local function answer()
  local joined = redis.call('SISMEMBER', JOINED, member)
  return { generation, state, joined, get('leader') or '' }
end

if verb == 'join' then
  evict()
  local empty = state == 'empty'
  prepare(tonumber(ARGV[4]))
  if empty then set('earliest', string.format('%.0f', now + tonumber(ARGV[5]))) end
  renew()
  redis.call('HSET', META, member, ARGV[6])
  redis.call('SADD', JOINED, member)
  close_barrier()
  return answer()
elseif verb == 'beat' then
  if redis.call('ZSCORE', LEASES, member) then renew() end
  evict()
  close_barrier()
  if not redis.call('ZSCORE', LEASES, member) then return { generation, state, 0, get('leader') or '' } end
  return answer()
elseif verb == 'leave' then
  if redis.call('ZSCORE', LEASES, member) then
    forget(member)
    if state == 'stable' or state == 'syncing' then prepare(tonumber(ARGV[4])) end
    evict()
    close_barrier()
  end
  return answer()
elseif verb == 'assign' then
  if state ~= 'syncing' or generation ~= tonumber(ARGV[6]) or get('leader') ~= member then return 0 end
  for at = 7, #ARGV, 2 do redis.call('HSET', PLAN, ARGV[at], ARGV[at + 1]) end
  set('state', 'stable')
  return 1
elseif verb == 'members' then
  return { generation, redis.call('HGETALL', META) }
elseif verb == 'assignment' then
  if state ~= 'stable' or generation ~= tonumber(ARGV[6]) then return false end
  return redis.call('HGET', PLAN, member)
end
return redis.error_reply('unknown verb')
