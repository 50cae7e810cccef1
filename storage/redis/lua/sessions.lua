#!lua flags=allow-oom
-- The index of sessions: by time, by owner, and what is kept of each.
-- KEYS: all (sorted set by creation), of the owner (the same), facts of the session (hash), totals
--   (hash), totals of the owner (the same), to be removed (set); the caller names the owner that
--   it found before
-- ARGV: verb, session, then  add: creation ms or '', owner | count: field, bytes
--   | end: ms | ask_removal, remove: nothing
-- Reply: 1 if something changed, else 0
local ALL, OWNED, FACTS, REMOVING = KEYS[1], KEYS[2], KEYS[3], KEYS[6]
local verb, name = ARGV[1], ARGV[2]

local function total(field, change)
  redis.call('HINCRBY', KEYS[4], field, change)
  if redis.call('HINCRBY', KEYS[5], field, change) == 0 and field == 'sessions' then redis.call('DEL', KEYS[5]) end
end

if verb == 'add' then
  if redis.call('EXISTS', FACTS) == 1 then return 0 end
  local created = ARGV[3]
  if created == '' then
    local clock = redis.call('TIME')
    created = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))
  end
  redis.call('ZADD', ALL, created, name)
  redis.call('ZADD', OWNED, created, name)
  redis.call('HSET', FACTS, 'created_ms', created, 'owner', ARGV[4])
  total('sessions', 1)
  return 1
end

if redis.call('EXISTS', FACTS) == 0 then return 0 end
if verb == 'count' then
  redis.call('HINCRBY', FACTS, ARGV[3], ARGV[4])
  total(ARGV[3], ARGV[4])
elseif verb == 'end' then
  redis.call('HSET', FACTS, 'ended_ms', ARGV[3])
elseif verb == 'ask_removal' then
  redis.call('HSET', FACTS, 'removing', 1)
  redis.call('SADD', REMOVING, name)
elseif verb == 'remove' then
  for _, kind in ipairs({ 'media_bytes', 'archive_bytes' }) do
    total(kind, 0 - tonumber(redis.call('HGET', FACTS, kind) or '0')) -- Redis 7.0 takes no -0
  end
  total('sessions', -1)
  redis.call('ZREM', ALL, name)
  redis.call('ZREM', OWNED, name)
  redis.call('SREM', REMOVING, name)
  redis.call('DEL', FACTS)
else
  return redis.error_reply('unknown verb')
end
return 1
