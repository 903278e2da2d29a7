-- The store's order of events for one namespace. All its keys are in one slot of a cluster.
--
-- order:    a hash, the only key that never expires: `epoch`, `sequence` (of the last invalidation), `floor` (a fence below it
--           is refused), `marked` and `prefixed` (of the last invalidation of each kind), `run` (the server's id: a new one may
--           have lost what the one before had acknowledged), `longest` (how long any entry is kept, in milliseconds).
-- marks:    a sorted set: each mark, and the sequence that it was last invalidated at.
-- prefixes: the same for prefixes of tags.
--
-- Both sets may vanish: by eviction, or because nothing was invalidated for as long as any entry is kept. Who then needs them
-- to judge a fence refuses it.

local ORDER, MARKS, PREFIXES = KEYS[1], KEYS[2], KEYS[3]
local TAG = 'tag:'

local function now()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function begin_epoch(epoch, run, channel)
    redis.call('DEL', MARKS, PREFIXES)
    redis.call('HSET', ORDER, 'epoch', epoch, 'run', run, 'floor', 0, 'marked', 0, 'prefixed', 0)
    local sequence = redis.call('HINCRBY', ORDER, 'sequence', 1)
    redis.call('PUBLISH', channel, '*')
    return sequence
end

-- Length-prefixed parts to a table.
local function unframed(text)
    local parts, from = {}, 1
    while from <= #text do
        local length
        length, from = struct.unpack('>I4', text, from)
        parts[#parts + 1] = string.sub(text, from, from + length - 1)
        from = from + length
    end
    return parts
end

local function number(text)
    return tonumber(text or 0) or 0
end

-- Whether an answer with this fence and these marks may neither be stored nor served.
local function over(order, epoch, fence, framed)
    if order.epoch ~= epoch or fence > order.sequence or fence < order.floor then
        return true
    end
    if fence == order.sequence then
        return false
    end
    local marks = unframed(framed)
    if order.marked > fence and #marks > 0 then
        if redis.call('EXISTS', MARKS) == 0 then
            return true
        end
        for first = 1, #marks, 1000 do
            local scores = redis.call('ZMSCORE', MARKS, unpack(marks, first, math.min(first + 999, #marks)))
            for _, score in ipairs(scores) do
                if score and number(score) > fence then
                    return true
                end
            end
        end
    end
    if order.prefixed > fence then
        if redis.call('EXISTS', PREFIXES) == 0 then
            return true
        end
        local prefixes = redis.call('ZRANGEBYSCORE', PREFIXES, '(' .. string.format('%.0f', fence), '+inf')
        for _, mark in ipairs(marks) do
            if string.sub(mark, 1, #TAG) == TAG then
                for _, prefix in ipairs(prefixes) do
                    if string.sub(mark, #TAG + 1, #TAG + #prefix) == prefix then
                        return true
                    end
                end
            end
        end
    end
    return false
end

-- The order as it is; without one, a new epoch.
local function read_order(epoch, channel)
    local found = redis.call('HMGET', ORDER, 'epoch', 'sequence', 'floor', 'marked', 'prefixed', 'longest')
    if not found[1] then
        begin_epoch(epoch, '', channel)
        found = redis.call('HMGET', ORDER, 'epoch', 'sequence', 'floor', 'marked', 'prefixed', 'longest')
    end
    return {
        epoch = found[1],
        sequence = number(found[2]),
        floor = number(found[3]),
        marked = number(found[4]),
        prefixed = number(found[5]),
        longest = number(found[6]),
    }
end
