"""Lua scripts of the stops of sessions, and of the organisations that created or control them."""

from __future__ import annotations

from wallet_rpc.ports.stops import MAX_SWITCHES

READ = """
local revoked, ending, paused, controllers, created = unpack(KEYS)
return {redis.call('SISMEMBER', revoked, ARGV[1]) + redis.call('SISMEMBER', revoked, '0'), redis.call('GET', ending),
  redis.call('HGET', paused, ARGV[1]), redis.call('HEXISTS', paused, '0'), redis.call('HGET', controllers, ARGV[1]),
  redis.call('GET', created)}
"""
"""Read the facts about an entity id; the id 0 stands for all sessions of the account."""

_LINES = """
local function lines_but(text, name)
  local lines = {}
  for line in string.gmatch(text or '', '[^\\n]+') do
    if string.sub(line, 1, #name + 1) ~= name .. ' ' then lines[#lines + 1] = line end
  end
  return lines
end
local function write(lines)
  if #lines == 0 then redis.call('HDEL', KEYS[1], ARGV[1]) else
    redis.call('HSET', KEYS[1], ARGV[1], table.concat(lines, '\\n'))
  end
end
"""
"""A field of lines that each begin with a name."""

SET_LINE = f"""
{_LINES}
local lines = lines_but(redis.call('HGET', KEYS[1], ARGV[1]), ARGV[2])
lines[#lines + 1] = ARGV[2] .. ' ' .. ARGV[3]
write(lines)
"""
"""Add a line to a field, in place of the one that begins with the same name."""

ADD_CREATION = """
local text, ends, entity_id = ARGV[1], ARGV[2], ARGV[3]
if ends == '' then redis.call('SET', KEYS[1], text) else redis.call('SET', KEYS[1], text, 'EXAT', ends) end
redis.call('ZADD', KEYS[2], ends == '' and '+inf' or ends, entity_id)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', redis.call('TIME')[1])
local latest = redis.call('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2]
if latest == 'inf' then
  redis.call('PERSIST', KEYS[2])
elseif latest then
  redis.call('EXPIREAT', KEYS[2], string.format('%.0f', tonumber(latest)))
end
"""
"""Record a creation, and its entity id among those of the account, until the creation ends."""

ADD_CONTROLLER = f"""
{_LINES}
local lines = lines_but(redis.call('HGET', KEYS[1], ARGV[1]), ARGV[2])
local digest, creator, rest = string.match(redis.call('GET', KEYS[2]) or '', '^(%x+) %x+ (%S+) (.*)$')
if digest == ARGV[4] then
  lines = lines_but(table.concat(lines, '\\n'), creator)
  if creator ~= ARGV[2] then lines[#lines + 1] = creator .. ' ' .. rest end
  redis.call('DEL', KEYS[2])
  redis.call('ZREM', KEYS[3], ARGV[1])
end
lines[#lines + 1] = ARGV[2] .. ' ' .. ARGV[3]
write(lines)
"""
"""Add a controller, and with it the creator if its grant is the one that was presented."""

REMOVE_LINE = f"""
{_LINES}
if ARGV[2] == '' then redis.call('HDEL', KEYS[1], ARGV[1]) else
  write(lines_but(redis.call('HGET', KEYS[1], ARGV[1]), ARGV[2]))
end
"""
"""Remove the line of a name from a field, or the whole field."""

SET_SWITCH = f"""
local stored = redis.call('HGET', KEYS[1], ARGV[1])
if stored and string.find(stored, ARGV[3], 1, true) then return stored end
if not stored and redis.call('HLEN', KEYS[1]) >= {MAX_SWITCHES} then return false end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return ARGV[2]
"""
"""Set a switch, unless the stored one revokes or there are too many; return the stored one."""

REMOVE_SWITCH = """
local stored = redis.call('HGET', KEYS[1], ARGV[1])
if stored and not string.find(stored, ARGV[2], 1, true) then redis.call('HDEL', KEYS[1], ARGV[1]) end
return stored
"""
"""Remove a switch unless it revokes; return the one that was stored."""
