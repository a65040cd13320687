"""Lua scripts of the undo log. They use keys of several slots, so they run on a single Redis only.

The log of snapshot N of a chain has three sets of keys that were changed after it. `N:had` are those that existed, each
with its value under `N:copy:` and its name, and `N:new` those that did not. `N:members` are those of which only some
members are state of the chain, whether they existed or not.
"""

from __future__ import annotations

from wallet_rpc.adapters.redis_session_index import INDEX_LIBRARY

SAVE = """
local log = ARGV[1]
for at, key in ipairs(KEYS) do
  local is_saved = false
  for _, group in ipairs({'had', 'new', 'members'}) do
    is_saved = is_saved or redis.call('SISMEMBER', log .. group, key) == 1
  end
  if not is_saved then
    local has_value = redis.call('COPY', key, log .. 'copy:' .. key) == 1
    redis.call('SADD', log .. (ARGV[1 + at] == 'members' and 'members' or has_value and 'had' or 'new'), key)
  end
end
"""
"""Save the values of keys before their first change after a snapshot."""

ROWS = """
local rows = {}
for at, key in ipairs(KEYS) do
  local kind, values = redis.call('TYPE', key).ok, {}
  if kind == 'string' then values = {redis.call('GET', key)}
  elseif kind == 'hash' then values = redis.call('HGETALL', key)
  elseif kind == 'list' then values = redis.call('LRANGE', key, 0, -1)
  elseif kind == 'set' then values = redis.call('SMEMBERS', key)
  elseif kind == 'zset' then values = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') end
  local left, time = redis.call('PTTL', key), redis.call('TIME')
  local ends = left < 0 and '' or string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) + left)
  rows[at] = {kind, ends, values}
end
return rows
"""
"""Return the type, the end in milliseconds (empty: none) and the values of each key."""

STAGE = """
local kind, ends, key = ARGV[1], ARGV[2], KEYS[1]
redis.call('DEL', key)
for at = 3, #ARGV, (kind == 'hash' or kind == 'zset') and 2 or 1 do
  if kind == 'string' then redis.call('SET', key, ARGV[at])
  elseif kind == 'hash' then redis.call('HSET', key, ARGV[at], ARGV[at + 1])
  elseif kind == 'list' then redis.call('RPUSH', key, ARGV[at])
  elseif kind == 'set' then redis.call('SADD', key, ARGV[at])
  else redis.call('ZADD', key, ARGV[at + 1], ARGV[at]) end
end
if ends ~= '' then redis.call('PEXPIREAT', key, ends) end
"""
"""Write the values that `ROWS` returned."""

