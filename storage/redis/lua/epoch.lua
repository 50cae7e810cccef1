#!lua flags=allow-oom
-- Tell what of a stream was lost since an earlier run of the server.
-- KEYS: epochs hash, stream   ARGV: topic, that run, or '' for none, and when it was met, in the server's ms
-- Reply: the present run, and the first offset whose entry may be another one now, -1 for none
-- part: opening
local run, since, since_ms, lost = server_run(), ARGV[2], tonumber(ARGV[3]), -1
local epochs = opened(KEYS[1], ARGV[1], KEYS[2], run)
if since == '' then return { run, -1 } end
for epoch in string.gmatch(epochs, '%S+') do
  local its_run, offset, noted_ms = string.match(epoch, '(%x+):(%d+):(%d+)')
  -- the note of that run may be lost, too: those before it are older
  if its_run == since or (its_run ~= run and tonumber(noted_ms) < since_ms) then break end
  lost = lost < 0 and tonumber(offset) or math.min(lost, tonumber(offset))
end
return { run, lost }
