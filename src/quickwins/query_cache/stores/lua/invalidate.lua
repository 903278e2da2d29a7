-- KEYS: order, marks, prefixes.
-- ARGV: an epoch to begin, the channel, what to publish, 1 for everything, how many are remembered, marks, prefixes.
local order = read_order(ARGV[1], ARGV[2])
if ARGV[4] == '1' then
    begin_epoch(ARGV[1], redis.call('HGET', ORDER, 'run'), ARGV[2])
else
    local sequence = redis.call('HINCRBY', ORDER, 'sequence', 1)
    local floor = order.floor
    local function remember(key, last, field, names)
        if #names == 0 then
            return
        end
        if last > 0 and redis.call('EXISTS', key) == 0 then
            floor = sequence - 1  -- it has forgotten, so all before is refused
        end
        for _, name in ipairs(names) do
            redis.call('ZADD', key, sequence, name)
        end
        local many = redis.call('ZCARD', key) - number(ARGV[5])
        if many > 0 then
            floor = math.max(floor, number(redis.call('ZRANGE', key, many - 1, many - 1, 'WITHSCORES')[2]))
            redis.call('ZREMRANGEBYRANK', key, 0, many - 1)
        end
        redis.call('PEXPIRE', key, string.format('%.0f', math.max(order.longest, 60000)))
        redis.call('HSET', ORDER, field, sequence)
    end
    remember(MARKS, order.marked, 'marked', unframed(ARGV[6]))
    remember(PREFIXES, order.prefixed, 'prefixed', unframed(ARGV[7]))
    if floor ~= order.floor then
        redis.call('HSET', ORDER, 'floor', string.format('%.0f', floor))
    end
    redis.call('PUBLISH', ARGV[2], ARGV[3])
end
order = read_order(ARGV[1], ARGV[2])
return {order.epoch, order.sequence}