RESTORE = f"""
{INDEX_LIBRARY}
local base, chain, applied, mode = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local chain_bytes = struct.pack('>I8', tonumber(chain))
local belongs, unsigned = {{}}, nil
function belongs.approvals(member) return string.match(member, '^%d+:(%d+):') == chain end
function belongs.stops(member) return string.sub(member, 21, 28) == chain_bytes end
function belongs.events(member) return string.sub(member, 1, #chain + 1) == chain .. ':' end
function belongs.holder(member) return unsigned[member] end
local function is_indexed_here(entry) return string.sub(entry, 41, 48) == chain_bytes end
local function run_on_all(command, members, key)
  for at = 1, #members, 1000 do
    local part = {{unpack(members, at, math.min(at + 999, #members))}}
    if key then redis.call(command, key, unpack(part)) else redis.call(command, unpack(part)) end
  end
end
local function read(key)
  local kind, members, flat = redis.call('TYPE', key).ok, {{}}, {{}}
  if kind == 'hash' then flat = redis.call('HGETALL', key)
  elseif kind == 'zset' then flat = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') end
  for at = 1, #flat, 2 do members[flat[at]] = flat[at + 1] end
  return members, kind
end
local function merge(key, copy, is_here)
  local now, kind = read(key)
  local before, kind_before = read(copy)
  local is_hash = kind == 'hash' or kind_before == 'hash'
  local removed = {{}}
  for member in pairs(now) do
    if before[member] == nil and is_here(member) then removed[#removed + 1] = member end
  end
  run_on_all(is_hash and 'HDEL' or 'ZREM', removed, key)
  for member, value in pairs(before) do
    if now[member] ~= value and is_here(member) then
      if is_hash then redis.call('HSET', key, member, value) else redis.call('ZADD', key, value, member) end
    end
  end
  local left = redis.call('PTTL', copy)
  if kind == 'none' and left > 0 then redis.call('PEXPIRE', key, left) end
end
local function number_at(entry, first) return string.format('%.0f', (struct.unpack('>I8', entry, first))) end
local function restore_index(key, copies)
  prefix = string.sub(key, 1, -1 - #'entries')
  entries, tags = key, prefix .. 'tags'
  local now, tags_now, before, tags_before = read(entries), read(tags), read(copies .. entries), read(copies .. tags)
  local function is_same(id) return now[id] == before[id] and tags_now[id] == tags_before[id] end
  local removed, ids = {{}}, {{}}
  for id, entry in pairs(now) do
    if is_indexed_here(entry) and not is_same(id) then
      ids[#ids + 1] = id
      local sets = sets_of(entry)
      if tags_now[id] then for _, tag in ipairs(cjson.decode(tags_now[id])) do sets[#sets + 1] = tag_set(tag) end end
      for _, set in ipairs(sets) do
        removed[set] = removed[set] or {{}}
        table.insert(removed[set], id)
      end
    end
  end
  for set, members in pairs(removed) do run_on_all('ZREM', members, set) end
  run_on_all('ZREM', ids, prefix .. 'ending')
  run_on_all('HDEL', ids, entries)
  run_on_all('HDEL', ids, tags)
  for id, entry in pairs(before) do
    if is_indexed_here(entry) and not is_same(id) then
      add_entry(id, entry, number_at(entry, 53), number_at(entry, 61))
      if tags_before[id] then set_tags(id, entry, tags_before[id]) end
    end
  end
end
local function list_unsigned(...)
  local found = {{}}
  for _, keys in ipairs({{...}}) do
    for _, key in ipairs(keys) do
      local id = string.match(key, ':unsigned:([^:]+)$')
      if id then found[id] = true end
    end
  end
  return found
end
local function hint_at_events(organization)
  redis.call('HINCRBY', KEYS[3], organization, 1)
  redis.call('ZADD', KEYS[2], 0, organization)
end
local calls = {{}}
local function restore(log)
  local copies = log .. 'copy:'
  local had, new, merged = unpack({{
    redis.call('SMEMBERS', log .. 'had'), redis.call('SMEMBERS', log .. 'new'), redis.call('SMEMBERS', log .. 'members')
  }})
  unsigned = list_unsigned(had, new)
  run_on_all('UNLINK', new)
  for _, key in ipairs(had) do
    if redis.pcall('RENAME', copies .. key, key).err then redis.call('UNLINK', key)
    elseif string.find(key, '{{call:[^}}]*}}$') then calls[#calls + 1] = key end
  end
  for _, key in ipairs(merged) do
    local kind, rest = string.match(key, '{{([^:}}]*)[^}}]*}}:?(.*)$')
    if kind ~= 'sessions' then merge(key, copies .. key, belongs[kind])
    elseif rest == 'entries' then restore_index(key, copies) end
    if kind == 'events' and rest == 'due' then hint_at_events(string.match(key, '{{events:([^}}]*)}}')) end
  end
end
for at = 5, #ARGV do
  local log = base .. ARGV[at] .. ':'
  if at < 5 + applied then restore(log) end
  for _, group in ipairs({{'had', 'members'}}) do
    local names = redis.call('SMEMBERS', log .. group)
    for at_name, name in ipairs(names) do names[at_name] = log .. 'copy:' .. name end
    run_on_all('UNLINK', names)
  end
  redis.call('UNLINK', log .. 'had', log .. 'new', log .. 'members')
  redis.call('ZREM', base .. 'snapshots', ARGV[at])
end
if mode ~= 'keep' then redis.call('DEL', base .. 'request') end
return calls
"""
"""Restore the values of keys before their changes, remove the snapshots in the arguments, and end the stored request.

The arguments are the start of the log's keys, the chain's id, the number of snapshots to apply, `keep` to go on with
the request, and snapshots: those to apply, newest first, and those to discard. The keys after the first are of the
hints at announced events, which may have come back. Returns the keys of restored calls.
"""
