#!lua flags=allow-oom
-- The state of a consumer group, moved on by each member's call; only the server's clock counts.
-- KEYS: state hash, leases zset, metadata hash, joined set, assignments hash, links hash, instances hash
-- ARGV: verb, member, lease ms, rebalance ms, initial delay ms, payload...
--   payload: join: metadata[, instance, 1 to take it over] | beat: nothing, or the connection it beats over and how many ms it may be silent |
--   assign: generation, then member and assignment pairs | assignment: generation | gone: its link as it was read
-- Reply: join, leave, gone: generation, state, 1 if the member has joined it, leader | beat: the same, the links
--   of silent members by member, how many there are, and the time in ms | assign: 1 if it is stored | assignment: the assignment or nil |
--   members: generation, metadata by member, whose lease has lapsed, and the links of silent members by member
-- part: opening
-- An instance is a name that outlives a process: whoever takes it over has its former member forgotten, and that one
-- is told 'replaced' when it joins again.
-- A link is until when its member may be silent, and the connection that it beats over.
local STATE, LEASES, META, JOINED, ASSIGNMENTS, LINKS, INSTANCES = unpack(KEYS)
local LEFT_OUT = 1000 -- generations
local verb, member = ARGV[1], ARGV[2]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function text(number) return string.format('%.0f', number) end
local stored = redis.call('HMGET', STATE, 'state', 'generation', 'leader', 'rebalance', 'deadline')
local state, generation, leader = stored[1] or 'empty', tonumber(stored[2] or '0'), stored[3] or ''
local rebalance = tonumber(stored[4] or ARGV[4])
local deadline = tonumber(stored[5] or '0')

local function living() return redis.call('ZCARD', LEASES) end
local function is_member() return redis.call('ZSCORE', LEASES, member) end

local function enter(new) -- preparing and syncing have a deadline each
  state, deadline = new, now + rebalance
  redis.call('HSET', STATE, 'state', state, 'deadline', text(deadline))
end

local function prepare()
  if state == 'preparing' then return end
  enter('preparing')
  redis.call('HSET', STATE, 'earliest', '0')
  redis.call('DEL', JOINED)
end

local function forget(who)
  redis.call('ZREM', LEASES, who)
  redis.call('HDEL', META, who)
  redis.call('SREM', JOINED, who)
  redis.call('HDEL', LINKS, who)
  local instances = redis.call('HGETALL', INSTANCES)
  for at = 1, #instances, 2 do
    if instances[at + 1] == who then redis.call('HDEL', INSTANCES, instances[at]) end
  end
end

local function evict()
  local gone = redis.call('ZRANGEBYSCORE', LEASES, '-inf', text(now))
  if state == 'syncing' and now >= deadline then gone[#gone + 1] = leader end
  for _, who in ipairs(gone) do forget(who) end
  if #gone > 0 and state ~= 'empty' then prepare() end
  if state ~= 'empty' and living() == 0 then
    enter('empty')
    redis.call('DEL', JOINED)
  end
end

local function close_barrier()
  if state ~= 'preparing' then return end
  local joined = redis.call('SCARD', JOINED)
  if joined == 0 then return end
  local everyone = joined >= living() and now >= tonumber(redis.call('HGET', STATE, 'earliest'))
  if not everyone and now < deadline then return end
  for _, who in ipairs(redis.call('ZRANGE', LEASES, 0, -1)) do
    if redis.call('SISMEMBER', JOINED, who) == 0 then forget(who) end
  end
  if redis.call('SISMEMBER', JOINED, leader) == 0 then
    local all = redis.call('SMEMBERS', JOINED)
    table.sort(all)
    leader = all[1]
  end
  local run, before = server_run(), redis.call('HGET', STATE, 'run')
  -- a server that lost its last writes must not give a generation again that somebody may still claim to be of
  generation = generation + ((before and before ~= run) and LEFT_OUT or 1)
  -- nor may a group begin with 1 again whose server was emptied, and whose members do not know yet
  if not before then generation = math.max(generation, clock[1] * 1000000 + clock[2]) end
  redis.call('DEL', ASSIGNMENTS)
  redis.call('HSET', STATE, 'generation', text(generation), 'leader', leader, 'run', run)
  enter('syncing')
end

local function renew() redis.call('ZADD', LEASES, text(now + tonumber(ARGV[3])), member) end
local function silent()
  local found, links = {}, redis.call('HGETALL', LINKS)
  for at = 1, #links, 2 do
    if tonumber(string.match(links[at + 1], '^%d+')) <= now then
      found[#found + 1] = links[at]
      found[#found + 1] = links[at + 1]
    end
  end
  return found
end
local function remove()
  forget(member)
  if living() > 0 then prepare() end
  evict()
  close_barrier()
end
local function beat()
  return { generation, state, redis.call('SISMEMBER', JOINED, member), leader }
end

if verb == 'join' then
  if ARGV[7] then
    local holder = redis.call('HGET', INSTANCES, ARGV[7])
    if holder and holder ~= member then
      if ARGV[8] ~= '1' then return { generation, 'replaced', 0, leader } end
      forget(holder)
    end
    redis.call('HSET', INSTANCES, ARGV[7], member)
  end
  rebalance = tonumber(ARGV[4])
  redis.call('HSET', STATE, 'rebalance', ARGV[4])
  evict()
  local first = state == 'empty'
  prepare()
  if first then redis.call('HSET', STATE, 'earliest', text(now + tonumber(ARGV[5]))) end
  renew()
  redis.call('HSET', META, member, ARGV[6])
  redis.call('SADD', JOINED, member)
  close_barrier()
  return beat()
elseif verb == 'beat' then
  if is_member() then
    renew()
    if ARGV[6] then redis.call('HSET', LINKS, member, text(now + tonumber(ARGV[7])) .. ' ' .. ARGV[6]) end
  end
  evict()
  close_barrier()
  local reply = beat()
  reply[5], reply[6], reply[7] = silent(), living(), now
  return reply
elseif verb == 'leave' then
  if is_member() then remove() end
  return beat()
elseif verb == 'gone' then -- unless it has beaten since
  if redis.call('HGET', LINKS, member) == ARGV[6] then remove() end
  return beat()
elseif verb == 'assign' then
  if generation ~= tonumber(ARGV[6]) or leader ~= member then return 0 end
  if state == 'stable' then return 1 end -- the first assignment is kept
  if state ~= 'syncing' then return 0 end
  for at = 7, #ARGV, 2 do redis.call('HSET', ASSIGNMENTS, ARGV[at], ARGV[at + 1]) end
  redis.call('HSET', STATE, 'state', 'stable')
  return 1
elseif verb == 'members' then
  local lapsed = redis.call('ZRANGEBYSCORE', LEASES, '-inf', text(now))
  return { generation, redis.call('HGETALL', META), lapsed, silent() }
elseif verb == 'assignment' then
  if state ~= 'stable' or generation ~= tonumber(ARGV[6]) then return false end
  return redis.call('HGET', ASSIGNMENTS, member)
end
return redis.error_reply('unknown verb')
