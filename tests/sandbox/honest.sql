with recursive r(i) as (select 1 union all select i + 1 from r where i < 10) select sum(i) from r
with recursive days as (select date '2024-01-01' as d union all select d + 1 from days where d < date '2024-01-31') select count(*) from days
with recursive t(n, f) as (values (1, 1) union all select n + 1, f * (n + 1) from t where n < 10) select * from t
with recursive walk as (select id, 0 as depth from agent_customers where id = 1 union all select c.id, w.depth + 1 from walk w join agent_customers c on c.id = w.id * 2 where w.depth < 5) select * from walk
select count(*) > 0 from agent_orders tablesample bernoulli(10 percent)
select * from agent_orders limit 10%
select id from agent_orders order by id limit 5 offset 10
select id from agent_orders order by id desc nulls last fetch first 3 rows only
from agent_orders limit 3
select count() from agent_orders
select channel, count(*) from agent_orders group by rollup(channel) order by all
select channel, customer_id % 2 as p, count(*) from agent_orders group by cube(channel, p) order by all
select grouping_id(channel), channel, count(*) from agent_orders group by grouping sets((channel), ()) order by all
select sum(amount) over w from agent_orders window w as (partition by channel order by id rows between unbounded preceding and current row) order by 1 limit 3
select sum(amount) over (order by d range between interval 7 days preceding and current row) from agent_orders order by id limit 3
select id, amount, sum(amount) over (order by id rows between 1 preceding and 1 following exclude current row) from agent_orders order by id limit 3
select id, ntile(4) over (order by amount, id), percent_rank() over (order by amount), cume_dist() over (order by amount) from agent_orders order by id limit 3
select id, nth_value(amount, 2) over (order by id) from agent_orders order by id limit 3
select id, lead(d, 1) over (partition by customer_id order by d, id) from agent_orders order by id limit 3
select channel, list(distinct customer_id order by customer_id)[1:3] from agent_orders group by 1 order by 1
select channel, first(id order by id), last(id order by id) from agent_orders group by 1 order by 1
select any_value(channel), min_by(id, amount), max_by(id, d) is not null from agent_orders
select arg_max(id, amount, 3) from agent_orders
select max(id, 3), min(id, 3) from agent_orders
select approx_quantile(amount, 0.5) is not null, approx_top_k(channel, 2) from agent_orders
select stddev(amount), var_pop(amount), corr(id, amount), regr_slope(amount, id) from agent_orders
select skewness(amount), kurtosis(amount), entropy(channel), mad(amount) from agent_orders
select bit_xor(id), bool_and(id > 0), bool_or(id > 5), product(1.0 + id * 0) from agent_orders
select histogram(channel), map_keys(histogram(channel)) from agent_orders
select histogram(amount, [0, 50, 100]) from agent_orders
select equi_width_bins(0, 10, 2, true)
select sum(distinct customer_id), avg(amount) filter (where amount > 10) from agent_orders
select sum(amount) filter (channel = 'web') / sum(amount) from agent_orders
select count(distinct (channel, customer_id)) from agent_orders
select string_agg(channel, ',' order by id) from agent_orders where id < 5
select group_concat(channel, '|') from agent_orders where id < 5
select mode() within group (order by channel) from agent_orders
select quantile_disc(amount, 0.9), percentile_disc(0.5) within group (order by amount) from agent_orders
select * from agent_orders join agent_customers on agent_orders.customer_id = agent_customers.id order by agent_orders.id limit 2
select * from agent_orders o left join agent_customers c on o.customer_id = c.id and c.country = 'DE' order by o.id limit 2
select count(*) from agent_orders o right join agent_customers c on o.customer_id = c.id
select count(*) from agent_orders o full outer join agent_customers c on o.customer_id = c.id
select count(*) from agent_orders o cross join (select 1) x
select o.id from agent_orders o asof left join agent_customers c on o.id >= c.id order by 1 limit 3
select o.id, x.m from agent_orders o left join lateral (select max(id) m from agent_customers c where c.id <= o.id) x on true order by 1 limit 3
select * from (select unnest([1,2,3]) as a) t
select unnest([{'a': 1, 'b': 2}, {'a': 3, 'b': 4}], recursive := true)
select unnest({'a': 1, 'b': [1, 2]})
select unnest([[1,2],[3]], max_depth := 2)
select * from unnest([1,2,3]) with ordinality as t(a, n)
select generate_subscripts([4,5,6], 1)
select list_transform(['a','b'], lambda x, i: x || i::varchar)
select list_filter(range(10), x -> x % 2 = 0), list_sort([3,1,2], 'DESC'), list_distinct([1,1,2]), list_sum([1,2,3])
select list_aggregate([1,2,3], 'sum'), list_reverse([1,2,3]), flatten([[1],[2,3]]), list_zip([1,2],['a','b'])
select array_length([1,2,3]), len([1]), list_contains([1,2], 2), list_position([1,2], 2), [1,2] && [2,3], [1,2] || [3]
select [x + 1 for x in [1,2,3] if x > 1], list_has_any([1],[1,2]), list_intersect([1,2],[2])
select struct_insert({'a': 1}, b := 2), struct_extract({'a': 1}, 'a'), row(1, 'a'), {'a': {'b': 1}}.a.b
select map {'a': 1, 'b': 2}, map(['a'], [1])['a'], map_entries(map {'a': 1}), map_from_entries([('a', 1)]), cardinality(map {'a': 1})
select element_at(map {'a': 1}, 'a'), map_values(map {'a': 1}), map_extract(map {'a': 1}, 'a')
select union_value(num := 2), union_extract(union_value(num := 2), 'num'), union_tag(union_value(num := 2))
select array_value(1.0, 2.0)::float[2], array_cosine_similarity([1.0, 2.0]::float[2], [2.0, 1.0]::float[2])
select '{"a": [1, 2]}'::json -> 'a' ->> 0, json_extract('{"a": 1}', '$.a'), json_extract_string('{"a": "x"}', 'a')
select json_array_length('[1,2]'), json_keys('{"a": 1}'), json_type('1'), json_valid('{'), json_structure('{"a": 1}')
select from_json('{"a": 1}', '{"a": "INTEGER"}'), json_transform('{"a": 1}', '{"a": "INTEGER"}'), to_json({'a': 1}), json_object('a', 1), json_array(1, 'b')
select json_group_array(id), json_group_object(id, channel) from agent_orders where id < 3
select json_merge_patch('{"a": 1}', '{"b": 2}'), json_contains('{"a": 1}', '{"a": 1}'), json_pretty('{"a":1}'), json_quote('x')
select key, value from json_each('{"a": 1, "b": 2}')
select e.value from agent_orders o, json_each(json_array(o.id)) e order by o.id limit 2
select fullkey from json_tree('{"a": [1]}') order by 1
select unnest(from_json('[1,2]', '["INTEGER"]'))
select regexp_matches('abc', 'a.c'), regexp_replace('abc', 'b', 'x', 'g'), regexp_extract_all('a1b2', '[0-9]'), regexp_split_to_array('a,b', ','), 'abc' similar to 'a.c', 'abc' ~ 'a.c'
select position('b' in 'abc'), strpos('abc', 'b'), instr('abc', 'b'), starts_with('abc', 'a'), 'abc' ^@ 'a', contains('abc', 'b'), suffix('abc', 'c'), prefix('abc', 'a')
select format('{} {}', 'a', 1), format('{:,}', 1000000), printf('%.2f', 1.5), format('{:05d}', 42), format('{0} {1} {0}', 'a', 'b')
select lpad('a', 3, '0'), rpad('a', 3, '0'), repeat('ab', 3), replace('abc', 'b', ''), translate('abc', 'ab', 'xy')
select chr(65), ascii('A'), ord('A'), unicode('A'), hex('a'), to_base64('a'::blob), md5('a'), sha256('a'), hash('a') is not null
select strip_accents('é'), nfc_normalize('é'), length('é'), strlen('é'), bit_length('a'), levenshtein('ab', 'ac')
select jaccard('ab', 'ac'), jaro_similarity('ab', 'ac'), hamming('ab', 'ac'), damerau_levenshtein('ab', 'ac')
select current_date >= date '2024-01-01', now() is not null, today() is not null, current_timestamp is not null, get_current_timestamp() is not null
select date_part('year', d), extract(month from d), year(d), month(d), day(d), quarter(d), week(d), dayofweek(d), isodow(d), weekofyear(d), dayofyear(d), monthname(d), dayname(d), last_day(d) from agent_orders order by id limit 1
select date_add(d, interval 1 month), d + interval '1 day', d - 1, d - date '2024-01-01', date_sub('month', d, date '2025-01-01'), datediff('week', d, date '2025-01-01'), age(d::timestamp) is not null from agent_orders order by id limit 1
select strptime('2024-01-02', '%Y-%m-%d'), strftime(date '2024-01-02', '%d.%m.%Y'), try_strptime('x', '%Y'), make_date(2024, 1, 2), make_timestamp(2024,1,2,3,4,5.5), epoch(timestamp '2024-01-01'), epoch_ms(1704067200000), to_timestamp(0)
select date_part(['year', 'month'], date '2024-05-06'), time_bucket(interval '1 week', d), date_trunc('quarter', d), isfinite(d), d between '2024-01-01' and '2024-12-31' from agent_orders order by id limit 1
select interval 1 year + interval '2 months', interval (3) day, to_days(3), to_months(2), interval '1' hour * 2, timestamp '2024-01-01 00:00:00' + interval 90 minute
select (timestamp '2024-01-01 00:00:00' at time zone 'UTC') at time zone 'America/New_York', timezone('Europe/Paris', timestamptz '2024-01-01 00:00:00+00'), timestamptz '2024-01-01 00:00:00+00'::date
select d::timestamp, d::varchar, amount::int, amount::decimal(10,2), cast(id as varchar), try_cast('x' as int), id::double, '1 day'::interval, 'true'::bool, 1::bit, 'a'::blob, '12:00'::time from agent_orders order by id limit 1
select round(2.567, 2), ceil(1.2), floor(1.8), abs(-1), sign(-2), sqrt(4), power(2, 3), exp(1), ln(2), log(10), log(2, 8), mod(7, 3), trunc(1.9), pi(), greatest(1,2), least(1,2), gcd(4, 6), factorial(4), 7 // 2, 7 % 2, 2^3, 5 & 3, 5 | 3, xor(5,3), 1 << 3, ~5, bit_count(7), even(3)
select random() >= 0, uuid() is not null, gen_random_uuid() is not null
select case when amount > 100 then 'high' else 'low' end as bucket, count(*) from agent_orders group by bucket order by bucket
select amount between 1 and 2, id in (1,2), id not in (1,2), channel like 'w%', channel ilike 'W%', channel not like 'x%', channel glob 'w*', not true from agent_orders order by id limit 1
select * exclude (d) from agent_orders order by id limit 1
select * replace (round(amount) as amount) from agent_orders order by id limit 1
select * rename (amount as total) from agent_orders order by id limit 1
select * exclude (d, amount) replace (upper(channel) as channel) from agent_orders order by id limit 1
select o.* exclude (id) from agent_orders o order by o.id limit 1
select columns('am.*') from agent_orders order by id limit 1
select columns(['id', 'amount']) from agent_orders order by id limit 1
select min(columns(* exclude d)), max(columns(* exclude d)) from agent_orders
select sum(columns('id|amount')) from agent_orders
select * like 'c%' from agent_orders order by id limit 1
select coalesce(*columns(['id', 'customer_id'])) from agent_orders order by id limit 1
select (id, channel) from agent_orders order by id limit 1
select id as a, a + 1 as b, b * 2 as c from agent_orders order by id limit 1
select channel, avg(amount) as m from agent_orders group by all having m > 1 order by all
select channel from agent_orders group by 1 order by count(*) desc, 1 limit 1
select distinct channel from agent_orders order by channel
select distinct on (customer_id) customer_id, id from agent_orders order by customer_id, d desc, id limit 3
select count(*) from (select id from agent_orders union select id from agent_customers)
select id from agent_orders where id < 2 union all select id from agent_customers where id < 2 order by 1
select id from agent_orders except all select id from agent_customers order by 1 limit 2
select id from agent_orders intersect all select id from agent_customers order by 1 limit 2
(select id from agent_orders order by id limit 1) union all (select id from agent_customers order by id limit 1) order by 1
select id, channel from agent_orders where id < 1 union all by name select 'x' as channel, 5 as id order by id
pivot agent_orders on channel in ('web', 'store') using count(*) group by customer_id order by customer_id limit 2
select * from agent_orders pivot (sum(amount) for channel in ('web', 'app') group by customer_id) order by all limit 2
with p as (pivot agent_orders on channel in ('web', 'app') using sum(amount) group by customer_id) select * from p order by all limit 2
unpivot agent_customers on pseud, country into name k value v order by all limit 2
select * from agent_customers unpivot (v for k in (pseud, country)) order by all limit 2
from agent_customers unpivot include nulls (v for k in (pseud, country)) order by all limit 2
unpivot (select id, amount, customer_id::double as c from agent_orders) on columns(* exclude id) into name k value v order by all limit 2
with a as (select * from agent_orders), b as (select * from agent_customers) select count(*) from a join b on a.customer_id = b.id
with a(x, y) as (select id, amount from agent_orders) select max(x), max(y) from a
with a as not materialized (select id from agent_orders) select count(*) from a
with a as (with b as (select 1 as x) select * from b) select * from a
select (select count(*) from agent_customers where id = o.customer_id) from agent_orders o order by o.id limit 2
select id from agent_orders where amount > (select avg(amount) from agent_orders) order by id limit 2
select id from agent_orders where (customer_id, channel) in (select id, 'web' from agent_customers) order by id limit 2
select id from agent_orders where id = any(select id from agent_customers) order by id limit 1
select id from agent_orders where id <> all (select id from agent_customers) order by id limit 1
select id from agent_orders where id in [1, 2, 3] order by 1
select id from agent_orders where not exists (select 1 from agent_customers c where c.id = agent_orders.customer_id) limit 1
select array(select id from agent_customers where id < 3 order by id)
values (1, 'a'), (2, 'b') order by 1
select * from (values (1, 'a'), (2, 'b')) as t(id, name)
table agent_customers limit 1
select "id", agent_orders.id, "agent_orders"."id" from "agent_orders" order by 1 limit 1
select #1 from agent_orders order by 1 limit 1
select id i, amount a from agent_orders order by i limit 1
select alias: id, other: channel from agent_orders order by id limit 1
from agent_orders select count(*), channel group by channel order by all
from agent_orders o where o.id < 3 order by id
from (from agent_orders where id < 3) select sum(id)
summarize agent_orders
summarize (select amount from agent_orders)
describe select * from agent_orders
desc agent_orders
show agent_orders
select typeof(id), typeof([1]), typeof({'a': 1}), typeof(d) from agent_orders order by id limit 1
select id.abs(), channel.upper().length() from agent_orders order by id limit 1
select channel[1], channel[1:2], channel[-1] from agent_orders order by id limit 1
select list(id)[1] from agent_orders
select count(*) from range(10), range(10) t2
select * from generate_series(1, 5)
select i from range(1, 10, 3) t(i)
select d::date from range(date '2024-01-01', date '2024-01-05', interval 1 day) t(d)
select t::timestamp from generate_series(timestamp '2024-01-01', timestamp '2024-01-01 03:00:00', interval '1 hour') s(t)
select range(5), generate_series(1, 3), range(date '2024-01-01', date '2024-01-04', interval 1 day)
select cast([1,2] as varchar), [1,2]::varchar[], {'a':1}::struct(a varchar), map{'a':1}::map(varchar, double)
select 'small'::enum('small', 'large')
select array_agg(id order by id) filter (where id < 3) from agent_orders
select array_agg({'id': id, 'c': channel} order by id) from agent_orders where id < 2
select sum(amount)::decimal(18,2), round(avg(amount), 2), count(*)::float / 3 from agent_orders
select sum(case when channel = 'web' then 1 end) as web, count_if(channel = 'app') as app from agent_orders
select strftime(d, '%Y-W%W') as wk, count(*) from agent_orders group by 1 order by 1 limit 2
select date_trunc('week', d)::date as wk, channel, sum(amount) from agent_orders group by 1, 2 order by 1, 2 limit 2
with m as (select date_trunc('month', d) m, sum(amount) s from agent_orders group by 1) select m, s, avg(s) over (order by m rows between 2 preceding and current row) from m order by m limit 3
with c as (select customer_id, min(d) f from agent_orders group by 1) select date_trunc('month', f) cohort, date_diff('month', f, d) k, count(distinct o.customer_id) from agent_orders o join c using (customer_id) group by all order by all limit 3
select customer_id, sum(amount) t, sum(t) over (order by t desc) / sum(t) over () as share from agent_orders group by 1 order by t desc, 1 limit 3
select *, row_number() over (partition by customer_id order by d desc, id) rn from agent_orders qualify rn <= 1 order by id limit 3
select id, amount - avg(amount) over (partition by channel) from agent_orders order by id limit 2
select channel, amount, rank() over (partition by channel order by amount desc) r, dense_rank() over (order by amount) from agent_orders order by id limit 2
select percentile_cont([0.25, 0.5, 0.75]) within group (order by amount) from agent_orders
select (amount / 10)::int * 10 as bin, count(*) from agent_orders group by 1 order by 1 limit 3
select bin, count(*) from (select width_bucket from (select 1 as width_bucket)) t(bin) group by 1
select a.channel, b.channel, count(*) from agent_orders a join agent_orders b on a.customer_id = b.customer_id and a.id < b.id group by all order by all
select regexp_replace(body, '\s+', ' ', 'g') from agent_notes order by id limit 1
select body[:20], body like '%refund%', length(body) - length(replace(body, 'refund', '')) from agent_notes order by id limit 2
select w, count(*) from agent_notes, unnest(string_split(lower(body), ' ')) t(w) where w <> '' group by w order by all
select try(1 / 0), try_cast('2024-13-01' as date)
select * from agent_orders where d > current_date - interval 10 year and channel is not null order by id limit 1
select extract('epoch' from interval 1 hour), extract(dow from d), date_part('doy', d) from agent_orders order by id limit 1
select datediff('day', date '2024-01-01', date '2024-02-01'), date_diff('hour', timestamp '2024-01-01', timestamp '2024-01-02'), datesub('day', date '2024-01-01', date '2024-02-01')
select bar(amount, 0, 200, 10) from agent_orders order by id limit 2
select format_bytes(123456), formatReadableSize(1024), parse_path('/a/b'), url_encode('a b')
select array_to_string([1,2], ','), array_slice([1,2,3], 1, 2), list_slice([1,2,3], 1, 2), array_unique([1,1]), list_unique([1]), list_value(1,2), list_resize([1], 3, 0), list_where([1,2], [true, false]), list_select([1,2], [1]), list_grade_up([2,1]), list_cosine_similarity([1.0,2],[2.0,1])
select reduce([1,2,3], lambda a, b: a + b), list_reduce([1,2,3], lambda a, b: a * b, 10)
select apply([1,2], lambda x: x * 2), filter([1,2], lambda x: x > 1), list_any_value([null, 1]), list_median([1,2,3]), list_mode([1,1,2])
select struct_keys({'a': 1}), struct_values({'a': 1}), struct_concat({'a': 1}, {'b': 2}), struct_update({'a': 1}, a := 2)
select count(*) from agent_orders where channel = 'web' or (channel = 'app' and amount > 50)
select o.channel, c.country, n.id from agent_orders o join agent_customers c on o.customer_id = c.id join agent_notes n on n.id = o.id order by all limit 2
select encode('a'), decode('a'::blob), from_base64('YQ=='), unhex('61'), bin(5), to_hex(255), 'a' collate nocase = 'A'
select sum(amount) from agent_orders group by channel order by sum(amount) desc nulls first limit 1
select current_localtimestamp() is not null, localtimestamp is not null, current_time is not null
select id from agent_orders order by channel collate nocase, id limit 1
select id from agent_orders order by all desc limit 1
select count(*) over () as n, id from agent_orders order by id limit 1
select sum(id) over (partition by channel order by id groups between 1 preceding and current row) from agent_orders order by id limit 1
select last_value(amount ignore nulls) over (order by id) from agent_orders order by id limit 1
select lag(amount ignore nulls) over (order by id) from agent_orders order by id limit 2
select min(d), max(d), max(d) - min(d), count(distinct d) from agent_orders
select 'Total' as label, sum(amount) from agent_orders union all select channel, sum(amount) from agent_orders group by channel order by 1
select date '2024-01-31' + interval 1 month, last_day(date '2024-02-01'), date_trunc('day', timestamp '2024-01-01 12:00')
select today() - 7 < current_date, dayname(date '2024-01-01'), strftime(timestamp '2024-01-01', '%A')
select exists(select 1 from agent_orders where id = 1), (select 1) is null
select id, channel from agent_orders where channel in (select unnest(['web', 'app'])) order by id limit 2
select geomean(amount + 1), favg(amount), fsum(amount), weighted_avg(amount, id) from agent_orders
select age(timestamp '2024-02-01', timestamp '2024-01-01'), century(date '2024-01-01'), julian(date '2024-01-01'), yearweek(date '2024-01-01'), era(date '2024-01-01'), millisecond(timestamp '2024-01-01'), nanosecond(timestamp '2024-01-01')
select ceil(amount / 10) * 10 as bucket, count(*) as n, repeat('*', least(count(*) // 100, 50)::int) from agent_orders group by 1 order by 1 limit 3
select rpad(channel, 10, '.') || lpad(amount::int::varchar, 8, ' ') from agent_orders order by id limit 1
select range(extract(year from min(d)), extract(year from max(d)) + 1) from agent_orders
select y from range(2020, 2025) t(y) left join agent_orders o on year(o.d) = y group by y order by y
select s.d::date, coalesce(sum(o.amount), 0) from generate_series((select min(d) from agent_orders), (select max(d) from agent_orders), interval 1 day) s(d) left join agent_orders o on o.d = s.d::date group by 1 order by 1 limit 2
select unnest(generate_series(1, length(channel))) from agent_orders order by 1 limit 2
select make_time(1, 2, 3.0), make_timestamptz(2024, 1, 1, 0, 0, 0.0), timetz '12:00:00+00'
select variance(amount), var_samp(amount), stddev_samp(amount), stddev_pop(amount), sem(amount), covar_pop(id, amount), covar_samp(id, amount), regr_r2(amount, id), regr_count(amount, id), regr_intercept(amount, id) from agent_orders
select count(*) from agent_orders o1, agent_orders o2 where o1.id = o2.id
select try_cast(channel as int) is null, trim(channel), ltrim(channel), char_length(channel), octet_length(channel::blob) from agent_orders order by id limit 1
select median(amount) over (partition by channel) from agent_orders order by id limit 1
select sum(sum(amount)) over (order by channel) from agent_orders group by channel order by channel
select channel, sum(amount) * 100.0 / sum(sum(amount)) over () as pct from agent_orders group by channel order by channel
select cast('2024-01-01' as timestamp with time zone), cast(1.5 as numeric(10,2)), cast('a' as text), cast(1 as bigint), '1'::int4, 1::int8, 1::hugeint, 1::uint8, 1::real, 'a'::char(1), 'x'::string
select 1::decimal, 1::numeric, 1::dec(4,1), time '12:00', timestamp_s '2024-01-01 00:00:00', timestamp_ms '2024-01-01 00:00:00', timestamp_ns '2024-01-01 00:00:00'
select case when count(*) = 0 then 'none' else 'some' end from agent_orders where id < 0
select id from agent_orders where id = 5 limit 0
select count(*) from agent_orders where amount = 'NaN'::double or isnan(amount::double)
select min(amount) over (order by id rows between current row and 2 following) from agent_orders order by id limit 1
select list_concat([1], [2]), list_append([1], 2), list_prepend(0, [1]), array_push_back([1], 2), array_pop_back([1,2]), list_resize([1], 2)
select string_agg(distinct upper(channel), '/' order by upper(channel)) from agent_orders
select strftime('%Y', d) from agent_orders limit 1
select channel, count(*) as orders from agent_orders group by channel having count(*) > 10 and channel <> 'x' order by orders desc, channel limit 10 offset 0
select monthname(d) as m, count(*) from agent_orders group by m, month(d) order by month(d)
select trim('  x '), lower(trim(channel)), regexp_full_match(channel, '[a-z]+') from agent_orders order by id limit 1
select id, date_trunc('hour', d::timestamp) + interval 30 minutes from agent_orders order by id limit 1
select nested.a from (select {'a': id} as nested from agent_orders) order by 1 limit 1
select s.* from (select {'a': id, 'b': channel} as s from agent_orders where id = 1)
select json_object('channel', channel, 'n', count(*)) from agent_orders group by channel order by channel
select '{"a": 1}'->'$.a', ('{"a":{"b":[1]}}'::json)->'a'->'b'->0, '{"a":1}'::json->>'a'
select (('{"a":1}')::json).a
select levenshtein('ab', 'ac'), damerau_levenshtein('ab','ac'), equi_width_bins(0,10,2,true)
select levenshtein(left(body, 100), 'refund') from agent_notes limit 3
select levenshtein(lower(left(channel, 20)), 'web') from agent_orders limit 1
select lpad(channel, (length(channel) + 2)::int, ' '), repeat('-', (length(channel) / 2)::int) from agent_orders limit 1
